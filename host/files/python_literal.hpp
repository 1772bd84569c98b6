#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace multibuffer::files {

/// A value of the Python literals that .npy headers are written in; nothing is evaluated. Strings
/// are UTF-8. A lone surrogate, which Python's strings may hold, is encoded in three bytes.
struct Literal {
  enum class Kind { none, boolean, integer, string, tuple, list, dict };
  Kind kind = Kind::none;
  bool boolean = false;
  std::int64_t integer = 0;
  std::string string{};
  std::vector<Literal> items{};  ///< for a dict: key, value, key, value, ...
};

/// Says what is wrong and where: "a string without its end at position 12".
class LiteralError : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

enum class Python { python3, python2 };

/// Parses `source`, which is UTF-8, as one literal with nothing but white space and comments around
/// it. Integers may end in L where `python` is 2. Throws `LiteralError`.
Literal parse_literal(std::string_view source, Python python = Python::python3);

/// Writes `value`, which is UTF-8, as a Python string literal. Escapes control characters and
/// surrogates, and no others.
std::string quote(std::string_view value);

/// Shortens text from a file for a message or a summary: returns short text unchanged, else its
/// first `most` bytes or so and its length.
std::string shortened(std::string_view value, std::size_t most = 200);

/// Appends the UTF-8 of a code point, which may be a surrogate.
void append_utf8(std::string& to, std::uint32_t code_point);

}  // namespace multibuffer::files
