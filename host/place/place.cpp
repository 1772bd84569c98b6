#include <multibuffer/stages/place.hpp>

#include "host/place/leaf_shape.hpp"
#include "host/place/offset_tables.hpp"
#include "host/resolve/sequence_ops.hpp"
#include "host/support/address.hpp"
#include "host/support/checked.hpp"
#include "host/support/index_of.hpp"
#include "host/support/parallel.hpp"
#include "host/support/text.hpp"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <optional>
#include <utility>

// Gives leaves their offsets, replaces leaf ids in entries by these offsets, and turns regular
// tables into strides:
//
//     leaf shape ──► where leaves lie (packed | preserved | in place) ──► flatten ──► narrow

namespace multibuffer {
namespace {

constexpr std::int64_t arena_alignment = 256;

/// Sets the hulls' offsets so that each keeps its address mod `arena_alignment`. Returns the bytes
/// of the arena.
std::int64_t lay_out_preserved(std::vector<Segment>& hulls) {
  std::int64_t end = 0;
  for (Segment& hull : hulls) {
    const std::int64_t phase = (address_of(hull.source) - end) & (arena_alignment - 1);
    hull.offset = checked_add(end, phase, "the size of the arena");
    end = checked_add(hull.offset, hull.bytes, "the size of the arena");
  }
  return end;
}

/// Counts the addresses that lie `distance` after the one before them.
std::int64_t count_adjacent(const Sequence& addresses, std::int64_t distance) {
  if (addresses.is_affine()) return addresses.step() == distance ? addresses.size() - 1 : 0;
  std::atomic<std::int64_t> all = 0;
  parallel_for(addresses.size(), sizeof distance, {}, [&](std::int64_t begin, std::int64_t end) {
    all += addresses.visit([&](const auto& address) {
      std::int64_t count = 0;
      for (std::int64_t i = std::max<std::int64_t>(begin, 1); i < end; ++i)
        count += address(i) - address(i - 1) == distance;
      return count;
    });
  });
  return all;
}

/// Makes one segment of `bytes` from each of `sources`, and joins those that continue each other.
std::vector<Segment> joined(const Sequence& sources, std::int64_t bytes) {
  if (sources.is_affine()) return {{pointer_to(sources[0]), 0, sources.size() * bytes}};
  std::vector<Segment> segments;
  for (std::int64_t i = 0; i < sources.size(); ++i) {
    if (i > 0 && sources[i] - sources[i - 1] == bytes) {
      segments.back().bytes += bytes;
    } else {
      segments.push_back({pointer_to(sources[i]), i * bytes, bytes});
    }
  }
  return segments;
}

/// Makes one segment for each leaf in `ids`, one after the other, and joins those that are
/// contiguous in the source.
void lay_out_packed(Placement& placement, const Resolution& resolution, const LeafShape& leaf,
                    const Sequence& ids) {
  Packing packing = packing_of(leaf);
  placement.packing = std::move(packing.axes);
  placement.run_bytes = packing.run_bytes;
  const std::int64_t bytes = leaf.distinct;
  placement.arena_bytes = checked_multiply(ids.size(), bytes, "the size of the arena");

  const Sequence leaves = composed(resolution.leaves, ids);
  const Sequence sources = moved(leaves, -leaf.below);
  // Segments of one size take no memory; a list of joined ones pays if it is much shorter.
  const bool join = placement.packing.empty() &&
                    count_adjacent(sources, bytes) >= std::max<std::int64_t>(1, sources.size() / 4);
  placement.segments = join ? Segments(joined(sources, bytes)) : Segments(sources, bytes);
}

std::int64_t entries_of(const OffsetTables& tables, std::size_t level) {
  return tables.reached(level).count();
}

/// Removes every level that is affine. The last level comes first, because removing it may make the
/// one before it affine.
void flatten_all(OffsetTables& tables, std::vector<std::string>& notes) {
  for (std::size_t level = tables.levels(); level-- > 0;) {
    const std::int64_t entries = entries_of(tables, level);
    if (tables.flatten(level))
      notes.push_back(text("the pointers of level ", level, " (", entries,
                           ") are affine: strides replace them"));
  }
}

/// Returns last-level entries in which each slot that is reached has a leaf of its own, and appends
/// these leaves to `ids`.
Sequence leaf_per_slot(const OffsetTables& tables, LargeVector<std::int64_t>& ids) {
  const std::size_t last = tables.levels() - 1;
  const Sequence& leaf_of = tables.table(last);
  LargeVector<std::int64_t> entries(index_of(leaf_of.size()), 0);
  tables.reached(last).for_each([&](std::int64_t position) {
    entries[index_of(position)] = static_cast<std::int64_t>(ids.size());
    ids.push_back(leaf_of[position]);
  });
  return sequence_of(std::move(entries));
}

/// Writes the entries into the placement, in 32 bits if they fit and `narrow` is set.
void store_tables(Placement& placement, OffsetTables& tables, bool narrow) {
  // The last level first: which entries of a level are reached is read from the one before it.
  placement.tables.resize(tables.levels());
  for (std::size_t level = tables.levels(); level-- > 0;) {
    const SlotSet reached = tables.reached(level);
    const Sequence& table = tables.table(level);
    if (level + 1 < tables.levels()) {
      // Entries are positions in the next table: they count from 0, one by one.
      const bool fits = narrow && common_factor(table, reached).most <= narrow_limit;
      placement.tables[level] = counted(table, reached, 0, 1, fits);
      continue;
    }
    ByteEntries entries = byte_entries(table, reached, narrow);
    placement.tables[level] = std::move(entries.table);
    placement.entry_alignment = entries.alignment;
    if (!narrow) continue;
    placement.unit = entries.unit;
    tables.move_origin(level + 1, entries.least);
    placement.notes.push_back(text("offsets take ", entries.narrow ? 32 : 64, " bits, in units of ",
                                   entries.unit, entries.unit == 1 ? " byte" : " bytes"));
  }
  placement.layout = tables.layout();
}

/// Returns the resolution's tables with the last level's leaf ids replaced by `offsets` in bytes.
OffsetTables with_offsets(const Resolution& resolution, const Layout& layout,
                          const Sequence& offsets) {
  OffsetTables tables(layout, resolution.tables);
  if (tables.levels() == 0) {
    tables.move_origin(0, offsets[0]);
  } else {
    const std::size_t last = tables.levels() - 1;
    tables.set_table(last, composed(offsets, tables.table(last)));
  }
  return tables;
}

/// Returns the layout with the strides that leaf axes have in a packed leaf.
Layout packed_layout(const Resolution& resolution, const LeafShape& leaf,
                     const PackedLeaf& packed) {
  std::vector<Axis> axes = leaf.layout_axes;
  for (std::size_t i = 0; i < leaf.axes.size(); ++i) axes[leaf.axes[i]].stride = packed.strides[i];
  const auto origins = resolution.layout.origins();
  return Layout(std::move(axes), {origins.begin(), origins.end()});
}

/// Copies a few aliased leaves more than once, if that makes the last level affine and takes fewer
/// bytes than its table.
std::optional<OffsetTables> try_duplicating(Placement& placement, const Resolution& resolution,
                                            const LeafShape& leaf, const PackedLeaf& packed) {
  if (resolution.tables.empty()) return std::nullopt;
  OffsetTables tables(packed_layout(resolution, leaf, packed), resolution.tables);
  const std::size_t last = tables.levels() - 1;
  const std::int64_t slots = entries_of(tables, last);
  const std::int64_t aliases = slots - resolution.leaves.size();
  if (aliases == 0 ||
      aliases > slots * static_cast<std::int64_t>(sizeof(std::uint32_t)) / leaf.distinct)
    return std::nullopt;
  LargeVector<std::int64_t> ids;
  const Sequence entries = leaf_per_slot(tables, ids);
  const auto leaves = static_cast<std::int64_t>(ids.size());
  tables.set_table(last, composed(Sequence::affine(packed.below, leaf.distinct, leaves), entries));
  if (!tables.flatten(last)) return std::nullopt;
  placement.notes.push_back(text(aliases,
                                 " aliased leaves are copied more than once, and strides "
                                 "replace a table of ",
                                 slots, " pointers"));
  lay_out_packed(placement, resolution, leaf, Sequence::flat(std::move(ids)));
  return tables;
}

OffsetTables place_packed(Placement& placement, const Resolution& resolution, const LeafShape& leaf,
                          const Simplify& simplify) {
  const std::int64_t leaves = resolution.leaves.size();
  const PackedLeaf packed = packed_leaf(leaf);
  OffsetTables tables = with_offsets(resolution, packed_layout(resolution, leaf, packed),
                                     Sequence::affine(packed.below, leaf.distinct, leaves));
  const std::size_t levels = tables.levels();
  if (simplify.flatten && simplify.duplicate && levels > 0 && !tables.is_affine(levels - 1))
    if (auto duplicated = try_duplicating(placement, resolution, leaf, packed))
      return std::move(*duplicated);
  lay_out_packed(placement, resolution, leaf, Sequence::affine(0, 1, leaves));
  return tables;
}

OffsetTables place_preserved(Placement& placement, const Resolution& resolution,
                             const LeafShape& leaf, std::vector<Segment> hulls,
                             std::int64_t arena_bytes) {
  placement.arena_bytes = arena_bytes;
  LargeVector<std::int64_t> offsets(index_of(resolution.leaves.size()));
  for (std::size_t i = 0; i < offsets.size(); ++i) {
    const std::byte* address = pointer_to(resolution.leaves[static_cast<std::int64_t>(i)]);
    const auto behind = std::ranges::upper_bound(hulls, address - leaf.below, {}, &Segment::source);
    const Segment& segment = *std::prev(behind);
    offsets[i] = segment.offset + (address - segment.source);
  }
  placement.segments = std::move(hulls);
  return with_offsets(resolution, resolution.layout, sequence_of(std::move(offsets)));
}

PlacementKind choose(PlacementKind asked, const Resolution& resolution) {
  if (resolution.space == MemorySpace::host) return asked;
  if (asked != PlacementKind::automatic && asked != PlacementKind::in_place)
    throw Failure(Errc::invalid_argument,
                  "leaves in device memory can only be placed in place; copy() makes them dense");
  return PlacementKind::in_place;
}

OffsetTables place_leaves(Placement& placement, const Resolution& resolution, const LeafShape& leaf,
                          const Simplify& simplify) {
  if (placement.kind == PlacementKind::in_place)
    return with_offsets(resolution, resolution.layout, resolution.leaves);
  if (placement.kind == PlacementKind::packed && !leaf.overlaps_itself)
    return place_packed(placement, resolution, leaf, simplify);

  // Dense, disjoint leaves take equal bytes either way, and packed ones need no padding.
  if (placement.kind == PlacementKind::automatic && leaf.is_dense() &&
      surely_disjoint(resolution.leaves, leaf.span)) {
    placement.kind = PlacementKind::packed;
    return place_packed(placement, resolution, leaf, simplify);
  }
  std::vector<Segment> hulls = leaf_hulls(placement);
  const std::int64_t preserved = lay_out_preserved(hulls);
  if (placement.kind == PlacementKind::automatic && !leaf.overlaps_itself) {
    std::int64_t packed = 0;
    if (!__builtin_mul_overflow(resolution.leaves.size(), leaf.distinct, &packed) &&
        packed <= preserved) {
      placement.kind = PlacementKind::packed;
      return place_packed(placement, resolution, leaf, simplify);
    }
  }
  if (placement.kind == PlacementKind::packed)
    placement.notes.push_back("the leaves overlap themselves: they stay as they lie");
  placement.kind = PlacementKind::preserved;
  return place_preserved(placement, resolution, leaf, std::move(hulls), preserved);
}

}  // namespace

std::vector<Segment> leaf_hulls(const Placement& placement) {
  LargeVector<std::int64_t> lows(index_of(placement.leaves.size()));
  for (std::size_t i = 0; i < lows.size(); ++i)
    lows[i] = placement.leaves[static_cast<std::int64_t>(i)] - placement.leaf_below;
  if (!std::ranges::is_sorted(lows)) std::ranges::sort(lows);
  std::vector<Segment> hulls;
  for (const std::int64_t address : lows) {
    const std::byte* low = pointer_to(address);
    if (!hulls.empty() && low <= hulls.back().source + hulls.back().bytes) {
      hulls.back().bytes =
          std::max(hulls.back().bytes, low + placement.leaf_span - hulls.back().source);
    } else {
      hulls.push_back({low, 0, placement.leaf_span});
    }
  }
  return hulls;
}

Placement place(const Resolution& resolution, PlacementKind kind, const Simplify& simplify) {
  if (resolution.format.has_objects())
    throw Failure(Errc::format_unsupported,
                  text("format '", resolution.format.text(),
                       "' holds references to Python objects, which cannot be copied as bytes"));
  Placement placement;
  placement.kind = choose(kind, resolution);
  placement.format = resolution.format;
  placement.space = resolution.space;
  if (resolution.leaves.empty()) {  // an array without elements
    if (placement.kind == PlacementKind::automatic) placement.kind = PlacementKind::packed;
    placement.layout = resolution.layout;
    return placement;
  }
  const LeafShape leaf = leaf_shape(resolution);
  placement.leaves = resolution.leaves;
  placement.leaf_below = leaf.below;
  placement.leaf_span = leaf.span;
  OffsetTables tables = place_leaves(placement, resolution, leaf, simplify);
  if (simplify.flatten) flatten_all(tables, placement.notes);
  store_tables(placement, tables, simplify.narrow);
  return placement;
}

}  // namespace multibuffer
