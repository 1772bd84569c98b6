#include "host/python/inputs/struct_format.hpp"

#include <multibuffer/error.hpp>

#include "host/python/elements/dtype.hpp"
#include "host/python/elements/numpy_array.hpp"
#include "host/python/inputs/source.hpp"
#include "host/python/support/attributes.hpp"
#include "host/python/support/values.hpp"
#include "host/support/native_order.hpp"
#include "host/support/text.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

namespace py = pybind11;

namespace multibuffer::python {
namespace {

/// An attribute of a module that somebody has imported; null where nobody has.
py::object find(const char* module, const char* name) {
  const auto found =
      py::reinterpret_borrow<py::object>(PyDict_GetItemString(PyImport_GetModuleDict(), module));
  return found ? find_attribute(found, name) : py::object();
}

bool is_subclass_of(py::handle type, py::handle base) {
  return base && PyType_Check(type.ptr()) && PyType_Check(base.ptr()) &&
         PyType_IsSubtype(reinterpret_cast<PyTypeObject*>(type.ptr()),
                          reinterpret_cast<PyTypeObject*>(base.ptr())) != 0;
}

bool is_instance(py::handle object, py::handle type) {
  return is_subclass_of(py::handle(reinterpret_cast<PyObject*>(Py_TYPE(object.ptr()))), type);
}

std::string name_of(py::handle type) { return str_of(type.attr("__name__")); }

// ---- NumPy

/// The dtype of an array, of NumPy's or of a subclass that exports as NumPy's does, or of a record.
py::object numpy_dtype_of(py::handle object) {
  PyTypeObject* const type = Py_TYPE(object.ptr());
  PyTypeObject* const ndarray = ndarray_type();
  if (!ndarray) return {};
  if (PyType_IsSubtype(type, ndarray) != 0) {
    const bool exports_alike = type->tp_as_buffer && type->tp_as_buffer->bf_getbuffer ==
                                                         ndarray->tp_as_buffer->bf_getbuffer;
    if (!exports_alike) return {};
    const auto* const fields = py::detail::array_proxy(static_cast<const void*>(object.ptr()));
    return py::reinterpret_borrow<py::object>(fields->descr);
  }
  if (is_instance(object, find("numpy", "void"))) return object.attr("dtype");
  return {};
}

/// A type with the number of times that it is there: what a field of that dtype is.
struct Repeated {
  Type type;
  std::vector<std::int64_t> shape;
};

Repeated type_of_dtype(py::handle dtype) {
  const py::object subarray = dtype.attr("subdtype");
  if (!subarray.is_none()) {
    const py::object base = subarray[py::int_(0)];
    const std::vector<std::int64_t> shape =
        integers_argument(subarray[py::int_(1)], "the shape of a sub-array");
    Repeated inner = type_of_dtype(base);
    inner.shape.insert(inner.shape.begin(), shape.begin(), shape.end());
    return inner;
  }
  Repeated result;
  Type& type = result.type;
  type.size = long_argument(dtype.attr("itemsize"), "itemsize");
  const py::object names = dtype.attr("names");
  if (!names.is_none()) {
    type.is_struct = true;
    const py::object fields = dtype.attr("fields");  // None where there are no names
    for (const py::handle name : names) {
      const py::tuple entry = fields[name];  // dtype, offset and, with some, a title
      Repeated field = type_of_dtype(entry[0]);
      type.fields.push_back({text_of(name), long_argument(entry[1], "an offset"),
                             std::move(field.shape), std::move(field.type)});
    }
    return result;
  }
  const auto code = text_of(dtype.attr("str"));  // "<i4"
  if (code[1] == 'M' || code[1] == 'm') {
    type = format_of_type_string(code).type();
    return result;
  }
  type.little_endian = type.size == 1 || (code[0] == '|' ? native_little : code[0] != '>');
  constexpr std::pair<char, ScalarKind> kinds[] = {{'b', ScalarKind::boolean},
                                                   {'i', ScalarKind::signed_integer},
                                                   {'u', ScalarKind::unsigned_integer},
                                                   {'f', ScalarKind::real},
                                                   {'c', ScalarKind::complex},
                                                   {'S', ScalarKind::bytes},
                                                   {'U', ScalarKind::ucs4},
                                                   {'V', ScalarKind::padding},
                                                   {'O', ScalarKind::object}};
  const auto* const kind = std::ranges::find(kinds, code[1], &std::pair<char, ScalarKind>::first);
  if (kind == std::end(kinds))
    throw Failure(Errc::format_unsupported,
                  text("PEP 3118 has no format for the dtype '", code, "'"));
  type.kind = kind->second;
  return result;
}

// ---- ctypes

/// Base of every ctypes class; null where ctypes has not been imported.
py::object ctypes_data() {
  const py::object simple = find("_ctypes", "_SimpleCData");
  return simple ? py::object(simple.attr("__base__")) : simple;
}

/// The class of the elements that a ctypes object exports: arrays are axes.
py::object ctypes_class_of(py::handle object) {
  py::object type = py::type::of(object);
  while (is_subclass_of(type, find("_ctypes", "Array"))) type = type.attr("_type_");
  return type;
}

/// Says in what `type` differs from the class; empty if in nothing. Offsets are those of the
/// class's own descriptors.
std::string difference(const Type& type, std::vector<std::int64_t> shape, py::object cls) {
  for (const std::int64_t extent : shape) {
    if (!is_subclass_of(cls, find("_ctypes", "Array")) ||
        long_argument(cls.attr("_length_"), "_length_") != extent)
      return text("has other sub-arrays, in ", name_of(cls));
    cls = cls.attr("_type_");
  }
  if (is_subclass_of(cls, find("_ctypes", "Union"))) return text("has a union, ", name_of(cls));
  if (!is_subclass_of(cls, find("_ctypes", "Structure")))
    return type.is_struct ? text("has no struct in ", name_of(cls)) : std::string();
  std::vector<py::tuple> entries;
  const py::tuple bases = cls.attr("__mro__");
  for (std::size_t i = bases.size(); i-- > 0;)
    if (bases[i].attr("__dict__").contains("_fields_"))
      for (const py::handle entry : bases[i].attr("__dict__")["_fields_"])
        entries.push_back(py::reinterpret_borrow<py::object>(entry));
  for (const py::tuple& entry : entries)
    if (entry.size() > 2) return text("has bit fields, as ", name_of(cls), ".", str_of(entry[0]));
  if (!type.is_struct || entries.size() != type.fields.size())
    return text("has other fields, in ", name_of(cls));
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const Field& field = type.fields[i];
    const auto name = text_of(entries[i][0]);
    const py::object place = cls.attr(name.c_str());
    const auto offset = long_argument(place.attr("offset"), "offset");
    if (name != field.name || offset != field.offset)
      return text("has ", name_of(cls), ".", name, " at byte ", offset);
    std::int64_t size = field.type.size;
    for (const std::int64_t extent : field.shape) size *= extent;
    if (long_argument(place.attr("size"), "size") != size)
      return text("has another size for ", name_of(cls), ".", name);
    if (std::string inner = difference(field.type, field.shape, entries[i][1]); !inner.empty())
      return inner;
  }
  return {};
}

}  // namespace

