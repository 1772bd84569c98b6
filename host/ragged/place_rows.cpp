#include "host/ragged/place_rows.hpp"

#include <multibuffer/error.hpp>

#include "host/place/offset_tables.hpp"
#include "host/resolve/slot_set.hpp"
#include "host/support/address.hpp"
#include "host/support/checked.hpp"
#include "host/support/index_of.hpp"
#include "host/support/text.hpp"

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

// Rows become a placement as the leaves of an array do, but that each has a length of its own:
//
//     starts ──► ids of those that differ ──► the longest row of each ──► where it lands
//
// Rows without bytes, whose starts may be anything, take no part.

namespace multibuffer {
namespace {

PlacementKind choose(PlacementKind asked, MemorySpace space) {
  if (space == MemorySpace::device) {
    if (asked != PlacementKind::automatic && asked != PlacementKind::in_place)
      throw Failure(Errc::invalid_argument,
                    "rows in device memory can only be placed in place; pack() makes them dense");
    return PlacementKind::in_place;
  }
  if (asked == PlacementKind::preserved)
    throw Failure(Errc::invalid_argument,
                  "rows of unequal length are packed, or in place; they are not preserved");
  return asked == PlacementKind::automatic ? PlacementKind::packed : asked;
}

/// Returns the starts of the rows that have bytes.
LargeVector<std::int64_t> starts_with_bytes(const RaggedView& view) {
  LargeVector<std::int64_t> starts;
  if (view.item_bytes() == 0) return starts;
  starts.reserve(view.starts().size());
  for (std::int64_t row = 0; row < view.rows(); ++row)
    if (view.length(row) > 0) starts.push_back(address_of(view.start(row)));
  return starts;
}

/// Calls visit(row, number) for each row that has bytes; `number` counts them.
template <class Visit>
void for_rows_with_bytes(const RaggedView& view, const Visit& visit) {
  if (view.item_bytes() == 0) return;
  std::int64_t number = 0;
  for (std::int64_t row = 0; row < view.rows(); ++row)
    if (view.length(row) > 0) visit(row, number++);
}

/// Lays out the distinct rows one after the other and returns where each row is, in bytes.
LargeVector<std::int64_t> pack_rows(Placement& placement, const RaggedView& view) {
  const Distinct distinct = distinct_rows(view);

  LargeVector<std::int64_t> lengths(index_of(distinct.addresses.size()), 0);
  for_rows_with_bytes(view, [&](std::int64_t row, std::int64_t number) {
    std::int64_t& longest = lengths[index_of(distinct.ids[number])];
    longest = std::max(longest, view.length(row));
  });

  std::vector<Segment> segments;
  LargeVector<std::int64_t> offsets(lengths.size());
  std::int64_t end = 0;
  for (std::size_t id = 0; id < lengths.size(); ++id) {
    offsets[id] = end;
    const std::byte* const source = pointer_to(distinct.addresses[static_cast<std::int64_t>(id)]);
    const std::int64_t bytes = lengths[id] * view.item_bytes();
    end = checked_add(end, bytes, "the size of the arena");
    const bool continues =
        !segments.empty() && segments.back().source + segments.back().bytes == source;
    if (continues)
      segments.back().bytes += bytes;
    else
      segments.push_back({source, offsets[id], bytes});
  }
  placement.arena_bytes = end;
  placement.segments = std::move(segments);

  LargeVector<std::int64_t> places(index_of(view.rows()), 0);
  for_rows_with_bytes(view, [&](std::int64_t row, std::int64_t number) {
    places[index_of(row)] = offsets[index_of(distinct.ids[number])];
  });
  return places;
}

/// Names the rows as leaves and returns their addresses.
LargeVector<std::int64_t> leave_rows(Placement& placement, const RaggedView& view) {
  LargeVector<std::int64_t> places(index_of(view.rows()));
  placement.leaf_spans.resize(places.size(), 0);
  std::int64_t some_row = 0;
  for_rows_with_bytes(view, [&](std::int64_t row, std::int64_t) {
    some_row = address_of(view.start(row));
    placement.leaf_spans[index_of(row)] = view.length(row) * view.item_bytes();
  });
  // A row without bytes is where another is: its own address, a NULL say, would widen the table.
  for (std::size_t row = 0; row < places.size(); ++row)
    places[row] = placement.leaf_spans[row] == 0
                      ? some_row
                      : address_of(view.start(static_cast<std::int64_t>(row)));
  placement.leaves = Sequence::flat(places);
  return places;
}

/// Writes the entries of the rows' places and returns the place that they count from.
std::int64_t store_starts(Placement& placement, LargeVector<std::int64_t> places, bool narrow) {
  const SlotSet all = SlotSet::full(static_cast<std::int64_t>(places.size()));
  ByteEntries entries = byte_entries(Sequence::flat(std::move(places)), all, narrow);
  placement.unit = entries.unit;
  placement.entry_alignment = entries.alignment;
  placement.tables.push_back(std::move(entries.table));
  return entries.least;
}

void store_lengths(Placement& placement, const RaggedView& view, bool narrow) {
  const auto lengths = view.lengths();
  if (narrow && view.longest() <= narrow_limit) {
    LargeVector<std::uint32_t> entries(lengths.size());
    std::ranges::transform(lengths, entries.begin(),
                           [](std::int64_t length) { return static_cast<std::uint32_t>(length); });
    placement.tables.emplace_back(std::move(entries));
  } else {
    placement.tables.emplace_back(LargeVector<std::int64_t>(lengths.begin(), lengths.end()));
  }
}

Layout layout_of(const RaggedView& view, std::int64_t origin) {
  std::vector<Axis> axes{{view.rows(), 1, 0}, {view.longest(), view.item_bytes(), 1}};
  std::int64_t stride = view.item_bytes();
  for (const std::int64_t extent : view.item_shape()) {
    if (extent > 0) stride /= extent;
    axes.push_back({extent, stride, 1});
  }
  return Layout(std::move(axes), {0, origin});
}

}  // namespace

Distinct distinct_rows(const RaggedView& view) {
  AddressFacts facts;
  LargeVector<std::int64_t> starts = starts_with_bytes(view);
  facts.add(std::span<const std::int64_t>(starts));
  return assign_ids(std::move(starts), facts);
}

Placement place_rows(const RaggedView& view, PlacementKind kind, const Simplify& simplify) {
  if (view.format().has_objects())
    throw Failure(Errc::format_unsupported,
                  text("format '", view.format().text(),
                       "' holds references to Python objects, which cannot be copied as bytes"));
  Placement placement;
  placement.kind = choose(kind, view.space());
  placement.format = view.format();
  placement.space = view.space();
  LargeVector<std::int64_t> places = placement.kind == PlacementKind::in_place
                                         ? leave_rows(placement, view)
                                         : pack_rows(placement, view);
  const std::int64_t origin = store_starts(placement, std::move(places), simplify.narrow);
  store_lengths(placement, view, simplify.narrow);
  placement.layout = layout_of(view, origin);
  return placement;
}

}  // namespace multibuffer
