#include "host/python/elements/dtype.hpp"

#include <multibuffer/error.hpp>

#include "host/interop/numpy_type.hpp"
#include "host/python/support/attributes.hpp"
#include "host/python/support/function.hpp"
#include "host/python/support/values.hpp"
#include "host/support/native_order.hpp"
#include "host/support/text.hpp"

#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <tuple>
#include <utility>

namespace py = pybind11;

namespace multibuffer::python {
namespace {

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
  if (format.opaque()) return type_string(format);
  return dtype_name(format.type()).value_or(type_string(format));
}

py::object type_description(const Format& format) {
  if (format.opaque() || !format.type().is_struct) return py::none();
  return description(format.type());
}

py::object numpy_dtype_of(const Type& type) {
  const py::object dtype = py::module_::import("numpy").attr("dtype");
  if (!type.is_struct) return dtype(decoded(type_string(type)));
  py::list names, formats, offsets;
  for (const Field& field : type.fields) {
    py::object format = numpy_dtype_of(field.type);
    if (!field.shape.empty()) format = dtype(py::make_tuple(format, to_tuple(field.shape)));
    const std::string name = field.name.empty() ? text("f", names.size()) : field.name;
    names.append(decoded(name));
    formats.append(format);
    offsets.append(field.offset);
  }
  py::dict fields;
  fields["names"] = names;
  fields["formats"] = formats;
  fields["offsets"] = offsets;
  fields["itemsize"] = type.size;
  return dtype(fields);
}

Format format_of_type_string(std::string_view given) {
  const auto refuse = [&] {
    throw Failure(Errc::format_unsupported, text("type string '", given, "' has no format"));
  };
  std::int64_t size = 0;
  if (given.size() < 3) refuse();
  if (given[1] == 'M' || given[1] == 'm') {
    std::optional<Format> date = format_of_dtype_name(given);
    if (!date) refuse();
    return *std::move(date);
  }
  const auto [end, error] = std::from_chars(given.data() + 2, given.data() + given.size(), size);
  if (error != std::errc() || end != given.data() + given.size() || size < 1) refuse();
  if (given[1] != 'S' && given[1] != 'U' && given[1] != 'V') {
    std::optional<Format> number = format_of_dtype_name(given);
    if (!number) refuse();
    return *number;
  }
  Type type;
  type.size = given[1] == 'U' ? 4 * size : size;
  type.little_endian = given[0] == '|' ? native_little : given[0] != '>';
  type.kind = given[1] == 'S'   ? ScalarKind::bytes
              : given[1] == 'U' ? ScalarKind::ucs4
                                : ScalarKind::padding;
  return format_of(type);
}

namespace {

/// Returns the format that NumPy gives to Python's own types.
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

/// Returns true for what names the same format whenever it is asked: a str, or a class that no
/// Python code can change, as those of NumPy's numbers are.
bool names_one_format(py::handle dtype) {
  if (PyUnicode_CheckExact(dtype.ptr())) return true;
  if (!PyType_CheckExact(dtype.ptr())) return false;
  return !PyType_HasFeature(reinterpret_cast<PyTypeObject*>(dtype.ptr()), Py_TPFLAGS_HEAPTYPE);
}

/// Remembers the formats of the names that were asked for last: to find one takes a microsecond, as
/// long as a small gather. A name is kept alive, so that its address stands for it. The GIL guards
/// it.
class RecentNames {
 public:
  /// Returns the one of the process, which is never destroyed: Python may end before it.
  static RecentNames& get() {
    static auto* const names = new RecentNames;
    return *names;
  }

  const Format* find(py::handle name) const {
    const Entry& entry = entries_[place_of(name)];
    return entry.name.ptr() == name.ptr() ? &*entry.format : nullptr;
  }

  void remember(py::handle name, const Format& format) {
    Entry& entry = entries_[place_of(name)];
    entry.name = py::object();  // no name has half of a format where memory is short
    entry.format = format;
    entry.name = py::reinterpret_borrow<py::object>(name);
  }

 private:
  struct Entry {
    py::object name;
    std::optional<Format> format;
  };
  using Entries = std::array<Entry, 16>;

  static std::size_t place_of(py::handle name) {
    return reinterpret_cast<std::uintptr_t>(name.ptr()) / alignof(std::max_align_t) %
           std::tuple_size_v<Entries>;
  }

  Entries entries_;
};

std::optional<Format> look_up_format_of_dtype(py::handle dtype) {
  std::optional<Format> format = format_of_python_type(dtype);
  const auto try_name = [&](py::handle word) {
    if (format || !PyUnicode_Check(word.ptr())) return;
    const auto name = text_of(word);
    format = format_of_dtype_name(name == "bool_" ? "bool" : name);  // before NumPy 2
  };
  try_name(dtype);
  // NumPy's name says no byte order, and its string no bfloat16: that is read by its name, then.
  for (const char* const attribute : {"str", "name", "__name__"})
    if (const py::object word = format ? py::object() : find_attribute(dtype, attribute))
      try_name(word);
  if (!format) {  // torch's dtypes have no name
    constexpr std::string_view prefix = "torch.";
    const auto word = str_of(dtype);
    if (word.starts_with(prefix)) format = format_of_dtype_name(word.substr(prefix.size()));
  }
  return format;
}

}  // namespace

std::optional<Format> find_format_of_dtype(py::handle dtype) {
  if (!names_one_format(dtype)) return look_up_format_of_dtype(dtype);
  if (const Format* const format = RecentNames::get().find(dtype)) return *format;
  std::optional<Format> format = look_up_format_of_dtype(dtype);
  if (format) RecentNames::get().remember(dtype, *format);
  return format;
}

Format format_of_dtype(py::handle dtype) {
  std::optional<Format> format = find_format_of_dtype(dtype);
  if (!format)
    throw py::type_error(
        text("dtype ", repr_of(dtype),
             " is none that elements are converted to: there are bool, int8 to int64, uint8 to "
             "uint64, float16, bfloat16, float32, float64, complex64, complex128, the float8_* of "
             "ml_dtypes, datetime64[s] and its like, and type strings, such as '>f4'"));
  return *format;
}

}  // namespace multibuffer::python
