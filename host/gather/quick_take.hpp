#pragma once

#include <multibuffer/device_array.hpp>
#include <multibuffer/gather_modes.hpp>

#include "host/backend/number.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>

namespace multibuffer {

/// Indices in host memory, one after the other.
struct DenseIndices {
  const void* data = nullptr;
  int bytes_each = 8;  ///< 4 or 8, signed
  std::int64_t count = 0;
};

/// Returns the bytes of an item of the first axis where `quick_take` and `quick_copy` may be: its
/// elements are contiguous, and on the host.
std::optional<std::int64_t> quick_item_bytes(const DeviceArray& array);

/// The items that a quick call reads, and how it converts them.
struct QuickItems {
  std::int64_t bytes = 0;  ///< of an item that is read: what `quick_item_bytes` returned
  std::optional<Conversion> conversion;

  std::int64_t result_bytes() const {
    return conversion ? converted_bytes(*conversion, bytes) : bytes;
  }
};

/// Writes the items of the first axis at `indices` to `to`, one after the other, as `take` would:
/// what most small calls are, without all that other calls need. Returns false, and has written
/// nothing, where this is no such call or something is wrong with it; `take` then does it, or says
/// what is wrong. `owns_output`: the memory is new, and so is in nobody else's use.
bool quick_take(const DeviceArray& array, const QuickItems& items, const DenseIndices& indices,
                IndexMode mode, std::byte* to, bool owns_output);

/// Writes all items of the first axis to `to`, as `copy` would. Throws what `copy` throws for an
/// output over what is read.
void quick_copy(const DeviceArray& array, const QuickItems& items, std::byte* to, bool owns_output);

}  // namespace multibuffer