py::object describer_of(const Py_buffer& buffer) {
  if (!buffer.obj || !buffer.format || !std::strchr(buffer.format, '{')) return {};
  if (py::object dtype = numpy_dtype_of(buffer.obj)) {
    // Raw bytes in which acquire_buffer() has said the fields.
    if (dtype.attr("names").is_none() && dtype.attr("subdtype").is_none()) return {};
    return dtype;
  }
  PyObject* const exporter =
      PyMemoryView_Check(buffer.obj) ? PyMemoryView_GET_BUFFER(buffer.obj)->obj : buffer.obj;
  if (!exporter) return {};
  if (is_instance(exporter, find("numpy", "void"))) return numpy_dtype_of(exporter);
  if (is_instance(exporter, ctypes_data())) return ctypes_class_of(exporter);
  return {};
}

namespace {

/// Tells whether a dtype has elements of such a kind, itself or in a field.
template <class Is>
bool has_any(py::handle dtype, const Is& is) {
  const py::object subarray = dtype.attr("subdtype");
  if (!subarray.is_none()) return has_any(subarray[py::int_(0)], is);
  const py::object names = dtype.attr("names");
  if (names.is_none()) return is(dtype);
  const py::object fields = dtype.attr("fields");
  for (const py::handle name : names)
    if (has_any(py::object(fields[name][py::int_(0)]), is)) return true;
  return false;
}

}  // namespace

std::optional<Format> format_with_dates(py::handle dtype) {
  if (dtype.attr("names").is_none()) return {};
  const auto is_date = [](py::handle type) {
    const auto kind = text_of(type.attr("kind"));
    return kind == "M" || kind == "m";
  };
  const auto is_registered = [](py::handle type) {
    return integer_argument(type.attr("num"), "num") >= first_registered_number;
  };
  if (!has_any(dtype, is_date) || has_any(dtype, is_registered)) return {};
  Format format = multibuffer::format_of(type_of_dtype(dtype).type);
  if (format.opaque() || format.has_objects()) return {};
  return format;
}

