#pragma once

#include <multibuffer/device_buffer.hpp>
#include <multibuffer/gather.hpp>
#include <multibuffer/gather_modes.hpp>
#include <multibuffer/indices.hpp>
#include <multibuffer/ragged_array.hpp>
#include <multibuffer/ragged_view.hpp>
#include <multibuffer/stream.hpp>
#include <multibuffer/watch.hpp>

#include <cstdint>
#include <memory>
#include <optional>

namespace multibuffer {

/// Says which rows of a ragged array to read, and in which order; without indices, all of them.
/// Index arrays have one axis. Those on a device are checked as they are used, as in a gather.
struct RowSelection {
  std::optional<Indices> indices = {};
  IndexMode mode = IndexMode::raise;
};

/// Rows of unequal length, one after the other, and where each begins.
struct PackedRows {
  DeviceBuffer values;   ///< [items, item_shape...]
  DeviceBuffer offsets;  ///< [rows + 1], in items: row i is [offsets[i], offsets[i + 1])
};

struct PackOptions {
  /// The elements of the result, converted in the same pass; see `GatherOptions::format`.
  std::optional<Format> format = {};
  Overflow overflow = Overflow::wrap;
  /// 8, or 4 for int32 offsets (`cu_seqlens`): `size_overflow` where these cannot count the items.
  int offset_bytes = 8;
  /// The items that there is room for, where indices on a CUDA device select the rows: how many
  /// items these have is then not known on the host. `values` has so many items, those behind the
  /// last row unspecified, and the call waits for nothing. Should the rows have more, then what
  /// does not fit is left out, and whoever synchronizes `values` or `offsets` gets
  /// `invalid_argument`. Without it, such a call waits for the indices and fetches them.
  std::optional<std::int64_t> items = {};
  /// Memory of the caller's for the values, dense in C order.
  std::optional<Output> out = {};
  StreamRef stream = {};
  /// Keeps `stream`: a plan holds it as long as itself.
  std::shared_ptr<const void> stream_owner = nullptr;
  Watch watch = {};
};

/// On which side of a row its padding goes.
enum class PadSide { after, before };

/// What becomes of rows that are longer than the padded length. (By default they are an error. It
/// is independent of the side of the padding, as in the tokenizers of transformers; Keras pads and
/// drops on the same side.)
enum class Truncation {
  refuse,      ///< `invalid_argument`, naming the row
  drop_end,    ///< the first items are kept
  drop_begin,  ///< the last items are kept
};

struct PadOptions {
  /// The items of each row of the result. Not given: those of the longest selected row; where
  /// indices on a CUDA device select, of the longest row of the array.
  std::optional<std::int64_t> length = {};
  /// One element of the result's format, in host memory, that the padding is filled with; it is
  /// read before the call returns. Null: zeros.
  const void* fill = nullptr;
  PadSide side = PadSide::after;
  /// Where indices on a CUDA device select, every row of the array must fit, or be truncated.
  Truncation truncation = Truncation::refuse;
  std::optional<Format> format = {};  ///< as in `PackOptions`
  Overflow overflow = Overflow::wrap;
  std::optional<Output> out = {};  ///< dense in C order
  StreamRef stream = {};
  std::shared_ptr<const void> stream_owner = nullptr;
  Watch watch = {};
};

/// Copies the selected rows one after the other. On a CUDA device the work is enqueued; on the host
/// it is done on return, as it is where `out` is host memory. Several threads may pack from one
/// array at a time. Throws `index_out_of_range`, `format_unsupported` where elements cannot be
/// converted, `size_overflow`, `out_of_device_memory`, and `invalid_argument`: for an `out` that
/// does not fit or that the array is read from, for indices that have not one axis or are on
/// another device, for `items` below what is selected.
PackedRows pack(const RaggedArray& array, const RowSelection& rows = {},
                const PackOptions& options = {});

/// Copies the selected rows into a dense array [rows, length, item_shape...], with padding where a
/// row is shorter. Else as `pack`; throws `invalid_argument` also for a negative length.
DeviceBuffer pad(const RaggedArray& array, const RowSelection& rows = {},
                 const PadOptions& options = {});

/// The selected rows as an array, in their order: no row moves, and the result shares the storage
/// of `array`. It has tables of its own, which are written to the device. Indices on a CUDA device
/// are waited for and fetched. Throws as `pack` throws for indices.
RaggedArray take(const RaggedArray& array, const RowSelection& rows,
                 const CallOptions& options = {});

}  // namespace multibuffer
