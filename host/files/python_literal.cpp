#include "host/files/python_literal.hpp"

#include "host/support/text.hpp"

#include <algorithm>
#include <cstddef>
#include <utility>

namespace multibuffer::files {
namespace {

constexpr int deepest = 64;  // a header nested deeper than this is no header

bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

// Returns the value of a digit in any base, or a number that is a digit in none.
int digit_value(char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'z') return c - 'a' + 10;
  if (c >= 'A' && c <= 'Z') return c - 'A' + 10;
  return 99;
}

class Parser {
 public:
  Parser(std::string_view source, Python python) : source_(source), python_(python) {}

  Literal whole() {
    const std::size_t null = source_.find('\0');
    if (null != std::string_view::npos) {
      position_ = null;
      fail("a NUL byte, which no Python source may have,");
    }
    Literal value = any(0);
    skip_space();
    if (position_ != source_.size()) fail("something after the end of the literal");
    return value;
  }

 private:
  Literal any(int depth) {
    if (depth > deepest) fail("literals nested too deep");
    skip_space();
    const char c = peek();
    if (c == '{') return dict(depth);
    if (c == '[') return sequence(Literal::Kind::list, ']', depth);
    if (c == '(') return sequence(Literal::Kind::tuple, ')', depth);
    if (begins_string()) return string();
    if (is_digit(c) || c == '-' || c == '+') return integer();
    if (is_letter(c)) return word();
    fail(position_ == source_.size() ? "the end where a value should be" : "no value");
  }

  Literal dict(int depth) {
    Literal value{.kind = Literal::Kind::dict};
    ++position_;
    while (!take('}')) {
      value.items.push_back(any(depth + 1));
      expect(':');
      value.items.push_back(any(depth + 1));
      if (take(',')) continue;
      expect('}');
      break;
    }
    return value;
  }

  // One value in parentheses, without a comma, is the value itself and no tuple.
  Literal sequence(Literal::Kind kind, char close, int depth) {
    Literal value{.kind = kind};
    ++position_;
    bool comma = false;
    while (!take(close)) {
      value.items.push_back(any(depth + 1));
      if (take(',')) {
        comma = true;
        continue;
      }
      expect(close);
      break;
    }
    if (kind == Literal::Kind::tuple && value.items.size() == 1 && !comma) {
      Literal only = std::move(value.items.front());
      return only;
    }
    return value;
  }

  // A string may have the prefix u, as Python 2 wrote it, or r, which turns escapes off.
  bool begins_string() const {
    const char next = position_ + 1 < source_.size() ? source_[position_ + 1] : '\0';
    return is_quote(peek()) || (is_quote(next) && is_prefix(peek()));
  }
  static bool is_quote(char c) { return c == '\'' || c == '"'; }
  static bool is_prefix(char c) { return c == 'u' || c == 'U' || c == 'r' || c == 'R'; }

  // Adjacent strings are one string.
  Literal string() {
    Literal value{.kind = Literal::Kind::string};
    do {
      append_string(value.string);
      skip_space();
    } while (begins_string());
    return value;
  }

  void append_string(std::string& to) {
    const std::size_t start = position_;
    const bool raw = peek() == 'r' || peek() == 'R';
    if (is_prefix(peek())) ++position_;
    const char close = source_[position_++];
    while (true) {
      const char c = peek();
      if (position_ >= source_.size() || c == '\n' || c == '\r') {
        position_ = start;
        fail("a string without its end in its line");
      }
      ++position_;
      if (c == close) return;
      if (c == '\\' && raw) {
        fail("a raw string with a backslash");
      } else if (c == '\\') {
        append_escape(to);
      } else {
        to += c;
      }
    }
  }

  void append_escape(std::string& to) {
    constexpr std::string_view escapes = "\\'\"abfnrtv";
    constexpr std::string_view meant = "\\'\"\a\b\f\n\r\t\v";
    const char c = peek();
    const std::size_t letter = escapes.find(c);
    if (letter != std::string_view::npos && c != '\0') {
      ++position_;
      to += meant[letter];
    } else if (c == 'x' || c == 'u' || c == 'U') {
      ++position_;
      append_utf8(to, code_of(16, c == 'x' ? 2 : c == 'u' ? 4 : 8, true));
    } else if (c >= '0' && c <= '7') {
      append_utf8(to, code_of(8, 3, false));
    } else {
      fail("an escape that headers do not have");
    }
  }

  // Reads the digits that are there, at most `most` of them, or exactly `most`.
  std::uint32_t code_of(int base, int most, bool exactly) {
    constexpr std::uint32_t last_code_point = 0x10ffff;
    std::uint64_t code = 0;
    int digits = 0;
    for (; digits < most && digit_value(peek()) < base; ++digits) {
      code = code * static_cast<std::uint64_t>(base) +
             static_cast<std::uint64_t>(digit_value(source_[position_++]));
    }
    if ((exactly && digits < most) || code > last_code_point) {
      fail("an escape that is no character");
    }
    return static_cast<std::uint32_t>(code);
  }

