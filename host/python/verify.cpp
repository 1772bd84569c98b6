#include <multibuffer/error.hpp>
#include <multibuffer/verify.hpp>

#include "dtype.hpp"
#include "host/text.hpp"
#include "interrupt.hpp"
#include "module.hpp"
#include "properties.hpp"

#include <algorithm>
#include <cstdint>

namespace py = pybind11;

namespace multibuffer::python {
namespace {

DeviceBuffer buffer_of(const py::object& object) {
  if (py::isinstance<DeviceBuffer>(object)) return object.cast<DeviceBuffer>();
  // A reference is read when somebody asks for it.
  if (py::isinstance(object, py::module_::import("multibuffer._core").attr("Reference")))
    return object.attr("copy")().cast<DeviceBuffer>();
  return dense_copy(source_of(object));
}

double number(const py::object& object) {
  const double value = PyFloat_AsDouble(object.ptr());
  if (value == -1.0 && PyErr_Occurred()) throw py::error_already_set();
  return value;
}

std::int64_t integer(const py::object& object) {
  const auto number = py::reinterpret_steal<py::object>(PyNumber_Index(object.ptr()));
  const std::int64_t value = number ? PyLong_AsLongLong(number.ptr()) : -1;
  if (value == -1 && PyErr_Occurred()) throw py::error_already_set();
  return value;
}

Comparison verify_objects(const py::object& result, const py::object& expected,
                          const py::object& atol, const py::object& rtol, const py::object& ulp) {
  const Tolerance tolerance{number(atol), number(rtol), integer(ulp)};
  const DeviceBuffer actual = buffer_of(result);
  DeviceBuffer wanted = buffer_of(expected);
  // Under another format, below, it would no longer say that its indices were out of range, nor
  // keep memory that is not the library's.
  const DeviceBuffer given = wanted;
  without_gil([&](const Watch&) {
    given.synchronize();
    return true;
  });
  if (same_meaning(actual.format(), wanted.format()))  // however each spells it
    wanted = DeviceBuffer({.device = wanted.device(),
                           .format = actual.format(),
                           .shape = wanted.shape(),
                           .strides = wanted.strides(),
                           .data = wanted.data(),
                           .memory = wanted.memory(),
                           .stream = wanted.stream(),
                           .pending = nullptr});
  return without_gil([&](const Watch& watch) { return verify(actual, wanted, tolerance, watch); });
}

}  // namespace

void bind_verify(py::module_& module) {
  py::class_<Comparison>(module, "Comparison", "What verify() found: true if all is equal.")
      .def_readonly("elements", &Comparison::elements, "How many elements were compared.")
      .def_readonly("mismatches", &Comparison::mismatches, "How many of them differ.")
      .def_property_readonly(
          "first",
          [](const Comparison& self) {
            return self.equal() ? py::object(py::none()) : to_tuple(self.first);
          },
          "The coordinates of the first mismatch in C order, or None.")
      .def_readonly("actual", &Comparison::actual, "The first element that differs, as text.")
      .def_readonly("expected", &Comparison::expected, "What it should have been, as text.")
      .def_property_readonly("equal", &Comparison::equal, "Whether all elements are equal.")
      .def("__bool__", &Comparison::equal)
      .def("__repr__", [](const Comparison& self) { return "Comparison(" + describe(self) + ")"; });
  module.def("verify", verify_objects);
}

}  // namespace multibuffer::python
