#include "dtype.hpp"

#include <multibuffer/dlpack.hpp>
#include <multibuffer/error.hpp>

#include "host/text.hpp"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstdint>

namespace py = pybind11;

namespace multibuffer::python {
namespace {

constexpr bool native_little = std::endian::native == std::endian::little;

/// The array interface's letter for a kind of scalar; V for those that it has none for.
char letter_of(ScalarKind kind) {
  switch (kind) {
    case ScalarKind::boolean:
      return 'b';
    case ScalarKind::signed_integer:
      return 'i';
    case ScalarKind::unsigned_integer:
    case ScalarKind::pointer:
      return 'u';
    case ScalarKind::real:
      return 'f';
    case ScalarKind::complex:
      return 'c';
    case ScalarKind::character:
    case ScalarKind::bytes:
      return 'S';
    case ScalarKind::ucs4:
      return 'U';
    default:
      return 'V';
  }
}

std::string type_string(const Type& type) {
  const char letter = type.is_struct ? 'V' : letter_of(type.kind);
  const bool ordered = type.size > 1 && letter != 'S' && letter != 'V';
  const char order = !ordered ? '|' : type.little_endian ? '<' : '>';
  return text(order, letter, letter == 'U' ? type.size / 4 : type.size);
}

py::object description(const Type& type) {
  if (!type.is_struct) return py::str(type_string(type));
  py::list fields;
  std::int64_t end = 0;
  const auto hole_to = [&](std::int64_t offset) {
    if (offset > end) fields.append(py::make_tuple("", text("|V", offset - end)));
  };
  for (const Field& field : type.fields) {
    hole_to(field.offset);
    std::int64_t size = field.type.size;
    for (const std::int64_t extent : field.shape) size *= extent;
    end = field.offset + size;
    if (field.shape.empty()) {
      fields.append(py::make_tuple(field.name, description(field.type)));
    } else {
      py::tuple shape(field.shape.size());
      for (std::size_t i = 0; i < field.shape.size(); ++i) shape[i] = field.shape[i];
      fields.append(py::make_tuple(field.name, description(field.type), shape));
    }
  }
  hole_to(type.size);
  return fields;
}

bool same(const Type& a, const Type& b) {
  if (a.is_struct != b.is_struct || a.size != b.size) return false;
  if (!a.is_struct) return a.kind == b.kind && (a.size == 1 || a.little_endian == b.little_endian);
  return std::ranges::equal(a.fields, b.fields, [](const Field& x, const Field& y) {
    return x.name == y.name && x.offset == y.offset && x.shape == y.shape && same(x.type, y.type);
  });
}

}  // namespace

std::string type_string(const Format& format) {
  return format.opaque() ? text("|V", format.itemsize()) : type_string(format.type());
}

std::string dtype_name(const Format& format) {
  if (dlpack::is_named_type(format)) return format.text();
  if (format.opaque() || format.type().is_struct) return type_string(format);
  const Type& type = format.type();
  if (type.size > 1 && type.little_endian != native_little) return type_string(format);
  switch (type.kind) {
    case ScalarKind::boolean:
      return "bool";
    case ScalarKind::signed_integer:
      return text("int", 8 * type.size);
    case ScalarKind::unsigned_integer:
      return text("uint", 8 * type.size);
    case ScalarKind::real:
      return text("float", 8 * type.size);
    case ScalarKind::complex:
      return text("complex", 8 * type.size);
    default:
      return type_string(format);
  }
}

py::object type_description(const Format& format) {
  if (format.opaque() || !format.type().is_struct) return py::none();
  return description(format.type());
}

Format format_of_type_string(std::string_view given) {
  const auto refuse = [&] {
    throw Error(Errc::format_unsupported, text("type string '", given, "' has no format"));
  };
  std::int64_t size = 0;
  if (given.size() < 3) refuse();
  const auto [end, error] = std::from_chars(given.data() + 2, given.data() + given.size(), size);
  if (error != std::errc() || end != given.data() + given.size() || size < 1) refuse();
  Type type;
  type.size = given[1] == 'U' ? 4 * size : size;
  type.little_endian = type.size == 1 || (given[0] == '|' ? native_little : given[0] != '>');
  const auto one_of = [size](std::initializer_list<std::int64_t> sizes) {
    return std::ranges::find(sizes, size) != sizes.end();
  };
  bool known = true;
  switch (given[1]) {
    case 'b':
      type.kind = ScalarKind::boolean;
      known = size == 1;
      break;
    case 'i':
      type.kind = ScalarKind::signed_integer;
      known = one_of({1, 2, 4, 8});
      break;
    case 'u':
      type.kind = ScalarKind::unsigned_integer;
      known = one_of({1, 2, 4, 8});
      break;
    case 'f':
      type.kind = ScalarKind::real;
      known = one_of({2, 4, 8, sizeof(long double)});
      break;
    case 'c':
      type.kind = ScalarKind::complex;
      known = one_of({8, 16, 2 * sizeof(long double)});
      break;
    case 'S':
      type.kind = ScalarKind::bytes;
      break;
    case 'U':
      type.kind = ScalarKind::ucs4;
      break;
    case 'V':
      type.kind = ScalarKind::padding;
      break;
    default:
      known = false;
  }
  if (!known) refuse();
  return format_of(type);
}

bool same_meaning(const Format& a, const Format& b) {
  if (a == b) return true;
  return !a.opaque() && !b.opaque() && same(a.type(), b.type());
}

}  // namespace multibuffer::python
