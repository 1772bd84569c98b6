#pragma once

#include "host/backend/ragged_plan.hpp"
#include "host/bytes/simd.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace multibuffer {

/// The rows of a ragged plan, as this thread reads them.
class HostRows {
 public:
  explicit HostRows(const RaggedPlan& plan)
      : plan_(plan),
        // A number, since arrays in place have no base: their offsets are addresses.
        base_(reinterpret_cast<std::uintptr_t>(plan.ragged.base) +
              static_cast<std::uintptr_t>(plan.ragged.origin)) {}

  std::int64_t count() const { return plan_.rows.count; }
  std::int64_t entry(std::int64_t row) const {
    return plan_.rows.entries ? plan_.rows.entries[row] : plan_.rows.first + row * plan_.rows.step;
  }
  const std::byte* start_of_entry(std::int64_t entry) const {
    const std::int64_t start = table_entry(plan_.ragged.starts, entry) * plan_.ragged.unit;
    // NOLINTNEXTLINE(performance-no-int-to-ptr): an address found in a table
    return reinterpret_cast<const std::byte*>(base_ + static_cast<std::uintptr_t>(start));
  }
  const std::byte* start(std::int64_t row) const { return start_of_entry(entry(row)); }
  std::int64_t length_of_entry(std::int64_t entry) const {
    return table_entry(plan_.ragged.lengths, entry);
  }

  /// Prefetches the row some rows after `row`, if there is one, unless it lies so little beyond
  /// that the processor is likely to prefetch it by itself: for short rows in order, asking as well
  /// takes a sixth more time.
  void prefetch_after(std::int64_t row) const {
    constexpr std::int64_t rows_ahead = 12;
    constexpr std::uintptr_t followed_bytes = 8192;
    if (row + rows_ahead >= count()) return;
    const std::int64_t ahead = entry(row + rows_ahead);
    const std::byte* const from = start_of_entry(ahead);
    const std::uintptr_t distance =
        reinterpret_cast<std::uintptr_t>(from) - reinterpret_cast<std::uintptr_t>(start(row));
    if (distance >= followed_bytes)
      prefetch_row(from, length_of_entry(ahead) * plan_.ragged.item_stride);
  }

  /// Where a row of a packed side begins; of row `count`, where the last one ends. In items.
  std::int64_t offset(std::int64_t row) const {
    const std::byte* const offsets = plan_.packed->offsets;
    return plan_.packed->wide ? reinterpret_cast<const std::int64_t*>(offsets)[row]
                              : reinterpret_cast<const std::int32_t*>(offsets)[row];
  }
  /// The row that an item of a packed side belongs to.
  std::int64_t row_of(std::int64_t item) const {
    std::int64_t begin = 0, end = count();  // offset(begin) <= item < offset(end)
    while (end - begin > 1) {
      const std::int64_t middle = begin + (end - begin) / 2;
      (offset(middle) <= item ? begin : end) = middle;
    }
    return begin;
  }

 private:
  const RaggedPlan& plan_;
  std::uintptr_t base_;
};

// Both walks go through parts [begin, end) of the dense side in order, where an item is
// `item_parts` parts: bytes, numbers or runs. They call visit.row(start, first, count) for parts
// [first, first + count) of the row that begins at `start`, which there is at least one of, and
// visit.padding(first, count) for padding whose first part is that number of its row.

template <class Visit>
void walk_packed(const RaggedPlan& plan, std::int64_t item_parts, std::int64_t begin,
                 std::int64_t end, Visit& visit) {
  const HostRows rows(plan);
  std::int64_t row = rows.row_of(begin / item_parts);
  std::int64_t row_begin = rows.offset(row) * item_parts;
  for (; begin < end; ++row) {
    rows.prefetch_after(row);
    const std::int64_t row_end = rows.offset(row + 1) * item_parts;
    const std::int64_t stop = std::min(row_end, end);
    if (begin < stop) visit.row(rows.start(row), begin - row_begin, stop - begin);
    begin = stop;
    row_begin = row_end;
  }
}

template <class Visit>
void walk_padded(const RaggedPlan& plan, std::int64_t item_parts, std::int64_t begin,
                 std::int64_t end, Visit& visit) {
  const HostRows rows(plan);
  const PaddedSide& padded = plan.padded;
  const std::int64_t row_parts = padded.length * item_parts;
  for (std::int64_t row = begin / row_parts; begin < end; ++row) {
    rows.prefetch_after(row);
    const std::int64_t entry = rows.entry(row);
    const PaddedItems items =
        padded_items(rows.length_of_entry(entry), padded.length, padded.before, padded.keeps_end);
    const std::int64_t row_begin = row * row_parts;
    const std::int64_t from = begin - row_begin;
    const std::int64_t to = std::min(end - row_begin, row_parts);
    const std::int64_t place = items.place * item_parts;
    const std::int64_t place_end = place + items.count * item_parts;
    // Split [from, to) into what lies before the items, the items, and what lies behind them.
    const std::int64_t items_begin = std::clamp(place, from, to);
    const std::int64_t items_end = std::clamp(place_end, items_begin, to);
    if (from < items_begin) visit.padding(from, items_begin - from);
    if (items_begin < items_end)
      visit.row(rows.start_of_entry(entry), items_begin - place + items.first * item_parts,
                items_end - items_begin);
    if (items_end < to) visit.padding(items_end, to - items_end);
    begin = row_begin + to;
  }
}

}  // namespace multibuffer
