#include "host/dataset/names.hpp"

#include <multibuffer/error.hpp>

#include "host/support/checked.hpp"
#include "host/support/text.hpp"

#include <glob.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <functional>
#include <memory>
#include <system_error>

namespace multibuffer {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// Takes the digits off the front of `rest`, without leading zeros.
std::string_view take_digits(std::string_view& rest) {
  std::size_t length = 0;
  while (length < rest.size() && is_digit(rest[length])) ++length;
  std::string_view digits = rest.substr(0, length);
  rest.remove_prefix(length);
  digits.remove_prefix(std::min(digits.find_first_not_of('0'), digits.size()));
  return digits;
}

bool exists(const std::string& path) {
  struct stat status {};
  return stat(path.c_str(), &status) == 0;
}

}  // namespace

bool natural_less(std::string_view a, std::string_view b) {
  const std::string_view whole_a = a;
  const std::string_view whole_b = b;
  while (!a.empty() && !b.empty()) {
    if (is_digit(a[0]) && is_digit(b[0])) {
      const std::string_view x = take_digits(a);
      const std::string_view y = take_digits(b);
      if (x.size() != y.size()) return x.size() < y.size();
      if (x != y) return x < y;
      continue;
    }
    if (a[0] != b[0]) return static_cast<unsigned char>(a[0]) < static_cast<unsigned char>(b[0]);
    a.remove_prefix(1);
    b.remove_prefix(1);
  }
  if (a.empty() != b.empty()) return a.empty();
  return whole_a < whole_b;  // "01" and "1" are two names
}

SourceName split_source(const std::string& source) {
  const auto split_at = [&](std::size_t colons) {
    return SourceName{source.substr(0, colons), source.substr(colons + 2)};
  };
  const std::size_t first = source.find("::");
  if (first == std::string::npos || exists(source)) return {source, ""};
  // A file's own name may have colons.
  for (std::size_t at = first; at != std::string::npos; at = source.find("::", at + 1))
    if (exists(source.substr(0, at))) return split_at(at);
  return split_at(first);
}

std::vector<std::string> files_of(const std::string& name_or_pattern) {
  const bool is_pattern = name_or_pattern.find_first_of("*?[") != std::string::npos;
  if (!is_pattern || exists(name_or_pattern)) return {name_or_pattern};
  glob_t found{};
  // A backslash is itself, as in Python's patterns: glob.escape() leaves those of a name alone.
  const int flags = GLOB_ERR | GLOB_NOSORT | GLOB_NOESCAPE;
  const int error = glob(name_or_pattern.c_str(), flags, nullptr, &found);
  const std::unique_ptr<glob_t, void (*)(glob_t*)> freed(&found, [](glob_t* g) { globfree(g); });
  if (error == GLOB_NOMATCH)
    throw Failure(Errc::file_unreadable, text(name_or_pattern, ": there are no such files"));
  if (error == GLOB_NOSPACE) throw std::bad_alloc();
  if (error != 0)
    throw Failure(Errc::file_unreadable,
                  text(name_or_pattern, ": ", std::generic_category().message(errno)));
  std::vector<std::string> files(found.gl_pathv, found.gl_pathv + found.gl_pathc);
  std::ranges::sort(files, natural_less);
  return files;
}

ArrayPattern::ArrayPattern(std::string_view text) : pieces_(1) {
  while (!text.empty()) {
    const bool is_escape = text.size() >= 3 && text[0] == '[' && text[2] == ']' &&
                           std::string_view("*?[").find(text[1]) != std::string_view::npos;
    if (is_escape) {
      pieces_.back() += text[1];
    } else if (text[0] == '*') {
      pieces_.emplace_back();
    } else {
      pieces_.back() += text[0];
    }
    text.remove_prefix(is_escape ? 3 : 1);
  }
}

std::optional<std::vector<std::string>> ArrayPattern::match(std::string_view name) const {
  std::vector<std::string> captured;
  if (!match_from(0, name, captured)) return {};
  return captured;
}

bool ArrayPattern::match_from(std::size_t piece, std::string_view name,
                              std::vector<std::string>& captured) const {
  if (!name.starts_with(pieces_[piece])) return false;
  name.remove_prefix(pieces_[piece].size());
  if (piece + 1 == pieces_.size()) return name.empty();
  const std::size_t longest = std::min(name.find_first_of("./"), name.size());
  for (std::size_t length = longest; length > 0; --length) {
    captured.emplace_back(name.substr(0, length));
    if (match_from(piece + 1, name.substr(length), captured)) return true;
    captured.pop_back();
  }
  return false;
}

std::string ArrayPattern::spelled(std::span<const std::string> words) const {
  std::string name = pieces_[0];
  for (std::size_t star = 0; star + 1 < pieces_.size(); ++star)
    name += words[star] + pieces_[star + 1];
  return name;
}

StarGrid grid_of_stars(const std::vector<std::vector<std::string>>& captures,
                       const std::vector<std::string>& names, const ArrayPattern& pattern,
                       std::string_view pattern_text) {
  const std::size_t stars = captures.at(0).size();
  std::vector<std::vector<std::string>> values(stars);
  std::int64_t places = 1;
  StarGrid grid;
  for (std::size_t star = 0; star < stars; ++star) {
    for (const auto& captured : captures) values[star].push_back(captured[star]);
    std::ranges::sort(values[star], natural_less);
    values[star].erase(std::unique(values[star].begin(), values[star].end()), values[star].end());
    grid.extents.push_back(std::ssize(values[star]));
    places = checked_multiply(places, grid.extents.back(), "the number of arrays of a pattern");
  }
  constexpr auto none = static_cast<std::size_t>(-1);
  const auto spelled = [&](std::size_t place) {
    std::vector<std::string> words(stars);
    for (std::size_t star = stars; star-- > 0;) {
      words[star] = values[star][place % values[star].size()];
      place /= values[star].size();
    }
    return pattern.spelled(words);
  };
  // Where some are missing, there are fewer names than places.
  std::vector<std::pair<std::size_t, std::size_t>> at;
  for (std::size_t i = 0; i < captures.size(); ++i) {
    std::size_t place = 0;
    for (std::size_t star = 0; star < stars; ++star)
      place = place * values[star].size() +
              static_cast<std::size_t>(
                  std::ranges::lower_bound(values[star], captures[i][star], natural_less) -
                  values[star].begin());
    at.emplace_back(place, i);
  }
  std::ranges::sort(at);
  std::size_t expected = 0;
  std::size_t before = none;
  for (const auto& [place, i] : at) {
    if (place + 1 == expected)
      throw Failure(Errc::invalid_argument, text(names[before], " and ", names[i],
                                                 " are the same array of ", pattern_text));
    if (place != expected) break;
    grid.order.push_back(i);
    before = i;
    ++expected;
  }
  if (static_cast<std::int64_t>(expected) != places)
    throw Failure(Errc::invalid_argument,
                  text("there is no ", spelled(expected), ", of the ", places, " arrays that ",
                       pattern_text, " stands for"));
  return grid;
}

}  // namespace multibuffer
