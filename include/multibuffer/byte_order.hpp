#pragma once

#include <multibuffer/device_array.hpp>
#include <multibuffer/gather.hpp>

#include <cstdint>

namespace multibuffer {

/// Whether all numbers in elements of `type` are in this machine's byte order.
bool is_native(const Type& type);

/// How many bytes are turned round together in a scalar: complex numbers and strings are several
/// such units; 1 where byte order means nothing.
std::int64_t swapped_bytes(const Type& scalar);

/// The same type in this machine's byte order.
Type native_type(const Type& type);

/// All elements, dense in C order, in this machine's byte order; padding stays what it is. Throws
/// `format_unsupported` for opaque elements, and what `gather` throws.
DeviceBuffer to_native(const DeviceArray& array, const CallOptions& options = {});

}  // namespace multibuffer