bool describe_alike(py::handle a, py::handle b) {
  if (a.ptr() == b.ptr()) return true;
  return a && b && !PyType_Check(a.ptr()) && !PyType_Check(b.ptr()) && a.equal(b);
}

std::optional<Format> format_by(py::handle describer, const Py_buffer& buffer) {
  if (!describer) return {};
  const Format said(buffer.format, buffer.itemsize);
  if (PyType_Check(describer.ptr())) {
    if (said.opaque()) return {};
    const std::string why =
        difference(said.type(), {}, py::reinterpret_borrow<py::object>(describer));
    if (why.empty()) return {};
    return Format::bytes(buffer.itemsize,
                         text("ctypes exports ", name_of(describer), " as '", buffer.format,
                              "', but the class ", why),
                         said.has_objects());
  }
  // Without a struct inside, the formats of NumPy's arrays have one reading: that it fits is
  // enough. Those of its records have none that counts: NumPy writes them without a look at the
  // offsets.
  const bool is_array =
      ndarray_type() && PyType_IsSubtype(Py_TYPE(buffer.obj), ndarray_type()) != 0;
  const bool is_flat = is_array && !std::strchr(std::strchr(buffer.format, '{') + 1, '{');
  if (is_flat && !said.opaque()) return {};
  try {
    const Type type = type_of_dtype(describer).type;
    if (!said.opaque() && same_meaning(said.type(), type)) return {};
    if (type.size == buffer.itemsize) return format_of(type);
  } catch (const Error& error) {
    return Format::bytes(buffer.itemsize, error.what(), said.has_objects());
  }
  return {};
}

// ---- The reference's own way

namespace {

Type measured_type(const py::object& dtype) {
  const auto address_of = [](const py::object& view) {
    return long_argument(py::tuple(view.attr("__array_interface__")["data"])[0], "an address");
  };
  Type type;
  type.size = long_argument(dtype.attr("itemsize"), "itemsize");
  if (!dtype.attr("names").is_none()) {
    type.is_struct = true;
    const py::object one = find("numpy", "empty")(1, dtype);
    for (const py::handle name : dtype.attr("names")) {
      const py::object view = one[name];
      auto shape = integers_argument(view.attr("shape"), "shape");
      shape.erase(shape.begin());  // the array's own axis
      type.fields.push_back({text_of(name), address_of(view) - address_of(one), std::move(shape),
                             measured_type(view.attr("dtype"))});
    }
    return type;
  }
  const auto is = [&](const char* codes) {
    return std::strchr(codes, text_of(dtype.attr("char"))[0]) != nullptr;
  };
  const bool is_native = py::bool_(dtype.attr("isnative"));
  type.little_endian = type.size == 1 || is_native == native_little;
  type.kind = is("?")        ? ScalarKind::boolean
              : is("bhilqp") ? ScalarKind::signed_integer
              : is("BHILQP") ? ScalarKind::unsigned_integer
              : is("efdg")   ? ScalarKind::real
              : is("FDG")    ? ScalarKind::complex
              : is("Sac")    ? ScalarKind::bytes
              : is("U")      ? ScalarKind::ucs4
              : is("O")      ? ScalarKind::object
              : is("M")      ? ScalarKind::datetime
              : is("m")      ? ScalarKind::timedelta
                             : ScalarKind::padding;
  if (!is("Mm")) return type;
  const py::tuple unit = find("numpy", "datetime_data")(dtype);  // ("us", 25)
  const auto count = long_argument(unit[1], "the count of a unit");
  if (text_of(unit[0]) != "generic")
    type.unit = text(count == 1 ? "" : text(count), text_of(unit[0]));
  return type;
}

}  // namespace

std::optional<Format> measured_format(py::handle object) {
  auto part = py::reinterpret_borrow<py::object>(object);
  while ((PyList_Check(part.ptr()) || PyTuple_Check(part.ptr())) && py::len(part) > 0)
    part = py::object(part[py::int_(0)]);
  if (PyMemoryView_Check(part.ptr()) && is_instance(part.attr("obj"), find("numpy", "void")))
    part = part.attr("obj");
  const py::object dtype = numpy_dtype_of(part);
  if (!dtype || dtype.attr("names").is_none() || py::len(dtype.attr("names")) == 0) return {};
  return format_of(measured_type(dtype));
}

}  // namespace multibuffer::python
