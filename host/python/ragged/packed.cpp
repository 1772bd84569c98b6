#include "host/python/ragged/packed.hpp"

#include <array>

namespace py = pybind11;

namespace multibuffer::python {
namespace {

PyTypeObject* packed_type = nullptr;

}  // namespace

void bind_packed(py::module_& module) {
  static std::array<PyStructSequence_Field, 3> fields{{
      {"values", "The items of all rows, one row after the other: (items, ...)."},
      {"offsets",
       "Where each row begins, and where the last one ends: row i is\n"
       "values[offsets[i]:offsets[i + 1]]."},
      {nullptr, nullptr},
  }};
  static PyStructSequence_Desc description{
      "multibuffer.Packed", "Rows of unequal length, one after the other: (values, offsets).",
      fields.data(), 2};
  packed_type = PyStructSequence_NewType(&description);
  if (!packed_type) throw py::error_already_set();
  module.attr("Packed") = py::handle(reinterpret_cast<PyObject*>(packed_type));
}

py::object packed(const py::object& values, const py::object& offsets) {
  auto result = py::reinterpret_steal<py::object>(PyStructSequence_New(packed_type));
  if (!result) throw py::error_already_set();
  PyStructSequence_SetItem(result.ptr(), 0, values.inc_ref().ptr());
  PyStructSequence_SetItem(result.ptr(), 1, offsets.inc_ref().ptr());
  return result;
}

bool is_packed(py::handle object) { return Py_TYPE(object.ptr()) == packed_type; }

}  // namespace multibuffer::python
