#include "host/explain/ragged_rows.hpp"

#include <multibuffer/error.hpp>

#include "host/explain/walk.hpp"
#include "host/ragged/ragged_storage.hpp"
#include "host/support/text.hpp"

#include <utility>

namespace multibuffer {
namespace {

Layout layout_of(const RaggedView& view) {
  std::vector<Axis> axes{{view.rows(), static_cast<std::int64_t>(sizeof(void*)), 0},
                         {view.longest(), view.item_bytes(), 1}};
  std::int64_t stride = view.item_bytes();
  for (const std::int64_t extent : view.item_shape()) {
    stride = extent == 0 ? 0 : stride / extent;
    axes.push_back({extent, stride, 1});
  }
  return Layout(std::move(axes), {0, 0});
}

/// The tables of an array have an entry for each row, and its axes of items begin with that of the
/// longest row of all that were uploaded.
Layout layout_of(const RaggedArray& array) {
  const RowEntries entries = entries_of(array);
  const Layout& items = items_of(array);
  std::vector<Axis> axes{{entries.count, entries.step, 0}};
  for (const Axis& axis : items.axes()) axes.push_back({axis.extent, axis.stride, 1});
  axes[1].extent = array.longest();
  return Layout(std::move(axes), {entries.first, items.origins()[0]});
}

}  // namespace

RaggedRows rows_of(const RaggedView& view) {
  return {layout_of(view), view.format(), [view](std::int64_t row) { return view.length(row); }};
}

RaggedRows rows_of(const RaggedArray& array) {
  return {layout_of(array), array.format(),
          [array](std::int64_t row) { return array.length(row); }};
}

ArrayView as_if_equal(const RaggedView& view) {
  return ArrayView(view.starts().data(), view.format(), layout_of(view), true, view.space());
}

std::vector<std::int64_t> checked_item(const RaggedRows& rows,
                                       std::span<const std::int64_t> index) {
  const std::int64_t count = rows.layout.axes()[0].extent;
  std::vector<std::int64_t> counted(index.begin(), index.end());
  const bool has_row =
      counted.size() == rows.layout.axes().size() && counted[0] >= -count && counted[0] < count;
  if (has_row) {
    const std::int64_t row = counted[0] < 0 ? counted[0] + count : counted[0];
    const std::int64_t length = rows.length(row);
    if (counted[1] < -length || counted[1] >= length)
      throw Failure(Errc::index_out_of_range,
                    text("item ", counted[1], " of row ", row, ", whose length is ", length));
    if (counted[1] < 0) counted[1] += length;
  }
  return checked_index(rows.layout, counted);
}

}  // namespace multibuffer
