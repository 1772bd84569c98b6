#pragma once

#include <multibuffer/device_array.hpp>
#include <multibuffer/format.hpp>
#include <multibuffer/gather.hpp>

namespace multibuffer {

/// Copies all elements, dense in C order, in this machine's byte order; padding stays what it is.
/// `stream` and `watch` are as in a `Request`. Throws `format_unsupported` for opaque elements, and
/// what `gather` throws.
DeviceBuffer to_native(const DeviceArray& array, StreamHandle stream = nullptr,
                       const Watch& watch = {});

}  // namespace multibuffer
