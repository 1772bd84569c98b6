#pragma once

#include <pybind11/pybind11.h>

namespace multibuffer::python {

/// Makes multibuffer.Packed, a tuple with names, as os.stat_result is one: values and offsets.
void bind_packed(pybind11::module_& module);

pybind11::object packed(const pybind11::object& values, const pybind11::object& offsets);
bool is_packed(pybind11::handle object);

}  // namespace multibuffer::python
