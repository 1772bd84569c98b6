#include "host/files/python_literal.hpp"

#include "host/text.hpp"

#include <charconv>
#include <cstddef>
#include <system_error>

namespace multibuffer::files {
namespace {

constexpr int deepest = 64;  // a header nested deeper than this is no header

bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

class Parser {
 public:
  explicit Parser(std::string_view source) : source_(source) {}

  Literal whole() {
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
    if (c == '\'' || c == '"') return string();
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

  // In parentheses, one value without a comma is that value, and no tuple.
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

  Literal string() {
    Literal value{.kind = Literal::Kind::string};
    const std::size_t start = position_;
    const char close = source_[position_++];
    while (true) {
      if (position_ >= source_.size()) {
        position_ = start;
        fail("a string without its end");
      }
      const char c = source_[position_++];
      if (c == close) return value;
      value.string += c == '\\' ? escape() : c;
    }
  }

  char escape() {
    const char c = peek();
    ++position_;
    switch (c) {
      case '\\':
      case '\'':
      case '"':
        return c;
      case 'n':
        return '\n';
      case 't':
        return '\t';
      case 'r':
        return '\r';
      case 'x': {
        unsigned char code = 0;
        const char* const digits = source_.data() + position_;
        if (position_ + 2 <= source_.size() &&
            std::from_chars(digits, digits + 2, code, 16).ptr == digits + 2) {
          position_ += 2;
          return static_cast<char>(code);
        }
        break;
      }
      default:
        break;
    }
    --position_;
    fail("an escape that headers do not have");
  }

  Literal integer() {
    Literal value{.kind = Literal::Kind::integer};
    if (peek() == '+') ++position_;
    const char* const first = source_.data() + position_;
    const char* const last = source_.data() + source_.size();
    const auto [end, error] = std::from_chars(first, last, value.integer);
    if (error == std::errc::result_out_of_range) fail("a number that does not fit in 64 bits");
    if (error != std::errc{}) fail("no number");
    position_ += static_cast<std::size_t>(end - first);
    if (peek() == 'L') ++position_;  // Python 2 wrote its long integers so
    if (peek() == '.' || is_letter(peek())) fail("a number that is no integer");
    return value;
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
    while (peek() == ' ' || peek() == '\n' || peek() == '\t' || peek() == '\r') ++position_;
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
  std::size_t position_ = 0;
};

}  // namespace

Literal parse_literal(std::string_view source) { return Parser(source).whole(); }

std::string quote(std::string_view value) {
  constexpr char digits[] = "0123456789abcdef";
  std::string result = "'";
  for (const char c : value) {
    const auto code = static_cast<unsigned char>(c);
    if (c == '\'' || c == '\\') {
      result += {'\\', c};
    } else if (code < 0x20 || code == 0x7f) {
      result += {'\\', 'x', digits[code >> 4], digits[code & 15]};
    } else {
      result += c;
    }
  }
  return result + "'";
}

}  // namespace multibuffer::files
