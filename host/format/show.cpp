#include <multibuffer/format.hpp>

#include "host/format/dates.hpp"
#include "host/format/quoted.hpp"
#include "host/format/read_scalar.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>

namespace multibuffer {
namespace {

/// Python's choice between '...' and "...".
template <class Characters>
char quote_for(const Characters& characters) {
  using Character = typename Characters::value_type;
  const bool has_single = characters.find(Character{'\''}) != characters.npos;
  const bool has_double = characters.find(Character{'"'}) != characters.npos;
  return has_single && !has_double ? '"' : '\'';
}

/// One character in UTF-8, or as Python escapes what is not a printable character.
void append_code_point(std::string& out, char32_t code, char quote) {
  const auto continuation = [&](int shift) {
    return static_cast<char>(0x80 | ((code >> shift) & 0x3f));
  };
  if (code < 0xa0) {
    append_escaped(out, static_cast<char>(code), quote);
  } else if (code < 0x800) {
    out += {static_cast<char>(0xc0 | (code >> 6)), continuation(0)};
  } else if (code >= 0xd800 && code < 0xe000) {
    out += "\\u";
    append_hex(out, code, 4);
  } else if (code < 0x10000) {
    out += {static_cast<char>(0xe0 | (code >> 12)), continuation(6), continuation(0)};
  } else if (code < 0x110000) {
    out += {static_cast<char>(0xf0 | (code >> 18)), continuation(12), continuation(6),
            continuation(0)};
  } else {
    out += "\\U";
    append_hex(out, code, 8);
  }
}

constexpr int most_items = 16;           // of one sub-array
constexpr std::int64_t most_bytes = 32;  // in hexadecimal
constexpr std::int64_t most_characters = 64;
constexpr std::size_t most_text = 4096;  // after which sub-arrays end
/// The shortest digits that read back as the same number, with an exponent where Python's repr
/// has one.
template <class Real>
std::string real_text(Real value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  std::array<char, 64> buffer;
  const auto digits = [&](std::chars_format format) {
    const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, format).ptr;
    return std::string(buffer.data(), end);
  };
  std::string scientific = digits(std::chars_format::scientific);
  const char* const last = scientific.data() + scientific.size();
  const char* first = scientific.data() + scientific.find('e') + 1;
  if (*first == '+') ++first;  // which from_chars does not read
  int exponent = 0;
  std::from_chars(first, last, exponent);
  if (exponent < -4 || exponent >= 16) return scientific;
  return digits(std::chars_format::fixed);
}

std::string with_point(const std::string& number) {
  const bool is_integer = number.find_first_not_of("-0123456789") == number.npos;
  return is_integer ? number + ".0" : number;
}

std::string real(const Type& type, const std::byte* element) {
  return visit_real(type.encoding, element, type.size, type.little_endian,
                    [](auto value) { return with_point(real_text(value)); });
}

/// Python leaves out a real part of zero, but not of minus zero.
std::string complex(const Type& type, const std::byte* element) {
  const std::int64_t half = type.size / 2;
  const auto part = [&](std::int64_t offset) {
    return visit_real(type.encoding, element + offset, half, type.little_endian,
                      [](auto value) { return real_text(value); });
  };
  const std::string first = part(0);
  std::string second = part(half) + "j";
  if (first == "0") return second;
  return "(" + first + (second.starts_with('-') ? "" : "+") + second + ")";
}

/// NumPy's call that makes it.
std::string date(const Type& type, const std::byte* element) {
  const std::string_view call = type.kind == ScalarKind::datetime ? "datetime64" : "timedelta64";
  const std::int64_t count = read_signed(element, type.size, type.little_endian);
  std::string out(call);
  if (count == std::numeric_limits<std::int64_t>::min()) return out + "('NaT')";
  out += "(" + std::to_string(count);
  return out + (type.unit.empty() ? ")" : ", '" + type.unit + "')");
}

std::string pointer(const Type& type, const std::byte* element) {
  std::array<char, 16> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(),
                                 read_unsigned(element, type.size, type.little_endian), 16)
                       .ptr;
  return "0x" + std::string(digits.data(), end);
}

std::string hexadecimal(const std::byte* bytes, std::int64_t size) {
  std::string out = "0x";
  for (std::int64_t i = 0; i < std::min(size, most_bytes); ++i)
    append_hex(out, std::to_integer<std::uint32_t>(bytes[i]), 2);
  return out + (size > most_bytes ? "..." : "");
}

std::string bytes_text(const std::byte* bytes, std::int64_t size) {
  const std::string_view characters(reinterpret_cast<const char*>(bytes),
                                    static_cast<std::size_t>(std::min(size, most_characters)));
  return "b" + quoted(characters, quote_for(characters)) + (size > most_characters ? "..." : "");
}

std::string pascal(const Type& type, const std::byte* element) {
  if (type.size == 0) return "b''";
  return bytes_text(element + 1, std::min(std::to_integer<std::int64_t>(*element), type.size - 1));
}

