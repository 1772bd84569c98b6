#pragma once

#include <multibuffer/device_array.hpp>
#include <multibuffer/device_buffer.hpp>

#include <optional>

namespace multibuffer::python {

/// Describes an array without pointer tables as a strided buffer that shares its memory, with any
/// strides, and keeps the array's storage. Later updates of the array show in it. Rows may be
/// shared, so nobody should write through it. Returns nothing for an array with pointer tables.
std::optional<DeviceBuffer> strided(const DeviceArray& array);

}  // namespace multibuffer::python
