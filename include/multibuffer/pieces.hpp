#pragma once

#include <multibuffer/array_view.hpp>
#include <multibuffer/device.hpp>
#include <multibuffer/gather.hpp>

#include <cstdint>

namespace multibuffer {

struct PiecesOptions {
  GatherOptions gather = {};
  /// How much of the device's memory the call may have in use at a time, the result apart if it
  /// stays there. 0: nine tenths of what is free.
  std::int64_t memory_limit = 0;
};

/// `gather` for an array that is not on the device, and need not fit: the result is made in pieces,
/// each of which brings only what its indices span. While one piece is gathered, the next is packed
/// and on its way. The elements are those that `upload` and `gather` would give.
///
/// The result is in host memory or, where the options name one, in `out`, which may be on the
/// device; it is there on return. Index arrays may be on either. Progress counts the result's
/// bytes. On the host nothing has to travel, and nothing is cut.
///
/// Throws what `upload` and `gather` throw, and `out_of_device_memory` if a single element of the
/// result needs more than the limit.
DeviceBuffer gather_in_pieces(const ArrayView& view, const Device& device,
                              const Selection& selection, const PiecesOptions& options = {});

}  // namespace multibuffer
