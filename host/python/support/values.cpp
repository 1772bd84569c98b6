#include "host/python/support/values.hpp"

#include <multibuffer/layout.hpp>

#include "host/python/support/attributes.hpp"
#include "host/support/text.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

namespace py = pybind11;

namespace multibuffer::python {

namespace {

/// Without a string for what is mostly the default.
bool is_word(py::handle object, const char* word) {
  return PyUnicode_Check(object.ptr()) && PyUnicode_CompareWithASCIIString(object.ptr(), word) == 0;
}

}  // namespace

std::string text_of(py::handle str) {
  const auto bytes = py::reinterpret_steal<py::object>(
      PyUnicode_AsEncodedString(str.ptr(), "utf-8", "backslashreplace"));
  if (!bytes) throw py::error_already_set();
  return {PyBytes_AS_STRING(bytes.ptr()), static_cast<std::size_t>(PyBytes_GET_SIZE(bytes.ptr()))};
}

namespace {

/// Returns the text in `made`, or the type's name if the object could not make it.
std::string shown(py::handle object, PyObject* made) {
  const auto str = py::reinterpret_steal<py::object>(made);
  if (!str) {
    // Whoever has no stack left must not be asked again, and again at each level on the way back.
    if (!PyErr_ExceptionMatches(PyExc_Exception) || PyErr_ExceptionMatches(PyExc_RecursionError))
      throw py::error_already_set();
    PyErr_Clear();
    return text("<", Py_TYPE(object.ptr())->tp_name, ">");
  }
  constexpr std::size_t enough = 200;
  std::string words = text_of(str);
  if (words.size() > enough) {
    std::size_t end = enough;
    while ((words[end] & 0xc0) == 0x80) --end;  // not within a character
    words.replace(end, std::string::npos, "...");
  }
  return words;
}

}  // namespace

std::string repr_of(py::handle object) { return shown(object, PyObject_Repr(object.ptr())); }
std::string str_of(py::handle object) { return shown(object, PyObject_Str(object.ptr())); }

std::string text_argument(py::handle object, const char* name) {
  if (!PyUnicode_Check(object.ptr()))
    throw py::type_error(text(name, " must be a str, not ", Py_TYPE(object.ptr())->tp_name));
  std::string words = text_of(object);
  // No word of ours has one, and messages end there.
  if (words.find('\0') != std::string::npos)
    throw py::value_error(text(name, " has a null character: ", repr_of(object)));
  return words;
}

IndexMode mode_of(py::handle object) {
  if (is_word(object, "raise")) return IndexMode::raise;
  const std::string name = text_argument(object, "mode");
  if (name == "clip") return IndexMode::clip;
  if (name == "wrap") return IndexMode::wrap;
  throw py::value_error(text("mode '", name, "': there are raise, clip and wrap"));
}

Order order_of(py::handle object) {
  if (is_word(object, "C")) return Order::C;
  const std::string name = text_argument(object, "order");
  if (name == "F") return Order::F;
  throw py::value_error(text("order '", name, "': there are C and F"));
}

namespace {

/// The value of what has an index.
template <class Integer>
Integer value_of_index(py::handle item, const char* name) {
  const auto number = py::reinterpret_steal<py::object>(PyNumber_Index(item.ptr()));
  if (!number) throw py::error_already_set();
  const Py_ssize_t value = PyNumber_AsSsize_t(number.ptr(), PyExc_OverflowError);
  if (value == -1 && PyErr_Occurred()) {
    PyErr_Format(PyExc_OverflowError, "%s: an integer beyond 64 bits", name);
    throw py::error_already_set();
  }
  if (!std::in_range<Integer>(value))
    throw py::value_error(text(name, ": ", value, " is out of range"));
  return static_cast<Integer>(value);
}

/// One integer, or a sequence of them.
template <class Integer>
std::vector<Integer> integers(py::handle object, const char* name) {
  const auto integer = [name](py::handle item) {
    if (!PyIndex_Check(item.ptr()))
      throw py::type_error(text(name, " must be integers, not ", Py_TYPE(item.ptr())->tp_name));
    return value_of_index<Integer>(item, name);
  };
  // An array is both, and a sequence.
  if (PyIndex_Check(object.ptr()) && !PySequence_Check(object.ptr())) return {integer(object)};
  if (PyUnicode_Check(object.ptr()) || !PySequence_Check(object.ptr()))
    throw py::type_error(text(name, " must be an integer or a sequence of integers, not ",
                              Py_TYPE(object.ptr())->tp_name));
  std::vector<Integer> result;
  for (const py::handle item : py::reinterpret_borrow<py::object>(object)) {
    // A sequence may have no end.
    if (result.size() == max_axes)
      throw py::value_error(text(name, ": more than ", max_axes, " numbers, one for each axis"));
    result.push_back(integer(item));
  }
  return result;
}

/// The wanted shape with -1 worked out.
std::vector<std::int64_t> complete(std::vector<std::int64_t> shape, std::int64_t size) {
  const auto unknown = std::ranges::find(shape, -1);
  if (unknown == shape.end()) return shape;
  std::int64_t known = 1;
  for (auto it = shape.begin(); it != shape.end(); ++it) {
    if (it == unknown) continue;
    if (*it == -1) throw py::value_error("only one extent of a shape can be -1");
    if (__builtin_mul_overflow(known, *it, &known)) known = 0;
  }
  if (known <= 0 || size % known != 0)
    throw py::value_error(text("an array of ", size, " elements has no shape ", tuple_text(shape)));
  *unknown = size / known;
  return shape;
}

}  // namespace

int integer_argument(py::handle object, const char* name) {
  if (!PyIndex_Check(object.ptr()))
    throw py::type_error(text(name, " must be an integer, not ", Py_TYPE(object.ptr())->tp_name));
  return value_of_index<int>(object, name);
}
std::int64_t long_argument(py::handle object, const char* name) {
  if (!PyIndex_Check(object.ptr()))
    throw py::type_error(text(name, ": '", Py_TYPE(object.ptr())->tp_name,
                              "' object cannot be interpreted as an integer"));
  return value_of_index<std::int64_t>(object, name);
}

double number_argument(py::handle object, const char* name) {
  const double value = PyFloat_AsDouble(object.ptr());
  if (value != -1.0 || !PyErr_Occurred()) return value;
  if (!PyErr_ExceptionMatches(PyExc_TypeError)) throw py::error_already_set();
  PyErr_Clear();
  throw py::type_error(text(name, " must be real number, not ", Py_TYPE(object.ptr())->tp_name));
}

std::pair<std::int64_t, std::int64_t> pair_argument(py::handle object, const char* name) {
  const bool is_pair = (PyTuple_Check(object.ptr()) || PyList_Check(object.ptr())) &&
                       PySequence_Size(object.ptr()) == 2;
  if (!is_pair)
    throw py::type_error(
        text(name, " must be a tuple of two integers, not ", Py_TYPE(object.ptr())->tp_name));
  const auto number = [&](Py_ssize_t i) {
    const auto item = py::reinterpret_steal<py::object>(PySequence_GetItem(object.ptr(), i));
    if (!item) throw py::error_already_set();
    return long_argument(item, name);
  };
  const std::int64_t first = number(0);
  return {first, number(1)};
}

bool flag_argument(py::handle object, const char* name) {
  if (object.ptr() == Py_True) return true;
  if (object.ptr() == Py_False || object.is_none()) return false;
  const PyNumberMethods* const number = Py_TYPE(object.ptr())->tp_as_number;
  if (!number || !number->nb_bool)
    throw py::type_error(text(name, " must be a bool, not ", Py_TYPE(object.ptr())->tp_name));
  const int value = PyObject_IsTrue(object.ptr());
  if (value < 0) throw py::error_already_set();
  return value != 0;
}

std::vector<std::int64_t> integers_argument(py::handle object, const char* name) {
  return integers<std::int64_t>(object, name);
}

std::vector<float> floats_argument(py::handle object, const char* name) {
  if (object.is_none()) return {};
  // Arrays of NumPy, torch and others, also those of no axes, on whatever device.
  const py::object tolist =
      PyType_Check(object.ptr()) ? py::object() : find_attribute(object, "tolist");
  const py::object numbers = tolist ? tolist() : py::reinterpret_borrow<py::object>(object);
  const bool is_list = PyList_Check(numbers.ptr()) || PyTuple_Check(numbers.ptr());
  const auto float_of = [name](py::handle item) {
    if (PyList_Check(item.ptr()) || PyTuple_Check(item.ptr()))
      throw py::type_error(text(name, " must be numbers along one axis, not lists of lists"));
    const double number = number_argument(item, name);
    const auto rounded = static_cast<float>(number);
    if (std::isinf(rounded) && !std::isinf(number))
      throw py::value_error(text(name, " has a number beyond float32: ", repr_of(item)));
    return rounded;
  };
  if (!is_list && !PyNumber_Check(numbers.ptr()))
    throw py::type_error(text(name, " must be a number, or a list, tuple or array of numbers, not ",
                              Py_TYPE(numbers.ptr())->tp_name));
  if (!is_list) return {float_of(numbers)};
  std::vector<float> result;
  // As many as there are now, whatever a class of its own says of them: an item may make a list
  // grow.
  const auto items = PyTuple_Check(numbers.ptr())
                         ? numbers
                         : py::reinterpret_steal<py::object>(PyList_AsTuple(numbers.ptr()));
  if (!items) throw py::error_already_set();
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(items.ptr()); ++i)
    result.push_back(float_of(PyTuple_GET_ITEM(items.ptr(), i)));
  if (result.empty()) throw py::value_error(text(name, " has no numbers"));
  return result;
}

