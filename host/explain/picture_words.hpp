#pragma once

#include <multibuffer/array_view.hpp>
#include <multibuffer/explain.hpp>
#include <multibuffer/layout.hpp>
#include <multibuffer/placement_options.hpp>

#include "host/explain/panel.hpp"
#include "host/explain/picture.hpp"
#include "host/explain/svg.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace multibuffer {

/// Pixels, between lines of text.
inline constexpr double line_height = 17;

/// The words of a panel of an exporter's memory, and of one of offset arrays. They keep a reference
/// to `model`.
PanelWords words_of_pointers(const PictureModel& model, const Layout& layout,
                             std::int64_t itemsize);
/// `device`: "cuda:0", or "a device" where none has been chosen.
PanelWords words_of_offsets(const PictureModel& model, const std::string& device,
                            PlacementKind placement, std::int64_t unit);

/// Whose axes are written: those of pointers in memory, or of entries of offset arrays; of arrays,
/// or of rows of unequal length, whose axis 1 is as long as the longest of them.
enum class AxesIn { memory, entries, rows, row_entries };

/// One line for each axis, in the order in which the rule goes through them.
std::vector<std::vector<std::string>> axes_words(const Layout& layout, AxesIn what);

/// A way in words: what each step does, and where it leads.
class WayInWords {
 public:
  struct Line {
    std::string number;  ///< of the step, as it is in the picture; empty for none
    std::string does;
    std::string leads_to;
  };
  /// `style` is "way" or "bad".
  WayInWords(std::string heading, std::vector<Line> lines, std::string end, std::string style)
      : heading_(std::move(heading)),
        lines_(std::move(lines)),
        end_(std::move(end)),
        style_(std::move(style)) {
    for (const Line& line : lines_)
      if (!line.leads_to.empty()) does_ = std::max(does_, text_width(line.does));
    width_ = std::max(text_width(heading_, 13), text_width(end_) + 24);
    for (const Line& line : lines_) {
      const double behind = line.leads_to.empty() ? 0 : does_ + 28 + text_width(line.leads_to);
      width_ = std::max(width_, 24 + std::max(text_width(line.does), behind));
    }
  }
  double width() const noexcept { return width_; }

  double draw(Svg& svg, double x, double y) const {
    svg.text(x, y + 12, heading_, "heading", Anchor::start, 13);
    y += 32;
    for (const Line& line : lines_) {
      if (!line.number.empty()) svg.badge(x + 8, y - 4, line.number, style_);
      svg.text(x + 24, y, line.does, line.number == "✗" ? "bad-text" : "");
      if (!line.leads_to.empty()) svg.text(x + 24 + does_ + 14, y, "= " + line.leads_to, "name");
      y += line_height + 3;
    }
    svg.text(x + 24, y, end_, style_ + "-text");
    return y + line_height;
  }

 private:
  std::string heading_;
  std::vector<Line> lines_;
  std::string end_;
  std::string style_;
  double does_ = 0;
  double width_ = 0;
};

/// The steps of a way, numbered as they are in the picture. `end` says what they lead to.
WayInWords in_words(const WayToElement& way, std::string heading, bool by_pointers,
                    const PanelWords& words, std::string end);

/// Where a consumer reads that takes a negative suboffset for "no pointer": it goes on in the
/// table. Nothing if all suboffsets can be said, or if it would follow another pointer behind.
std::optional<WrongRead> read_by_sign(const ArrayView& view, const WayToElement& way);

/// What such a consumer does, and sentences about it.
WayInWords by_sign_in_words(const WayToElement& way, const WrongRead& wrong,
                            const PictureModel& model, const PanelWords& words);
std::vector<std::string> warnings_of(std::int64_t suboffset);

}  // namespace multibuffer
