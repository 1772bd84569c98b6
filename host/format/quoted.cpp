#include "host/format/quoted.hpp"

namespace multibuffer {

void append_hex(std::string& out, std::uint32_t value, int digits) {
  for (int shift = 4 * (digits - 1); shift >= 0; shift -= 4)
    out += "0123456789abcdef"[(value >> shift) & 0xf];
}

void append_escaped(std::string& out, char c, char quote) {
  const auto code = static_cast<unsigned char>(c);
  if (c == '\t') {
    out += "\\t";
  } else if (c == '\n') {
    out += "\\n";
  } else if (c == '\r') {
    out += "\\r";
  } else if (c == '\\' || c == quote) {
    out += {'\\', c};
  } else if (code >= 0x20 && code < 0x7f) {
    out += c;
  } else {
    out += "\\x";
    append_hex(out, code, 2);
  }
}

std::string quoted(std::string_view characters, char quote) {
  std::string out(1, quote);
  for (const char c : characters) append_escaped(out, c, quote);
  return out + quote;
}

}  // namespace multibuffer
