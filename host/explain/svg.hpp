#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace multibuffer {

/// Sizes of type, in pixels. A character of a monospaced font is 0.6 of that wide in any font that
/// viewers have for it; those of `sans-serif` are narrower on average.
inline constexpr double text_size = 12;
inline constexpr double small_size = 10;
double text_width(std::string_view words, double size = text_size);

enum class Anchor { start, middle, end };

/// Collects the elements of a picture, and the room that they take. All text is escaped here.
class Svg {
 public:
  /// `style` is a class of the style sheet in svg.cpp.
  void rect(double x, double y, double width, double height, std::string_view style,
            std::string_view tip = {});
  void text(double x, double y, std::string_view words, std::string_view style,
            Anchor anchor = Anchor::start, double size = text_size);
  /// A path of SVG's commands, with an arrow's head at its end.
  void arrow(const std::string& commands, std::string_view style);
  void line(const std::string& commands, std::string_view style);
  /// A number, or a mark, in a disc around (x, y), 16 pixels wide.
  void badge(double x, double y, std::string_view number, std::string_view style);

  double width() const noexcept { return width_; }
  double height() const noexcept { return height_; }

  /// The whole file. `title` and `description` are for those who do not see it.
  std::string document(std::string_view title, std::string_view description) const;

 private:
  void reach(double x, double y);

  std::string body_;
  double width_ = 0;
  double height_ = 0;
};

/// A command of a path: "M 3 4.5".
std::string path_to(char command, double x, double y);
std::string path_curve(double x1, double y1, double x2, double y2, double x, double y);

/// Text for XML: what has a meaning there escaped, what may not be there replaced by U+FFFD.
std::string escaped(std::string_view words);

}  // namespace multibuffer
