#include <multibuffer/explain.hpp>

#include "host/explain/device_reader.hpp"
#include "host/explain/ragged_rows.hpp"
#include "host/explain/walk.hpp"
#include "host/explain/ways.hpp"
#include "host/explain/words.hpp"
#include "host/ragged/place_rows.hpp"
#include "host/ragged/ragged_storage.hpp"
#include "host/support/address.hpp"

#include <span>

namespace multibuffer {
namespace {

/// An explanation without its ways.
Explanation begin(const RaggedRows& rows, std::span<const std::int64_t> index) {
  Explanation explanation{
      .index = checked_item(rows, index), .shape = rows.layout.shape(), .format = rows.format};
  explanation.row_length = rows.length(explanation.index[0]);
  return explanation;
}

/// The id of the leaf of a row that has bytes, and how many leaves there are.
ElementPlace place_of(const RaggedView& view, const Placement& placement, std::int64_t row,
                      std::uint64_t position) {
  const Distinct distinct = distinct_rows(view);
  std::int64_t number = 0;  // of the row, among those that have bytes
  for (std::int64_t before = 0; before < row; ++before) number += view.length(before) > 0 ? 1 : 0;
  return {.leaf = distinct.ids[number],
          .leaves = distinct.addresses.size(),
          .segment = segment_at(placement, position),
          .segments = static_cast<std::int64_t>(placement.segments.size())};
}

}  // namespace

Explanation explain(const RaggedView& view, std::span<const std::int64_t> index,
                    const ExplainOptions& options) {
  Explanation explanation = begin(rows_of(view), index);
  explanation.pointers = way_by_pointers(as_if_equal(view), explanation.index);
  if (view.space() == MemorySpace::host) {
    explanation.value = show_element(view.format(), pointer_to(explanation.pointers->position));
  } else {
    explanation.notes.emplace_back(element_not_read);
  }
  const auto placement =
      placed_or_noted(explanation.notes, [&] { return place_rows(view, options.placement, {}); });
  if (!placement) return explanation;
  explanation.placement = placement->kind;
  explanation.offsets = way_by_offsets(*placement, explanation.index);
  explanation.place =
      place_of(view, *placement, explanation.index[0], explanation.offsets->position);
  return explanation;
}

Explanation explain(const RaggedArray& array, std::span<const std::int64_t> index) {
  const RaggedRows rows = rows_of(array);
  Explanation explanation = begin(rows, index);
  const RaggedReader reader(array);
  explanation.placement = array.placement();
  explanation.offsets =
      way_of(walk(rows.layout, explanation.index, 0, true,
                  [&](int, std::uint64_t position) { return reader.follow(position); }),
             reader.is_address());
  explanation.value = reader.value(explanation.offsets->position);
  return explanation;
}

}  // namespace multibuffer
