#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace multibuffer::files {

/// The part of Python's literals that .npy headers are written in, nothing of it evaluated.
struct Literal {
  enum class Kind { none, boolean, integer, string, tuple, list, dict };
  Kind kind = Kind::none;
  bool boolean = false;
  std::int64_t integer = 0;
  std::string string{};
  std::vector<Literal> items{};  ///< of a dict: key, value, key, value, ...
};

/// What is wrong, and where: "a string without its end at position 12".
class LiteralError : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Parses `source` as one literal with nothing but white space around it. Throws `LiteralError`.
Literal parse_literal(std::string_view source);

/// `value` as a Python string literal.
std::string quote(std::string_view value);

}  // namespace multibuffer::files
