#include "host/files/npy_type.hpp"

#include "host/text.hpp"

#include <bit>
#include <charconv>
#include <cstddef>
#include <limits>
#include <optional>
#include <span>
#include <string_view>
#include <system_error>
#include <vector>

namespace multibuffer::files {
namespace {

constexpr std::int64_t largest = std::numeric_limits<std::int64_t>::max();
constexpr char native_order = std::endian::native == std::endian::little ? '<' : '>';

std::int64_t multiply(std::int64_t a, std::int64_t b) {
  std::int64_t product = 0;
  if (__builtin_mul_overflow(a, b, &product)) {
    throw NpyTypeError("an element type whose size does not fit in 64 bits");
  }
  return product;
}

std::int64_t add(std::int64_t a, std::int64_t b) {
  if (b > largest - a) throw NpyTypeError("an element type whose size does not fit in 64 bits");
  return a + b;
}

// Field names are Latin-1 in the file and UTF-8 in formats.
std::string utf8(std::string_view latin1) {
  std::string result;
  for (const char c : latin1) {
    const auto code = static_cast<unsigned char>(c);
    if (code < 0x80) {
      result += c;
    } else {
      result += static_cast<char>(0xc0 | (code >> 6));
      result += static_cast<char>(0x80 | (code & 0x3f));
    }
  }
  return result;
}

// '<M8[ns]' in its parts: '<', 'M', 8, "[ns]".
struct Spelling {
  char order = native_order;
  char kind = 0;
  std::int64_t count = 0;
  std::string_view unit;
};

std::optional<Spelling> spell(std::string_view code) {
  Spelling result;
  if (!code.empty() && std::string_view("<>=|").find(code[0]) != std::string_view::npos) {
    if (code[0] == '<' || code[0] == '>') result.order = code[0];
    code.remove_prefix(1);
  }
  if (code.empty()) return {};
  result.kind = code[0];
  code.remove_prefix(1);
  const auto [end, error] = std::from_chars(code.data(), code.data() + code.size(), result.count);
  if (result.kind == 'O') return result;
  if (error != std::errc{} || result.count < 0) return {};
  result.unit = code.substr(static_cast<std::size_t>(end - code.data()));
  return result;
}

// A code that a byte order may stand before. A single one needs none in native order; a field names
// its own, as native order would align it otherwise.
std::string ordered(char order, const std::string& code, bool field) {
  if (order != native_order) return order + code;
  return field ? "^" + code : code;
}

NpyType number(const Spelling& s, std::string_view codes, std::int64_t smallest, bool field) {
  std::string code;
  std::int64_t size = smallest;
  for (const char c : codes) {
    if (size == s.count) code = s.kind == 'c' ? std::string{'Z', c} : std::string{c};
    size *= 2;
  }
  if (code.empty()) return {};
  // Formats have no code for a long double that is not the machine's own: moved as bytes.
  if (code.back() == 'g' && s.order != native_order) code = text(s.count, "s");
  const bool one_byte = s.count == 1;
  return {.descr = quote(text(one_byte ? '|' : s.order, s.kind, s.count)),
          .format = one_byte || code.back() == 's' ? code : ordered(s.order, code, field),
          .itemsize = s.count};
}

NpyType string_of(const Spelling& s, bool field) {
  const bool wide = s.kind == 'U';
  const char kind = s.kind == 'a' ? 'S' : s.kind;
  return {.descr = quote(text(wide ? s.order : '|', kind, s.count)),
          .format = wide ? ordered(s.order, text(s.count, "w"), field) : text(s.count, "s"),
          .itemsize = multiply(s.count, wide ? 4 : 1)};
}

NpyType date(const Spelling& s, bool field) {
  if (s.count != 8) return {};
  return {.descr = quote(text(s.order, s.kind, s.count, s.unit)),
          .format = ordered(s.order, "q", field),
          .itemsize = 8};
}

NpyType scalar_of(const Spelling& s, bool field) {
  switch (s.kind) {
    case 'b':
      return s.count == 1 ? number(s, "?", 1, field) : NpyType{};
    case 'i':
      return number(s, "bhiq", 1, field);
    case 'u':
      return number(s, "BHIQ", 1, field);
    case 'f':
      return number(s, "efdg", 2, field);
    case 'c':
      return number(s, "fdg", 8, field);
    case 'S':
    case 'a':
    case 'U':
    case 'V':
      return string_of(s, field);
    case 'M':
    case 'm':
      return date(s, field);
    default:
      return {};
  }
}

NpyType scalar(const std::string& code, bool field) {
  const std::optional<Spelling> spelling = spell(code);
  if (spelling && spelling->kind == 'O') {
    throw NpyTypeError(
        text("elements of type ", quote(code),
             " are Python objects, pickled into the file: they are no memory that can be "
             "gathered, and unpickling can run any code; convert them to a fixed type (astype) "
             "and save again"));
  }
  const bool has_unit = spelling && !spelling->unit.empty();
  NpyType type;
  if (spelling && (!has_unit || spelling->kind == 'M' || spelling->kind == 'm')) {
    type = scalar_of(*spelling, field);
  }
  if (type.format.empty()) throw NpyTypeError(text("unknown element type ", quote(code)));
  return type;
}

struct Repeat {
  std::string descr;   // ", (2, 3)"
  std::string format;  // "(2,3)"
  std::int64_t count = 1;
};

Repeat repeat_of(const Literal& shape) {
  const std::span<const Literal> extents =
      shape.kind == Literal::Kind::integer ? std::span(&shape, 1) : std::span(shape.items);
  if (shape.kind != Literal::Kind::integer && shape.kind != Literal::Kind::tuple) {
    throw NpyTypeError("a sub-array whose shape is no tuple");
  }
  Repeat result;
  std::vector<std::int64_t> sizes;
  for (const Literal& extent : extents) {
    if (extent.kind != Literal::Kind::integer || extent.integer < 0) {
      throw NpyTypeError("a sub-array whose shape is no tuple of sizes");
    }
    sizes.push_back(extent.integer);
    result.format += text(sizes.size() == 1 ? "(" : ",", extent.integer);
    result.count = multiply(result.count, extent.integer);
  }
  if (sizes.empty()) return result;
  result.format += ")";
  result.descr = text(", ", tuple_text(sizes));
  return result;
}

NpyType type_of(const Literal& descr, bool field);

// A name, or a pair (title, name).
struct FieldName {
  std::string name;
  std::string descr;
};

FieldName name_of(const Literal& name) {
  if (name.kind == Literal::Kind::string) return {name.string, quote(name.string)};
  if (name.kind == Literal::Kind::tuple && name.items.size() == 2 &&
      name.items[0].kind == Literal::Kind::string && name.items[1].kind == Literal::Kind::string) {
    return {name.items[1].string,
            text("(", quote(name.items[0].string), ", ", quote(name.items[1].string), ")")};
  }
  throw NpyTypeError("a field whose name is no string");
}

NpyType field_of(const Literal& field) {
  if (field.kind != Literal::Kind::tuple || field.items.size() < 2 || field.items.size() > 3) {
    throw NpyTypeError("a field that is no (name, type) or (name, type, shape)");
  }
  const FieldName name = name_of(field.items[0]);
  const NpyType type = type_of(field.items[1], true);
  const Repeat repeat = field.items.size() == 3 ? repeat_of(field.items[2]) : Repeat{};
  NpyType result;
  result.descr = text("(", name.descr, ", ", type.descr, repeat.descr, ")");
  result.itemsize = multiply(type.itemsize, repeat.count);
  if (name.name.empty()) {
    // NumPy writes padding as nameless fields of bytes.
    result.format = result.itemsize > 0 ? text(result.itemsize, "x") : "";
  } else {
    result.format = text(repeat.format, type.format, ":", utf8(name.name), ":");
  }
  return result;
}

NpyType struct_of(const std::vector<Literal>& fields) {
  NpyType result;
  for (const Literal& literal : fields) {
    const NpyType field = field_of(literal);
    result.descr += (result.descr.empty() ? "[" : ", ") + field.descr;
    result.format += field.format;
    result.itemsize = add(result.itemsize, field.itemsize);
  }
  if (fields.empty()) throw NpyTypeError("an element type without fields");
  result.descr += "]";
  result.format = "T{" + result.format + "}";
  return result;
}

NpyType type_of(const Literal& descr, bool field) {
  if (descr.kind == Literal::Kind::string) return scalar(descr.string, field);
  if (descr.kind == Literal::Kind::list) return struct_of(descr.items);
  throw NpyTypeError("an element type that is neither a string nor a list of fields");
}

}  // namespace

NpyType parse_npy_type(const Literal& descr) {
  NpyType type = type_of(descr, false);
  if (type.itemsize == 0) throw NpyTypeError("elements of no bytes");
  return type;
}

}  // namespace multibuffer::files
