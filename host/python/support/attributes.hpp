#pragma once

#include <pybind11/pybind11.h>

namespace multibuffer::python {

/// Returns an attribute of an object, or nothing where asking for it raises AttributeError. Throws
/// what else asking raises, as Python's own getattr and hasattr do: that an attribute fails does
/// not mean that there is none. CPython's and pybind11's hasattr drop such an error, and from
/// CPython 3.13 on print it.
pybind11::object find_attribute(pybind11::handle object, pybind11::handle name);
pybind11::object find_attribute(pybind11::handle object, const char* name);

/// Tells whether `find_attribute` finds one.
template <class Name>
bool has_attribute(pybind11::handle object, const Name& name) {
  return static_cast<bool>(find_attribute(object, name));
}

}  // namespace multibuffer::python
