#include "host/python/elements/numpy_array.hpp"

#include "host/python/support/attributes.hpp"
#include "host/python/support/values.hpp"
#include "host/support/native_order.hpp"
#include "host/support/text.hpp"

#include <array>
#include <cstring>

namespace py = pybind11;

namespace multibuffer::python {
namespace {

py::object numpy_attribute(const char* name) {
  const auto numpy =
      py::reinterpret_borrow<py::object>(PyDict_GetItemString(PyImport_GetModuleDict(), "numpy"));
  return numpy ? find_attribute(numpy, name) : py::object();
}

/// The type that NumPy has under this name, if it is one of C, which nobody can change or free.
PyTypeObject* numpy_type(const char* name) {
  const py::object type = numpy_attribute(name);
  if (!type || !PyType_Check(type.ptr())) return nullptr;
  auto* const result = reinterpret_cast<PyTypeObject*>(type.ptr());
  return (result->tp_flags & Py_TPFLAGS_HEAPTYPE) == 0 ? result : nullptr;
}

PyTypeObject* find_ndarray() {
  PyTypeObject* const type = numpy_type("ndarray");
  // An object that somebody has put in its place has other fields. A NumPy that counts its exports
  // would want to be asked for them.
  const bool is_own = type && std::strcmp(type->tp_name, "numpy.ndarray") == 0 &&
                      type->tp_basicsize >= Py_ssize_t{sizeof(py::detail::PyArray_Proxy)} &&
                      type->tp_as_buffer && !type->tp_as_buffer->bf_releasebuffer;
  return is_own ? type : nullptr;
}

/// By NumPy's type numbers, from NPY_BOOL on.
constexpr std::array<ScalarKind, 17> kinds{ScalarKind::boolean,
                                           ScalarKind::signed_integer,
                                           ScalarKind::unsigned_integer,  // char
                                           ScalarKind::signed_integer,
                                           ScalarKind::unsigned_integer,  // short
                                           ScalarKind::signed_integer,
                                           ScalarKind::unsigned_integer,  // int
                                           ScalarKind::signed_integer,
                                           ScalarKind::unsigned_integer,  // long
                                           ScalarKind::signed_integer,
                                           ScalarKind::unsigned_integer,  // long long
                                           ScalarKind::real,
                                           ScalarKind::real,
                                           ScalarKind::real,
                                           ScalarKind::complex,
                                           ScalarKind::complex,
                                           ScalarKind::complex};
constexpr std::array<std::size_t, kinds.size()> sizes{1,
                                                      sizeof(char),
                                                      sizeof(char),
                                                      sizeof(short),
                                                      sizeof(short),
                                                      sizeof(int),
                                                      sizeof(int),
                                                      sizeof(long),
                                                      sizeof(long),
                                                      sizeof(long long),
                                                      sizeof(long long),
                                                      sizeof(float),
                                                      sizeof(double),
                                                      sizeof(long double),
                                                      2 * sizeof(float),
                                                      2 * sizeof(double),
                                                      2 * sizeof(long double)};

}  // namespace

PyTypeObject* ndarray_type() {
  static PyTypeObject* type = nullptr;  // asked again until NumPy is there
  if (!type) type = find_ndarray();
  return type;
}

std::optional<Type> NumpyArray::native_type() const {
  const auto* const dtype = py::detail::array_descriptor_proxy(fields_->descr);
  const auto number = static_cast<std::size_t>(dtype->type_num);
  if (number >= kinds.size() || (dtype->byteorder != '=' && dtype->byteorder != '|')) return {};
  Type type;
  type.kind = kinds[number];
  type.size = static_cast<std::int64_t>(sizes[number]);
  type.little_endian = native_little;
  return type;
}

std::optional<py::object> registered_dtype(py::handle object) {
  PyTypeObject* const type = ndarray_type();
  if (!type) return {};
  static PyTypeObject* const scalar = numpy_type("generic");
  if (scalar && PyType_IsSubtype(Py_TYPE(object.ptr()), scalar) != 0) {
    if (std::strncmp(Py_TYPE(object.ptr())->tp_name, "numpy.", 6) == 0) return {};  // as most
    py::object dtype = object.attr("dtype");
    if (integer_argument(dtype.attr("num"), "num") < first_registered_number) return {};
    return dtype;
  }
  if (PyType_IsSubtype(Py_TYPE(object.ptr()), type) == 0) return {};
  PyObject* const dtype = py::detail::array_proxy(static_cast<const void*>(object.ptr()))->descr;
  if (py::detail::array_descriptor_proxy(dtype)->type_num < first_registered_number) return {};
  return py::reinterpret_borrow<py::object>(dtype);
}

std::optional<py::object> date_dtype(py::handle object) {
  constexpr int datetime_number = 21, timedelta_number = 22;  // NPY_DATETIME, NPY_TIMEDELTA
  PyTypeObject* const type = ndarray_type();
  if (!type) return {};
  if (is_numpy_date(object)) return object.attr("dtype");
  if (PyType_IsSubtype(Py_TYPE(object.ptr()), type) == 0) return {};
  PyObject* const dtype = py::detail::array_proxy(static_cast<const void*>(object.ptr()))->descr;
  const int number = py::detail::array_descriptor_proxy(dtype)->type_num;
  if (number != datetime_number && number != timedelta_number) return {};
  return py::reinterpret_borrow<py::object>(dtype);
}

py::object numpy_dtype(py::handle dtype) {
  if (dtype.is_none()) return py::none();
  try {
    return py::module_::import("numpy").attr("dtype")(dtype);
  } catch (py::error_already_set& error) {
    // NumPy fails like this for names that are no Unicode, and objects that cannot say what they
    // are.
    const bool is_said = !error.matches(PyExc_UnicodeError) && !str_of(error.value()).empty();
    if (is_said || !error.matches(PyExc_Exception)) throw;
  }
  throw py::type_error(text("dtype ", repr_of(dtype), " is none that NumPy knows"));
}

bool is_numpy_integer(py::handle object) {
  static PyTypeObject* type = nullptr;
  if (!type && ndarray_type()) type = numpy_type("integer");
  return type && PyType_IsSubtype(Py_TYPE(object.ptr()), type) != 0;
}

bool is_numpy_date(py::handle object) {
  static PyTypeObject *date = nullptr, *span = nullptr;
  if (!date && ndarray_type()) {
    date = numpy_type("datetime64");
    span = numpy_type("timedelta64");
  }
  const PyTypeObject* const type = Py_TYPE(object.ptr());
  return date && (type == date || type == span);
}

}  // namespace multibuffer::python
