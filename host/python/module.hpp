#pragma once

#include <multibuffer/array_view.hpp>
#include <multibuffer/gather.hpp>

#include "host/python/arguments.hpp"
#include "host/python/support/class.hpp"
#include "host/python/support/values.hpp"

#include <pybind11/pybind11.h>

#include <optional>

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

/// What reads the elements of a `DeviceArray`: its keys, take, gather, copy, astype, and their
/// plans.
void bind_gathers(Class<DeviceArray>& array);
/// `update` of `DeviceArray`.
void bind_update(Class<DeviceArray>& array);

/// The DLPack methods of `DeviceBuffer`.
void bind_dlpack(Class<DeviceBuffer>& buffer);
/// Its `__dlpack_c_exchange_api__`: an attribute of the type itself.
void add_exchange_table(PyTypeObject* buffer);

/// All elements, dense in C order, as others.
DeviceBuffer converted_copy(const DeviceArray& array, const WantedElements& wanted,
                            StreamRef stream);
/// All elements of a `Reference`; nothing if it is something else.
std::optional<DeviceBuffer> copy_of_reference(pybind11::handle object);

}  // namespace multibuffer::python
