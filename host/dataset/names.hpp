#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

// The names that users give stand for files, and for arrays in files.

namespace multibuffer {

/// Orders names as people do: digits by the numbers that they make, so that 2 comes before 10.
bool natural_less(std::string_view a, std::string_view b);

struct SourceName {
  std::string file;   ///< may be a pattern
  std::string array;  ///< behind "::"; may be a pattern, or empty
};
/// Takes "FILE::ARRAY" apart, unless a file has the whole name.
SourceName split_source(const std::string& source);

/// Returns the files that a name or a pattern stands for, in natural order: the one that has the
/// whole name, if there is one; else those that glob(7) finds, in whose patterns `[*]`, `[?]` and
/// `[[]` stand for these characters themselves, and a backslash for itself. Throws
/// `file_unreadable` if there is none.
std::vector<std::string> files_of(const std::string& name_or_pattern);

/// This is what stands behind the "::": the name of an array, or a pattern for several. A `*`
/// stands for one or more characters, '.' and '/' apart. `[*]`, `[?]` and `[[]` stand for these
/// characters themselves, as Python's glob.escape() writes them; any other '[' is itself.
class ArrayPattern {
 public:
  explicit ArrayPattern(std::string_view text);

  bool has_stars() const noexcept { return pieces_.size() > 1; }
  /// The name that a pattern without stars is.
  const std::string& name() const noexcept { return pieces_.front(); }
  /// Returns what each star stands for in a name, or nothing if the name is another.
  std::optional<std::vector<std::string>> match(std::string_view name) const;
  /// The name in which the stars stand for `words`.
  std::string spelled(std::span<const std::string> words) const;

 private:
  bool match_from(std::size_t piece, std::string_view name,
                  std::vector<std::string>& captured) const;

  std::vector<std::string> pieces_;  ///< what stands between the stars
};

/// The places of names on the grid that the stars of a pattern span.
struct StarGrid {
  std::vector<std::int64_t> extents;  ///< one for each star
  std::vector<std::size_t> order;     ///< the number of the name at each place, in C order
};
/// `captures` are what the stars of each name stand for; `names`, and the pattern as its `text`,
/// are for messages. Throws `invalid_argument` for a place that has no name, or two.
StarGrid grid_of_stars(const std::vector<std::vector<std::string>>& captures,
                       const std::vector<std::string>& names, const ArrayPattern& pattern,
                       std::string_view pattern_text);

}  // namespace multibuffer
