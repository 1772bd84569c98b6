#include "host/explain/json.hpp"

#include "host/explain/utf8.hpp"
#include "host/support/text.hpp"

#include <cmath>

namespace multibuffer {
namespace {

void append_unit(std::string& out, std::uint32_t unit) {
  constexpr std::string_view digits = "0123456789abcdef";
  out += "\\u";
  for (int shift = 12; shift >= 0; shift -= 4) out += digits[(unit >> shift) & 15];
}

}  // namespace

JsonWriter& JsonWriter::open(char bracket, char closing) {
  separate();
  out_ += bracket;
  closings_ += closing;
  needs_comma_ = false;
  return *this;
}

JsonWriter& JsonWriter::end() {
  out_ += closings_.back();
  closings_.pop_back();
  needs_comma_ = true;
  return *this;
}

void JsonWriter::separate() {
  if (needs_comma_) out_ += ", ";
  needs_comma_ = true;
}

JsonWriter& JsonWriter::key(std::string_view name) {
  separate();
  quote(name);
  out_ += ": ";
  needs_comma_ = false;
  return *this;
}

JsonWriter& JsonWriter::number(std::int64_t value) {
  separate();
  append_text(out_, value);
  return *this;
}

JsonWriter& JsonWriter::real(double value) {
  if (!std::isfinite(value)) return null();
  separate();
  append_text(out_, value);
  return *this;
}

JsonWriter& JsonWriter::truth(bool value) {
  separate();
  out_ += value ? "true" : "false";
  return *this;
}

JsonWriter& JsonWriter::null() {
  separate();
  out_ += "null";
  return *this;
}

JsonWriter& JsonWriter::address(std::uint64_t value) {
  // NOLINTNEXTLINE(performance-no-int-to-ptr): an address, to be written
  return words(multibuffer::text(reinterpret_cast<const void*>(value)));
}

JsonWriter& JsonWriter::words(std::string_view value) {
  separate();
  quote(value);
  return *this;
}

void JsonWriter::quote(std::string_view value) {
  out_ += '"';
  while (!value.empty()) {
    const char32_t point = next_code_point(value);
    if (point == '"' || point == '\\') {
      out_ += '\\';
      out_ += static_cast<char>(point);
    } else if (point >= 0x20 && point < 0x7f) {
      out_ += static_cast<char>(point);
    } else if (point < 0x10000) {
      append_unit(out_, point);
    } else {
      append_unit(out_, 0xd800 + ((point - 0x10000) >> 10));
      append_unit(out_, 0xdc00 + ((point - 0x10000) & 0x3ff));
    }
  }
  out_ += '"';
}

}  // namespace multibuffer
