#pragma once

#include <sstream>
#include <string>

namespace multibuffer {

/// The parts written one after another: how error messages are put together.
template <class... Parts>
std::string text(const Parts&... parts) {
  std::ostringstream out;
  (out << ... << parts);
  return out.str();
}

/// "(3, 4)", "(3,)", "()": a shape or an index as NumPy writes it.
template <class Range>
std::string tuple_text(const Range& numbers) {
  std::ostringstream out;
  out << '(';
  std::size_t count = 0;
  for (const auto& number : numbers) out << (count++ ? ", " : "") << number;
  out << (count == 1 ? ",)" : ")");
  return out.str();
}

}  // namespace multibuffer
