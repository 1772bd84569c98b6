#pragma once

#include <multibuffer/format.hpp>

#include "dtype.hpp"

#include <pybind11/pybind11.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace multibuffer::python {

inline pybind11::tuple to_tuple(std::span<const std::int64_t> numbers) {
  pybind11::tuple tuple(numbers.size());
  for (std::size_t i = 0; i < numbers.size(); ++i) tuple[i] = numbers[i];
  return tuple;
}

/// "shape=(3, 4), dtype='int32'": what every `repr` begins with.
inline std::string shape_text(std::span<const std::int64_t> shape, const Format& format) {
  return "shape=" + pybind11::str(to_tuple(shape)).cast<std::string>() + ", dtype='" +
         dtype_name(format) + "'";
}

/// What every array class says of itself, from its shape and its format.
template <class Class, class ShapeOf, class FormatOf>
void bind_properties(Class& cls, ShapeOf shape_of, FormatOf format_of) {
  using Self = typename Class::type;
  const auto size_of = [shape_of](const Self& self) {
    std::int64_t size = 1;
    for (const std::int64_t extent : shape_of(self)) size *= extent;
    return size;
  };
  cls.def_property_readonly(
      "shape", [shape_of](const Self& self) { return to_tuple(shape_of(self)); },
      "The extents of the axes, a tuple.");
  cls.def_property_readonly(
      "ndim", [shape_of](const Self& self) { return shape_of(self).size(); },
      "The number of axes.");
  cls.def_property_readonly(
      "size", [size_of](const Self& self) { return size_of(self); }, "The number of elements.");
  cls.def_property_readonly(
      "itemsize", [format_of](const Self& self) { return format_of(self).itemsize(); },
      "The bytes of one element.");
  cls.def_property_readonly(
      "nbytes",
      [size_of, format_of](const Self& self) { return size_of(self) * format_of(self).itemsize(); },
      "The bytes of all elements: size * itemsize.");
  cls.def_property_readonly(
      "format", [format_of](const Self& self) { return format_of(self).text(); },
      "The element format as PEP 3118 spells it.");
  cls.def_property_readonly(
      "dtype", [format_of](const Self& self) { return dtype_name(format_of(self)); },
      "The element type by a name that numpy.dtype() understands.");
  cls.def("__len__", [shape_of](const Self& self) {
    const auto shape = shape_of(self);
    if (shape.empty()) throw pybind11::type_error("len() of an array without axes");
    return static_cast<std::size_t>(shape[0]);
  });
}

/// What Python asks of a sequence that has `__len__` and `__getitem__`: `x in a`, by
/// `contains(a, x)`, and `for part in a`.
template <class Class, class Contains>
void bind_sequence(Class& cls, Contains contains) {
  cls.def("__contains__", contains, pybind11::arg("item"),
          "Whether some element is equal to item, an object as tolist() gives them.");
  cls.def(
      "__iter__",
      [](const pybind11::object& self) {
        if (pybind11::len(self.attr("shape")) == 0)
          throw pybind11::type_error("iteration over an array without axes");
        return pybind11::reinterpret_steal<pybind11::object>(PySeqIter_New(self.ptr()));
      },
      "The parts along the first axis.");
}

}  // namespace multibuffer::python
