#pragma once

#include <array>
#include <charconv>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace multibuffer {

/// Appends `part` to `out`: a string or a character as it is, an address in hexadecimal, an integer
/// in decimal, a real with at most six digits. Uses std::to_chars, never a std::ostream, which
/// follows the program's global locale: formats are spelled by this function too, and a format of
/// 1024 bytes is "1024s" in every country.
template <class Part>
void append_text(std::string& out, const Part& part) {
  std::array<char, 24> digits;  // enough for any of these types
  const auto append_number = [&](auto... number) {
    out.append(digits.data(),
               std::to_chars(digits.data(), digits.data() + digits.size(), number...).ptr);
  };
  if constexpr (std::convertible_to<const Part&, std::string_view>) {
    out += std::string_view(part);
  } else if constexpr (std::same_as<Part, char>) {
    out += part;
  } else if constexpr (std::convertible_to<Part, const void*>) {
    out += "0x";
    append_number(reinterpret_cast<std::uintptr_t>(part), 16);
  } else if constexpr (std::floating_point<Part>) {
    append_number(part, std::chars_format::general, 6);
  } else {
    static_assert(std::integral<Part> && !std::same_as<Part, bool>,
                  "a part of a text is a string, a character, an address or a number");
    append_number(part);
  }
}

/// Concatenates parts into a string, for error messages above all.
template <class... Parts>
std::string text(const Parts&... parts) {
  std::string out;
  (append_text(out, parts), ...);
  return out;
}

/// Writes a shape or an index as NumPy does: "(3, 4)", "(3,)", "()".
template <class Range>
std::string tuple_text(const Range& numbers) {
  std::string out = "(";
  std::size_t count = 0;
  for (const auto& number : numbers) {
    if (count++ > 0) out += ", ";
    append_text(out, number);
  }
  return out + (count == 1 ? ",)" : ")");
}

}  // namespace multibuffer
