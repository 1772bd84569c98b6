#pragma once

#include <multibuffer/format.hpp>

#include "host/python/elements/dtype.hpp"
#include "host/python/support/class.hpp"
#include "host/python/support/values.hpp"

#include <pybind11/pybind11.h>

#include <cstdint>
#include <iterator>
#include <span>
#include <string>

namespace multibuffer::python {

/// "shape=(3, 4), dtype='int32'": what every `repr` begins with.
inline std::string shape_text(std::span<const std::int64_t> shape, const Format& format) {
  return "shape=" + str_of(to_tuple(shape)) + ", dtype='" + dtype_name(format) + "'";
}

/// The properties that every array class has, from its shape and its format.
template <class Self, auto shape_of, auto format_of>
struct Properties {
  static pybind11::tuple shape(const Self& self) { return to_tuple(shape_of(self)); }
  static std::int64_t ndim(const Self& self) { return std::ssize(shape_of(self)); }
  static std::int64_t size(const Self& self) {
    std::int64_t size = 1;
    for (const std::int64_t extent : shape_of(self)) size *= extent;
    return size;
  }
  static std::int64_t itemsize(const Self& self) { return format_of(self).itemsize(); }
  static std::int64_t nbytes(const Self& self) { return size(self) * itemsize(self); }
  static std::string format(const Self& self) { return format_of(self).text(); }
  static std::string dtype(const Self& self) { return dtype_name(format_of(self)); }
  static std::int64_t length(const Self& self) {
    const auto shape = shape_of(self);
    if (shape.empty()) throw pybind11::type_error("len() of an array without axes");
    return shape[0];
  }
};

/// Adds what says nothing of the shape's form, which `All` has as static functions.
template <class All, class Self>
void bind_common_properties(Class<Self>& cls) {
  cls.template property<&All::ndim>("ndim", "The number of axes.")
      .template property<&All::size>("size", "The number of elements.")
      .template property<&All::itemsize>("itemsize", "The bytes of one element.")
      .template property<&All::nbytes>("nbytes", "The bytes of all elements: size * itemsize.")
      .template property<&All::format>("format", "The element format as PEP 3118 spells it.")
      .template property<&All::dtype>("dtype",
                                      "The element type by a name that numpy.dtype() understands.")
      .template length<&All::length>();
}

template <auto shape_of, auto format_of, class Self>
void bind_properties(Class<Self>& cls) {
  using All = Properties<Self, shape_of, format_of>;
  cls.template property<&All::shape>("shape", "The extents of the axes, a tuple.");
  bind_common_properties<All>(cls);
}

}  // namespace multibuffer::python
