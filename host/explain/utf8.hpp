#pragma once

#include <cstddef>
#include <string_view>

namespace multibuffer {

/// Takes one code point off the front of `text`, which is not empty. Bytes that are no UTF-8 are
/// U+FFFD, one each: formats and names of files may hold any bytes.
inline char32_t next_code_point(std::string_view& text) {
  constexpr char32_t replacement = 0xfffd;
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  const std::size_t length = first < 0x80    ? 1
                             : first < 0xc2  ? 0
                             : first < 0xe0  ? 2
                             : first < 0xf0  ? 3
                             : first <= 0xf4 ? 4
                                             : 0;
  char32_t point = length <= 1 ? first : first & (0xffU >> (length + 1));
  bool is_whole = length > 0 && length <= text.size();
  for (std::size_t i = 1; is_whole && i < length; ++i) {
    is_whole = (byte(i) & 0xc0) == 0x80;
    point = point << 6 | (byte(i) & 0x3f);
  }
  const bool is_long = (length == 3 && point < 0x800) || (length == 4 && point < 0x10000);
  if (!is_whole || is_long || (point >= 0xd800 && point < 0xe000) || point > 0x10ffff) {
    text.remove_prefix(1);
    return replacement;
  }
  text.remove_prefix(length);
  return point;
}

}  // namespace multibuffer
