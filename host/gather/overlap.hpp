#pragma once

#include <multibuffer/array_view.hpp>
#include <multibuffer/device_array.hpp>

#include "host/upload/clear_ranges.hpp"

#include <cstddef>
#include <cstdint>
#include <span>

namespace multibuffer {

/// Where an output's elements are: `strides` in bytes, none of them negative, for `shape`.
struct OutputPlace {
  const void* data = nullptr;
  std::span<const std::int64_t> shape;
  std::span<const std::int64_t> strides;
  std::int64_t itemsize = 1;

  /// From the first byte to behind the last. Empty where there are no elements.
  AddressRange range() const;
};

/// Throws `invalid_argument` if `out` has a byte of what `array` reads in place, or of the blocks
/// that the library copied it to. Of arrays in place on a device, those behind pointers are not
/// looked at: their tables are on the device.
void check_apart(const DeviceArray& array, const OutputPlace& out);

/// Throws likewise for an array in host memory that is read by its own pointers.
void check_apart(const ArrayView& view, const OutputPlace& out);

}  // namespace multibuffer
