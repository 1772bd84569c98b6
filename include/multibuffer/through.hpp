#pragma once

#include <multibuffer/device_array.hpp>
#include <multibuffer/device_buffer.hpp>

namespace multibuffer {

/// What entries below 0 are to `check_table`.
enum class NegativeEntries {
  refused,
  unread,  ///< padding, of block tables for example, which no index will lead to
};

/// Checks that each entry of `table` is an index of `axis` of `array`, that is, that every element
/// of `array.through(axis, table)` is one of the array. Copies the table to the host and waits for
/// it. Throws `index_out_of_range` with the position and value of the first entry that is none, and
/// what `through` throws.
void check_table(const DeviceArray& array, int axis, const DeviceBuffer& table,
                 NegativeEntries negative = NegativeEntries::refused);

}  // namespace multibuffer
