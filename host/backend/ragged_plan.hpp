#pragma once

#include "host/backend/copy_plan.hpp"
#include "host/backend/number.hpp"
#include "host/support/small_vector.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>

namespace multibuffer {

/// One axis of an item whose elements do not all follow each other; stride in bytes.
struct ItemAxis {
  std::int64_t extent = 0;
  std::int64_t stride = 0;
};

/// The side of a ragged plan that tables lead to: rows of unequal length, wherever they are. Item k
/// of the row with entry number e begins at
///
///     base + starts[e] * unit + origin + k * item_stride        for k in [0, lengths[e])
///
/// and is so many runs of `RaggedPlan::run_bytes` along its axes, outermost first.
struct RaggedSide {
  const std::byte* base = nullptr;  ///< null for arrays in place, whose offsets are addresses
  std::int64_t unit = 1;            ///< bytes that the entries of `starts` count in
  PlanTable starts;
  PlanTable lengths;  ///< in items
  std::int64_t origin = 0;
  std::int64_t item_stride = 0;
  SmallVector<ItemAxis, 4> axes;
};

/// Which entries the rows of the dense side have: row r has entries[r] or, without such a list,
/// first + r * step.
struct PlanRows {
  std::int64_t count = 0;
  const std::int64_t* entries = nullptr;  ///< in the backend's memory
  std::int64_t first = 0;
  std::int64_t step = 1;
};

/// Row r of the dense side is items [offsets[r], offsets[r + 1]).
struct PackedSide {
  std::byte* offsets = nullptr;  ///< in the backend's memory
  bool wide = true;              ///< of 64 bits, else 32
};

/// Row r of the dense side is items [r * length, (r + 1) * length), with `fill` for those that the
/// ragged row does not have.
struct PaddedSide {
  std::int64_t length = 0;
  bool before = false;              ///< the padding comes before the row
  bool keeps_end = false;           ///< of a row that is longer
  SmallVector<std::byte, 16> fill;  ///< one element of the dense side
};

/// A copy between rows of unequal length and dense memory, with every choice made: the counterpart
/// of `CopyPlan`. The dense side is linear, `items` items one after the other. It is packed or
/// padded.
///
/// Where there is a conversion, a run is so many bytes of whole numbers, and each is converted.
///
/// `indices` are there where rows are selected by what lies on a device alone. Then `rows.entries`
/// is null and `rows.first` and `rows.step` tell the entry of an index; the backend looks the
/// entries up and, for a packed side, writes the offsets. What a packed side has no room for
/// (`items`) is left out.
struct RaggedPlan {
  Direction direction = Direction::gather;
  RaggedSide ragged;
  DenseSide dense;
  PlanRows rows;
  std::optional<PlanIndices> indices;
  IndexMode mode = IndexMode::raise;
  std::optional<PackedSide> packed;
  PaddedSide padded;  ///< where it is not packed
  std::optional<Conversion> conversion;
  std::int64_t run_bytes = 0;  ///< on the ragged side
  std::int64_t items = 0;      ///< of the dense side

  /// Runs of an item.
  std::int64_t item_runs() const {
    std::int64_t runs = 1;
    for (const ItemAxis& axis : ragged.axes) runs *= axis.extent;
    return runs;
  }
  std::int64_t dense_run_bytes() const {
    return conversion ? run_bytes / bytes_of(conversion->from) * bytes_of(conversion->to)
                      : run_bytes;
  }
  /// Bytes of an item on the dense side.
  std::int64_t dense_item_bytes() const { return item_runs() * dense_run_bytes(); }
  std::int64_t dense_bytes() const { return items * dense_item_bytes(); }
  /// Returns true if the items of a row follow each other without gaps: a row is one run.
  bool is_contiguous() const { return ragged.axes.empty() && ragged.item_stride == run_bytes; }
};

/// The entry at `position` of a table that this thread can read.
inline std::int64_t table_entry(const PlanTable& table, std::int64_t position) {
  return table.wide ? static_cast<const std::int64_t*>(table.data)[position]
                    : std::int64_t{static_cast<const std::uint32_t*>(table.data)[position]};
}

/// Says which items of a ragged row a padded row has: `count` items from `first` on go to the
/// places from `place` on.
struct PaddedItems {
  std::int64_t first = 0;
  std::int64_t place = 0;
  std::int64_t count = 0;
};
constexpr PaddedItems padded_items(std::int64_t items, std::int64_t length, bool before,
                                   bool keeps_end) {
  PaddedItems result;
  result.count = items < length ? items : length;
  result.first = keeps_end ? items - result.count : 0;
  result.place = before ? length - result.count : 0;
  return result;
}

}  // namespace multibuffer
