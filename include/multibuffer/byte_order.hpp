#pragma once

#include <multibuffer/device_array.hpp>
#include <multibuffer/format.hpp>
#include <multibuffer/gather.hpp>

namespace multibuffer {

/// Copies all elements, dense in C order, in this machine's byte order; padding stays as it is.
/// Throws `format_unsupported` for opaque elements, and what `gather` throws.
DeviceBuffer to_native(const DeviceArray& array, const CallOptions& options = {});

}  // namespace multibuffer