std::vector<std::int64_t> shape_argument(const py::object& wanted, std::int64_t size) {
  std::vector<std::int64_t> shape = complete(integers<std::int64_t>(wanted, "a shape"), size);
  for (const std::int64_t extent : shape)
    if (extent < 0) throw py::value_error(text("a shape with the extent ", extent));
  return shape;
}

std::vector<int> axes_argument(const py::args& axes, int ndim) {
  std::vector<int> result;
  if (axes.empty() || (axes.size() == 1 && axes[0].is_none())) {
    result.resize(static_cast<std::size_t>(ndim));
    std::iota(result.rbegin(), result.rend(), 0);
    return result;
  }
  result = axes.size() == 1 ? integers<int>(axes[0], "axes") : integers<int>(axes, "axes");
  for (int& axis : result) axis = normalize_axis(axis, ndim);
  return result;
}

std::uintptr_t address_argument(py::handle object, const char* name) {
  static_assert(sizeof(std::uintptr_t) == sizeof(unsigned long long));
  if (PyBool_Check(object.ptr()) || !PyIndex_Check(object.ptr()))
    throw py::type_error(text(name, " must be an integer, not ", Py_TYPE(object.ptr())->tp_name));
  const auto number = py::reinterpret_steal<py::object>(PyNumber_Index(object.ptr()));
  if (!number) throw py::error_already_set();
  const auto address = PyLong_AsUnsignedLongLong(number.ptr());
  if (PyErr_Occurred()) {
    PyErr_Clear();
    throw py::value_error(text(name, " is out of range: addresses are from 0 to 2**64 - 1"));
  }
  return address;
}

py::tuple to_tuple(std::span<const std::int64_t> numbers) {
  py::tuple tuple(numbers.size());
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    PyObject* const number = PyLong_FromLongLong(numbers[i]);
    if (!number) throw py::error_already_set();
    PyTuple_SET_ITEM(tuple.ptr(), static_cast<Py_ssize_t>(i), number);
  }
  return tuple;
}

bool is_list_of_names(py::handle key) {
  if (!PyList_Check(key.ptr()) || PyList_GET_SIZE(key.ptr()) == 0) return false;
  const auto list = py::reinterpret_borrow<py::list>(key);
  return std::all_of(list.begin(), list.end(),
                     [](py::handle item) { return PyUnicode_Check(item.ptr()); });
}

std::vector<std::string> names_of(py::handle key) {
  std::vector<std::string> names;
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(key.ptr()); ++i)
    names.push_back(text_argument(PyList_GET_ITEM(key.ptr(), i), "the name of a field"));
  return names;
}

}  // namespace multibuffer::python
