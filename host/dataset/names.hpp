#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
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

/// Returns the files that a name or a pattern stands for, in natural order. Throws
/// `file_unreadable` if there is none.
std::vector<std::string> files_of(const std::string& name_or_pattern);

bool is_pattern(std::string_view array);

/// Returns what each `*` of a pattern stands for in a name, or nothing if the name is another. A
/// `*` stands for one or more characters, '.' and '/' apart.
std::optional<std::vector<std::string>> match_array(std::string_view pattern,
                                                    std::string_view name);

/// The places of names on the grid that the stars of a pattern span.
struct StarGrid {
  std::vector<std::int64_t> extents;  ///< one for each star
  std::vector<std::size_t> order;     ///< the number of the name at each place, in C order
};
/// `captures` are what the stars of each name stand for, `names` are for messages. Throws
/// `invalid_argument` for a place that has no name, or two.
StarGrid grid_of_stars(const std::vector<std::vector<std::string>>& captures,
                       const std::vector<std::string>& names, std::string_view pattern);

}  // namespace multibuffer
