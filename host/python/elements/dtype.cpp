#include "host/python/elements/dtype.hpp"

#include <multibuffer/dlpack.hpp>
#include <multibuffer/error.hpp>

#include "host/interop/numpy_type.hpp"
#include "host/python/support/function.hpp"
#include "host/python/support/values.hpp"
#include "host/support/text.hpp"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstdint>
#include <optional>
#include <utility>

namespace py = pybind11;

namespace multibuffer::python {
namespace {

constexpr bool native_little = std::endian::native == std::endian::little;

/// Names are the exporter's bytes, of any kind.
py::object decoded(const std::string& text) {
  auto str = py::reinterpret_steal<py::object>(to_python(text));
  if (!str) throw py::error_already_set();
  return str;
}

py::object description(const Type& type) {
  if (!type.is_struct) return decoded(type_string(type));
  py::list fields;
  std::int64_t end = 0;
  const auto append = [&](const std::string& name, const py::object& kind,
                          const py::object& shape = {}) {
    const auto field = py::reinterpret_steal<py::object>(
        shape ? PyTuple_Pack(3, decoded(name).ptr(), kind.ptr(), shape.ptr())
              : PyTuple_Pack(2, decoded(name).ptr(), kind.ptr()));
    if (!field || PyList_Append(fields.ptr(), field.ptr()) != 0) throw py::error_already_set();
  };
  const auto hole_to = [&](std::int64_t offset) {
    if (offset > end) append("", decoded(text("|V", offset - end)));
  };
  for (const Field& field : type.fields) {
    hole_to(field.offset);
    std::int64_t size = field.type.size;
    for (const std::int64_t extent : field.shape) size *= extent;
    end = field.offset + size;
    append(field.name, description(field.type),
           field.shape.empty() ? py::object() : to_tuple(field.shape));
  }
  hole_to(type.size);
  return fields;
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

namespace {

/// What Python's own types are in NumPy.
std::optional<Format> format_of_python_type(py::handle type) {
  const auto is = [&](PyTypeObject& other) {
    return type.ptr() == reinterpret_cast<PyObject*>(&other);
  };
  if (is(PyBool_Type)) return Format("?", 1);
  if (is(PyLong_Type)) return Format("q", 8);
  if (is(PyFloat_Type)) return Format("d", 8);
  if (is(PyComplex_Type)) return Format("Zd", 16);
  return std::nullopt;
}

}  // namespace

std::optional<Format> find_format_of_dtype(py::handle dtype) {
  std::optional<Format> format = format_of_python_type(dtype);
  const auto try_name = [&](py::handle word) {
    if (format || !PyUnicode_Check(word.ptr())) return;
    const auto name = text_of(word);
    format = format_of_dtype_name(name == "bool_" ? "bool" : name);  // before NumPy 2
  };
  try_name(dtype);
  // NumPy's name says no byte order, and its string no bfloat16.
  for (const char* const attribute : {"str", "name", "__name__"})
    if (!format && py::hasattr(dtype, attribute)) try_name(dtype.attr(attribute));
  if (!format) {  // torch's dtypes have no name
    constexpr std::string_view prefix = "torch.";
    const auto word = str_of(dtype);
    if (word.starts_with(prefix)) format = format_of_dtype_name(word.substr(prefix.size()));
  }
  return format;
}

Format format_of_dtype(py::handle dtype) {
  std::optional<Format> format = find_format_of_dtype(dtype);
  if (!format)
    throw py::type_error(
        text("dtype ", repr_of(dtype),
             " is none that elements are converted to: there are bool, int8 to int64, uint8 to "
             "uint64, float16, bfloat16, float32, float64, complex64, complex128, and type "
             "strings of these, such as '>f4'"));
  return *format;
}

bool same_meaning(const Type& a, const Type& b) {
  if (a.is_struct != b.is_struct || a.size != b.size) return false;
  if (!a.is_struct) return a.kind == b.kind && (a.size == 1 || a.little_endian == b.little_endian);
  return std::ranges::equal(a.fields, b.fields, [](const Field& x, const Field& y) {
    return x.name == y.name && x.offset == y.offset && x.shape == y.shape &&
           same_meaning(x.type, y.type);
  });
}

bool same_meaning(const Format& a, const Format& b) {
  if (a == b) return true;
  return !a.opaque() && !b.opaque() && same_meaning(a.type(), b.type());
}

}  // namespace multibuffer::python
