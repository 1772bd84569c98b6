#pragma once

#include <multibuffer/array_view.hpp>
#include <multibuffer/gather.hpp>
#include <multibuffer/ragged_array.hpp>

#include "host/python/arguments.hpp"
#include "host/python/support/class.hpp"
#include "host/python/support/values.hpp"

#include <pybind11/pybind11.h>

#include <optional>
#include <string>

namespace multibuffer::python {

// One function for each file that adds classes or functions to the module.
void bind_device_buffer(pybind11::module_& module);
void bind_device_array(pybind11::module_& module);
void bind_plan(pybind11::module_& module);
void bind_stack(pybind11::module_& module);
void bind_pillow(pybind11::module_& module);
void bind_reference(pybind11::module_& module);
void bind_verify(pybind11::module_& module);
void bind_devices(pybind11::module_& module);
void bind_access(pybind11::module_& module);
void bind_dataset(pybind11::module_& module);
void bind_explain(pybind11::module_& module);
void bind_pieces(pybind11::module_& module);
void bind_ragged(pybind11::module_& module);
void bind_ragged_plan(pybind11::module_& module);
void bind_ragged_reference(pybind11::module_& module);

/// The picture of an array that notebooks show: what draw() makes of it.
std::string svg_of(const DeviceArray& array);
std::string svg_of(const RaggedArray& rows);

/// Copies all elements, converted, dense in C order.
DeviceBuffer converted_copy(const DeviceArray& array, const WantedElements& wanted,
                            StreamRef stream, const Progress& progress);
/// Reads all elements of a `Reference`; nothing if `object` is something else.
std::optional<DeviceBuffer> copy_of_reference(pybind11::handle object, const Progress& progress);

}  // namespace multibuffer::python
