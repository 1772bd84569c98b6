#pragma once

#include <multibuffer/device_array.hpp>
#include <multibuffer/watch.hpp>

#include <memory>

namespace multibuffer {

struct UpdateOptions {
  StreamRef stream = {};
  Watch watch = {};
  /// Kept alive as long as the array that `update_pointers` returns, so that the addresses of its
  /// sources are not reused.
  std::shared_ptr<const void> owner = nullptr;
};

/// Writes new contents: reads all of `view` and writes it over what `array` was uploaded from, so
/// that the array and *every view of it* have the new elements. `array` is a handle and its
/// constness shallow; an `as_buffer()` of it shows them, too. Nothing is allocated. Work that was
/// enqueued before, on whatever stream, still reads the old elements, later work the new ones.
/// Returns after the last read of the source.
///
/// `view` stands for the whole of what was uploaded, whatever view of that `array` is. Its pointers
/// may be others, as long as they need the same layout on the device: the same format and shape,
/// and, where rows are shared, sharing of the same extent. Else throws `invalid_argument` and
/// writes nothing; so it does for arrays in place, for rows of a ragged array, and for arrays with
/// `keep_sources`. After a stopped or failed transfer the elements are unspecified.
void update(const DeviceArray& array, const ArrayView& view, const CallOptions& options = {});

/// Uploads `view` and shares the leaves that `array` already has. A leaf is identified by its
/// address in host memory: if `array` has one from that address, its contents are taken to be
/// unchanged and it is not read again (memory that was freed, and allocated again at the same
/// address, counts as unchanged). The other leaves are transferred, and the tables. `array` is not
/// modified. A leaf lives as long as an array that has it; an arena, as long as one of the leaves
/// that came with it.
///
/// `array` was uploaded with `keep_sources`, or comes from here, and may be a view. `view` has the
/// same format, and its pointers lead to blocks of the same extents and strides; the tables may be
/// of any shape. Else throws `invalid_argument`.
DeviceArray update_pointers(const DeviceArray& array, const ArrayView& view,
                            const UpdateOptions& options = {});

}  // namespace multibuffer