std::u32string decode_ucs4(const Type& type, const std::byte* element) {
  std::u32string codes;
  for (std::int64_t at = 0; at < type.size; at += 4)
    codes += read<char32_t>(element + at, type.little_endian);
  return codes;
}

/// UTF-16; half of a surrogate pair stays what it is.
std::u32string decode_ucs2(const Type& type, const std::byte* element) {
  std::u32string codes;
  for (std::int64_t at = 0; at < type.size; at += 2) {
    const char32_t unit = read<char16_t>(element + at, type.little_endian);
    const bool ends_pair = unit >= 0xdc00 && unit < 0xe000 && !codes.empty() &&
                           codes.back() >= 0xd800 && codes.back() < 0xdc00;
    if (ends_pair)
      codes.back() = 0x10000 + ((codes.back() - 0xd800) << 10) + (unit - 0xdc00);
    else
      codes += unit;
  }
  return codes;
}

/// NUL characters at the end fill the element up, and are not shown.
std::string unicode(std::u32string codes) {
  codes.erase(codes.find_last_not_of(U'\0') + 1);
  const bool is_long = codes.size() > most_characters;
  if (is_long) codes.resize(most_characters);
  const char quote = quote_for(codes);
  std::string out(1, quote);
  for (const char32_t code : codes) append_code_point(out, code, quote);
  return out + quote + (is_long ? "..." : "");
}

std::string scalar(const Type& type, const std::byte* element) {
  switch (type.kind) {
    case ScalarKind::padding:
      return hexadecimal(element, type.size);
    case ScalarKind::boolean:
      return *element == std::byte{0} ? "False" : "True";
    case ScalarKind::character:
    case ScalarKind::bytes:
      return bytes_text(element, type.size);
    case ScalarKind::signed_integer:
      return std::to_string(read_signed(element, type.size, type.little_endian));
    case ScalarKind::unsigned_integer:
      return std::to_string(read_unsigned(element, type.size, type.little_endian));
    case ScalarKind::real:
      return real(type, element);
    case ScalarKind::complex:
      return complex(type, element);
    case ScalarKind::pascal:
      return pascal(type, element);
    case ScalarKind::ucs2:
      return unicode(decode_ucs2(type, element));
    case ScalarKind::ucs4:
      return unicode(decode_ucs4(type, element));
    case ScalarKind::pointer:
    case ScalarKind::object:
      return pointer(type, element);
    case ScalarKind::datetime:
    case ScalarKind::timedelta:
      return date(type, element);
  }
  return {};
}

/// A sub-array without a struct around it, "(2,3)f": nothing but one field, which has no name.
bool is_subarray(const Type& type) {
  return type.fields.size() == 1 && type.fields[0].name.empty() && !type.fields[0].shape.empty();
}
/// Writes elements of nested types one after another into one text.
class Writer {
 public:
  std::string take() { return std::move(out_); }
  void type(const Type& type, const std::byte* element);

 private:
  void structure(const Type& type, const std::byte* element);
  void field(const Field& field, const std::byte* element);
  void items(const Field& field, std::size_t axis, const std::byte*& next, int& left);

  std::string out_;
};

void Writer::type(const Type& type, const std::byte* element) {
  if (!type.is_struct)
    out_ += scalar(type, element);
  else if (is_subarray(type))
    field(type.fields[0], element);
  else
    structure(type, element);
}

void Writer::structure(const Type& type, const std::byte* element) {
  out_ += '{';
  for (std::size_t i = 0; i < type.fields.size(); ++i) {
    const Field& member = type.fields[i];
    out_ += i == 0 ? "" : ", ";
    out_ += member.name.empty() ? std::to_string(i) : member.name;
    out_ += ": ";
    field(member, element);
  }
  out_ += '}';
}

void Writer::field(const Field& field, const std::byte* element) {
  const std::byte* next = element + field.offset;
  int left = most_items;
  items(field, 0, next, left);
}

/// The items of a sub-array from `axis` on, of which `next` is the first in memory. The limits hold
/// for its items and for the whole text: items of no bytes can be any number.
void Writer::items(const Field& field, std::size_t axis, const std::byte*& next, int& left) {
  if (axis == field.shape.size()) {
    type(field.type, next);
    next += field.type.size;
    --left;
    return;
  }
  out_ += '[';
  for (std::int64_t i = 0; i < field.shape[axis]; ++i) {
    out_ += i == 0 ? "" : ", ";
    if (left <= 0 || out_.size() > most_text) {
      out_ += "...";
      break;
    }
    items(field, axis + 1, next, left);
  }
  out_ += ']';
}

}  // namespace

std::string show_element(const Format& format, const std::byte* element) {
  if (format.opaque()) return hexadecimal(element, format.itemsize());
  Writer writer;
  writer.type(format.type(), element);
  return writer.take();
}

}  // namespace multibuffer