  Literal integer() {
    Literal value{.kind = Literal::Kind::integer};
    const bool negative = peek() == '-';
    if (negative || peek() == '+') {
      ++position_;
      skip_space();
    }
    if (!is_digit(peek())) fail("no number");
    const int base = base_here();
    bool after_digit = base != 10;  // an underscore may follow 0x
    bool only_zeros = true;
    const std::size_t start = position_;
    for (;; ++position_) {
      if (peek() == '_' && after_digit) {
        after_digit = false;
        continue;
      }
      const int digit = digit_value(peek());
      if (digit >= base) break;
      after_digit = true;
      only_zeros = only_zeros && digit == 0;
      if (__builtin_mul_overflow(value.integer, base, &value.integer) ||
          __builtin_add_overflow(value.integer, digit, &value.integer)) {
        fail("a number that does not fit in 64 bits");
      }
    }
    if (!after_digit || position_ == start) fail("a number without its end");
    if (base == 10 && source_[start] == '0' && position_ - start > 1 && !only_zeros) {
      position_ = start;
      fail("a number with a zero in front, which Python does not read,");
    }
    if (negative) value.integer = -value.integer;
    if (python_ == Python::python2 && peek() == 'L') ++position_;  // a suffix of long integers
    if (peek() == '.' || is_letter(peek())) fail("a number that is no integer");
    return value;
  }

  // Skips 0x, 0o or 0b and returns 16, 8 or 2; returns 10 if there is none.
  int base_here() {
    if (peek() != '0' || position_ + 1 >= source_.size()) return 10;
    const char letter = source_[position_ + 1];
    const int base = letter == 'x' || letter == 'X'   ? 16
                     : letter == 'o' || letter == 'O' ? 8
                     : letter == 'b' || letter == 'B' ? 2
                                                      : 10;
    if (base != 10) position_ += 2;
    return base;
  }

  Literal word() {
    const std::size_t start = position_;
    while (is_letter(peek()) || is_digit(peek())) ++position_;
    const std::string_view name = source_.substr(start, position_ - start);
    if (name == "True") return Literal{.kind = Literal::Kind::boolean, .boolean = true};
    if (name == "False") return Literal{.kind = Literal::Kind::boolean};
    if (name == "None") return Literal{};
    position_ = start;
    fail("a name where a value should be");
  }

  char peek() const { return position_ < source_.size() ? source_[position_] : '\0'; }

  void skip_space() {
    constexpr std::string_view space = " \n\t\r\f";
    while (position_ < source_.size()) {
      if (source_[position_] == '#') {
        position_ = std::min(source_.find('\n', position_), source_.size());
      } else if (space.find(source_[position_]) != std::string_view::npos) {
        ++position_;
      } else {
        return;
      }
    }
  }

  bool take(char c) {
    skip_space();
    if (peek() != c) return false;
    ++position_;
    return true;
  }

  void expect(char c) {
    if (!take(c)) fail(text("no '", c, "'"));
  }

  [[noreturn]] void fail(const std::string& what) const {
    throw LiteralError(text(what, " at position ", position_));
  }

  std::string_view source_;
  Python python_;
  std::size_t position_ = 0;
};

}  // namespace

Literal parse_literal(std::string_view source, Python python) {
  return Parser(source, python).whole();
}

std::string quote(std::string_view value) {
  constexpr char digits[] = "0123456789abcdef";
  std::string result = "'";
  for (std::size_t i = 0; i < value.size(); ++i) {
    const auto code = static_cast<unsigned char>(value[i]);
    const auto next = static_cast<unsigned char>(i + 1 < value.size() ? value[i + 1] : 0);
    if (code == '\'' || code == '\\') {
      result += {'\\', value[i]};
    } else if (code < 0x20 || code == 0x7f) {
      result += {'\\', 'x', digits[code >> 4], digits[code & 15]};
    } else if (code == 0xc2 && next >= 0x80 && next < 0xa0) {  // the other control characters
      result += {'\\', 'x', digits[next >> 4], digits[next & 15]};
      ++i;
    } else if (code == 0xed && next >= 0xa0 && i + 2 < value.size()) {  // a surrogate
      const auto last = static_cast<unsigned char>(value[i + 2]);
      result += {'\\',
                 'u',
                 'd',
                 digits[(next & 0x3c) >> 2],
                 digits[(next & 3) << 2 | (last & 0x30) >> 4],
                 digits[last & 15]};
      i += 2;
    } else {
      result += value[i];
    }
  }
  return result + "'";
}

std::string shortened(std::string_view value, std::size_t most) {
  if (value.size() <= most) return std::string(value);
  std::size_t end = most;
  while (end > 0 && (static_cast<unsigned char>(value[end]) & 0xc0) == 0x80) --end;
  return text(value.substr(0, end), "... (", value.size(), " bytes)");
}

void append_utf8(std::string& to, std::uint32_t code_point) {
  const auto continuation = [&](int shift) {
    to += static_cast<char>(0x80 | ((code_point >> shift) & 0x3f));
  };
  if (code_point < 0x80) {
    to += static_cast<char>(code_point);
  } else if (code_point < 0x800) {
    to += static_cast<char>(0xc0 | (code_point >> 6));
    continuation(0);
  } else if (code_point < 0x10000) {
    to += static_cast<char>(0xe0 | (code_point >> 12));
    continuation(6);
    continuation(0);
  } else {
    to += static_cast<char>(0xf0 | (code_point >> 18));
    continuation(12);
    continuation(6);
    continuation(0);
  }
}

}  // namespace multibuffer::files
