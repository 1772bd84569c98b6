#include "host/files/npy_type.hpp"

#include "host/format/dates.hpp"
#include "host/format/scalar_type.hpp"
#include "host/support/native_order.hpp"
#include "host/support/text.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <limits>
#include <optional>
#include <set>
#include <span>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace multibuffer::files {
namespace {

constexpr std::int64_t largest = std::numeric_limits<std::int64_t>::max();
constexpr char native_order = native_little ? '<' : '>';

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

// The parts of a type string, for '<M8[ns]': '<', 'M', 8, "[ns]".
struct Spelling {
  char order = native_order;
  char kind = 0;
  std::int64_t count = 0;
  std::string_view unit;
};

using Name = std::pair<std::string_view, std::string_view>;

// NumPy's names, in any of its versions, of the types that .npy files have codes for, beside those
// that say how many bits. Some programs write these names.
constexpr auto known_names = std::to_array<Name>({
    {"bool8", "b1"},         {"bool_", "b1"},        {"byte", "i1"},        {"ubyte", "u1"},
    {"short", "i2"},         {"ushort", "u2"},       {"intc", "i4"},        {"uintc", "u4"},
    {"int", "i8"},           {"int0", "i8"},         {"int_", "i8"},        {"intp", "i8"},
    {"long", "i8"},          {"longlong", "i8"},     {"uint", "u8"},        {"uint0", "u8"},
    {"uintp", "u8"},         {"ulong", "u8"},        {"ulonglong", "u8"},   {"half", "f2"},
    {"single", "f4"},        {"double", "f8"},       {"float", "f8"},       {"float_", "f8"},
    {"longdouble", "f16"},   {"longfloat", "f16"},   {"float128", "f16"},   {"csingle", "c8"},
    {"singlecomplex", "c8"}, {"cdouble", "c16"},     {"cfloat", "c16"},     {"complex", "c16"},
    {"complex_", "c16"},     {"clongdouble", "c32"}, {"clongfloat", "c32"}, {"longcomplex", "c32"},
    {"complex256", "c32"},   {"bytes", "S0"},        {"bytes0", "S0"},      {"bytes_", "S0"},
    {"string_", "S0"},       {"str", "U0"},          {"str0", "U0"},        {"str_", "U0"},
    {"unicode", "U0"},       {"unicode_", "U0"},     {"void", "V0"},        {"void0", "V0"},
    {"object", "O"},         {"object_", "O"},       {"object0", "O"},
});

// Codes of one letter, after an optional byte order.
constexpr auto letters = std::to_array<Name>({
    {"?", "b1"}, {"b", "i1"}, {"B", "u1"},  {"h", "i2"}, {"H", "u2"},  {"i", "i4"},  {"I", "u4"},
    {"l", "i8"}, {"L", "u8"}, {"q", "i8"},  {"Q", "u8"}, {"p", "i8"},  {"P", "u8"},  {"e", "f2"},
    {"f", "f4"}, {"d", "f8"}, {"g", "f16"}, {"F", "c8"}, {"D", "c16"}, {"G", "c32"}, {"c", "S1"},
    {"S", "S0"}, {"a", "S0"}, {"U", "U0"},  {"V", "V0"}, {"M", "M8"},  {"m", "m8"},  {"O", "O"},
});

template <std::size_t count>
std::string_view replaced(std::string_view code, const std::array<Name, count>& table) {
  const auto* const row = std::ranges::find(table, code, &Name::first);
  return row == table.end() ? code : row->second;
}

// A number that .npy files have a code for, by its name.
const ScalarRow* find_named(std::string_view name) {
  return find_scalar([name](const ScalarRow& row) { return row.name == name && !is_named(row); });
}

std::optional<Spelling> spell(std::string_view code) {
  Spelling result;
  code = replaced(code, known_names);
  if (const ScalarRow* const row = find_named(code)) {
    result.kind = row->letter;
    result.count = row->size;
    return result;
  }
  if (!code.empty() && std::string_view("<>=|").find(code[0]) != std::string_view::npos) {
    if (code[0] == '<' || code[0] == '>') result.order = code[0];
    code.remove_prefix(1);
  }
  code = replaced(code, letters);
  for (const auto& [name, kind] : {Name{"datetime64", "M"}, Name{"timedelta64", "m"}}) {
    if (!code.starts_with(name)) continue;
    result.kind = kind[0];
    result.count = 8;
    result.unit = code.substr(name.size());
    return result;
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

// Makes a format code with its byte order. A single element in native order needs none; a field
// always has one, because it would otherwise be aligned.
std::string ordered(char order, const std::string& code, bool field) {
  if (order != native_order) return order + code;
  return field ? "^" + code : code;
}

NpyType number(const Spelling& s, bool field) {
  // Files of long doubles of another size than this machine's are not read.
  const ScalarRow* const row = find_scalar(
      [&](const ScalarRow& known) { return known.letter == s.kind && known.size == s.count; });
  if (!row) return {};
  std::string code(row->format);
  // Formats have no code for a long double that is not the machine's own: moved as bytes.
  if (code.back() == 'g' && s.order != native_order) code = text(s.count, "x");
  const bool one_byte = s.count == 1;
  return {.descr = quote(text(one_byte ? '|' : s.order, s.kind, s.count)),
          .format = one_byte || code.back() == 'x' ? code : ordered(s.order, code, field),
          .itemsize = s.count};
}

NpyType string_of(const Spelling& s, bool field) {
  const bool wide = s.kind == 'U';
  const char kind = s.kind == 'a' ? 'S' : s.kind;
  const char code = kind == 'V' ? 'x' : 's';
  return {.descr = quote(text(wide ? s.order : '|', kind, s.count)),
          .format = wide ? ordered(s.order, text(s.count, "w"), field) : text(s.count, code),
          .itemsize = multiply(s.count, wide ? 4 : 1)};
}

// Normalises a unit as NumPy writes it, "ns", "25s", out of its brackets; an empty text for a
// generic unit. Returns nothing if there is no such unit.
std::optional<std::string> unit_of(std::string_view written) {
  if (written.empty() || written == "[generic]") return "";
  if (written.size() < 3 || written.front() != '[' || written.back() != ']') return {};
  std::string unit(written.substr(1, written.size() - 2));
  constexpr std::string_view micro = "\xce\xbcs";  // the Greek letter mu
  if (unit.ends_with(micro)) unit.replace(unit.size() - micro.size(), micro.size(), "us");
  return date_unit(unit);
}

NpyType date(const Spelling& s, bool field) {
  const std::optional<std::string> unit = unit_of(s.unit);
  if (s.count != 8 || !unit) return {};
  Type type;
  type.kind = s.kind == 'M' ? ScalarKind::datetime : ScalarKind::timedelta;
  type.unit = *unit;
  const std::string brackets = unit->empty() ? "" : text('[', *unit, ']');
  return {.descr = quote(text(s.order, s.kind, s.count, brackets)),
          .format = ordered(s.order, date_name(type), field),
          .itemsize = 8};
}

NpyType scalar_of(const Spelling& s, bool field) {
  switch (s.kind) {
    case 'b':
    case 'i':
    case 'u':
    case 'f':
    case 'c':
      return number(s, field);
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
        text("elements of type ", shortened(quote(code)),
             " are Python objects, pickled into the file: they are no memory that can be "
             "gathered, and unpickling can run any code; convert them to a fixed type (astype) "
             "and save again"));
  }
  const bool has_unit = spelling && !spelling->unit.empty();
  NpyType type;
  if (spelling && (!has_unit || spelling->kind == 'M' || spelling->kind == 'm')) {
    type = scalar_of(*spelling, field);
  }
  if (type.format.empty()) {
    throw NpyTypeError(text("unknown element type ", shortened(quote(code))));
  }
  return type;
}

// The contents of a field: a type, and the axes of its sub-array.
struct FieldType {
  NpyType element;
  std::vector<std::int64_t> extents;

  std::int64_t itemsize() const {
    std::int64_t size = element.itemsize;
    for (const std::int64_t extent : extents) size = multiply(size, extent);
    return size;
  }
};

std::vector<std::int64_t> extents_of(const Literal& shape) {
  const bool is_sequence = shape.kind == Literal::Kind::tuple || shape.kind == Literal::Kind::list;
  if (shape.kind != Literal::Kind::integer && !is_sequence) {
    throw NpyTypeError("a sub-array whose shape is no tuple");
  }
  std::vector<std::int64_t> extents;
  for (const Literal& extent : is_sequence ? std::span(shape.items) : std::span(&shape, 1)) {
    if (extent.kind != Literal::Kind::integer || extent.integer < 0) {
      throw NpyTypeError("a sub-array whose shape is no tuple of sizes");
    }
    extents.push_back(extent.integer);
  }
  // NumPy reads 1, but not (1,), as no axis at all.
  if (!is_sequence && extents[0] == 1) extents.clear();
  return extents;
}

NpyType element_of(const Literal& descr, bool field);

// A pair (type, shape) is a sub-array of the type, which may be such a pair itself.
FieldType type_of(const Literal& descr, bool field) {
  if (descr.kind != Literal::Kind::tuple) return {element_of(descr, field), {}};
  if (descr.items.size() != 2) throw NpyTypeError("an element type that is no (type, shape)");
  const FieldType inner = type_of(descr.items[0], field);
  std::vector<std::int64_t> extents = extents_of(descr.items[1]);
  extents.insert(extents.end(), inner.extents.begin(), inner.extents.end());
  return {inner.element, std::move(extents)};
}

// A field's name, or a pair (title, name).
struct FieldName {
  std::string name;
  std::optional<std::string> title;  // kept as a literal, since it may be a number
  bool is_pair = false;

  std::string descr() const {
    return title ? text("(", *title, ", ", quote(name), ")") : quote(name);
  }
};

FieldName name_of(const Literal& name) {
  using Kind = Literal::Kind;
  if (name.kind == Kind::string) return {name.string, {}, false};
  if (name.kind == Kind::tuple && name.items.size() == 2 && name.items[1].kind == Kind::string) {
    const Literal& title = name.items[0];
    if (title.kind == Kind::none) return {name.items[1].string, {}, true};
    if (title.kind == Kind::string) return {name.items[1].string, quote(title.string), true};
    if (title.kind == Kind::integer) return {name.items[1].string, text(title.integer), true};
  }
  throw NpyTypeError("a field whose name is no string");
}

// The names and titles of a struct. Both name fields in NumPy, so all must differ.
class Names {
 public:
  void add(const FieldName& field) {
    add(quote(field.name));
    if (field.title) add(*field.title);
  }

 private:
  void add(const std::string& literal) {
    if (!seen_.insert(literal).second) {
      throw NpyTypeError(text("the field name or title ", shortened(literal), " twice"));
    }
  }
  std::set<std::string> seen_;
};

// Returns true if a format can have this name, which must have no lone surrogate, no NUL and no
// colon, behind which the rest of it would be read as further fields.
bool fits_formats(std::string_view name) {
  for (std::size_t i = 0; i < name.size(); ++i) {
    if (name[i] == '\0' || name[i] == ':') return false;
    const bool after = i + 1 < name.size();
    if (name[i] == '\xed' && after && static_cast<unsigned char>(name[i + 1]) >= 0xa0) return false;
  }
  return true;
}

// Writes a field of a format: "(2,3)^f:name:".
std::string format_of(const std::string& name, const FieldType& type) {
  const std::int64_t size = type.itemsize();
  // Formats cannot have fields of no bytes; nameless fields are NumPy's padding.
  if (size == 0) return "";
  if (name.empty()) return text(size, "x");
  std::string axes;
  for (const std::int64_t extent : type.extents) axes += text(axes.empty() ? "(" : ",", extent);
  if (!axes.empty()) axes += ")";
  return text(axes, type.element.format, ":", name, ":");
}

NpyType struct_of(const std::vector<Literal>& fields) {
  NpyType result;
  Names names;
  std::string format;
  bool has_format = true;
  for (const Literal& field : fields) {
    const bool is_sequence =
        field.kind == Literal::Kind::tuple || field.kind == Literal::Kind::list;
    if (!is_sequence || field.items.size() < 2 || field.items.size() > 3) {
      throw NpyTypeError("a field that is no (name, type) or (name, type, shape)");
    }
    const FieldName name = name_of(field.items[0]);
    FieldType type = type_of(field.items[1], true);
    if (field.items.size() == 3) {
      std::vector<std::int64_t> outer = extents_of(field.items[2]);
      type.extents.insert(type.extents.begin(), outer.begin(), outer.end());
    }
    const bool padding =
        !name.is_pair && name.name.empty() && type.element.descr.starts_with("'|V");
    if (!padding) names.add(name);
    result.descr +=
        text(result.descr.empty() ? "[(" : ", (", name.descr(), ", ", type.element.descr);
    if (!type.extents.empty()) result.descr += text(", ", tuple_text(type.extents));
    result.descr += ")";
    has_format = has_format && fits_formats(name.name) && !type.element.format.empty();
    format += format_of(name.name, type);
    result.itemsize = add(result.itemsize, type.itemsize());
  }
  result.descr += fields.empty() ? "[]" : "]";
  result.format = has_format ? text("T{", format, "}") : text(result.itemsize, "x");
  return result;
}

NpyType element_of(const Literal& descr, bool field) {
  if (descr.kind == Literal::Kind::string) return scalar(descr.string, field);
  if (descr.kind == Literal::Kind::list) return struct_of(descr.items);
  throw NpyTypeError("an element type that is neither a string nor a list of fields");
}

}  // namespace

NpyType parse_npy_type(const Literal& descr) {
  const FieldType type = type_of(descr, false);
  for (const std::int64_t extent : type.extents) {
    if (extent != 1) {
      throw NpyTypeError("elements that are arrays themselves, for which the shape has no axes");
    }
  }
  return type.element;
}

}  // namespace multibuffer::files
