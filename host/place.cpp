#include <multibuffer/place.hpp>

#include "checked.hpp"
#include "slot_set.hpp"
#include "text.hpp"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <limits>
#include <numeric>
#include <optional>
#include <span>
#include <utility>

// Leaves get offsets, entries that name leaves become those offsets, and what is regular in the
// tables moves into strides:
//
//     leaf geometry ──► where leaves lie (packed | preserved | in place) ──► flatten ──► narrow

namespace multibuffer {
namespace {

constexpr std::int64_t arena_alignment = 256;

std::int64_t address_of(const std::byte* pointer) {
  return static_cast<std::int64_t>(reinterpret_cast<std::uintptr_t>(pointer));
}

std::size_t index_of(std::int64_t number) { return static_cast<std::size_t>(number); }

/// What all leaves have in common: which bytes around their index 0 they take.
struct LeafShape {
  std::int64_t itemsize = 0;
  std::vector<std::size_t> axes;  ///< that move, by falling magnitude of their stride
  std::vector<Axis> layout_axes;  ///< all of them
  std::int64_t below = 0;         ///< bytes from the lowest byte to index 0
  std::int64_t span = 0;          ///< bytes from the lowest to behind the highest
  std::int64_t distinct = 0;      ///< bytes, if no two elements overlap
  bool overlaps_itself = false;

  const Axis& axis(std::size_t i) const { return layout_axes[axes[i]]; }
};

std::int64_t magnitude(std::int64_t stride) { return stride < 0 ? -stride : stride; }

LeafShape leaf_shape(const Resolution& resolution) {
  LeafShape leaf;
  leaf.itemsize = resolution.format.itemsize();
  leaf.layout_axes.assign(resolution.layout.axes().begin(), resolution.layout.axes().end());
  for (std::size_t i = 0; i < leaf.layout_axes.size(); ++i) {
    const Axis& axis = leaf.layout_axes[i];
    if (axis.level == resolution.layout.levels() && axis.extent > 1 && axis.stride != 0)
      leaf.axes.push_back(i);
  }
  std::ranges::stable_sort(leaf.axes, std::greater{},
                           [&](std::size_t i) { return magnitude(leaf.layout_axes[i].stride); });
  leaf.span = leaf.distinct = leaf.itemsize;
  for (std::size_t i = leaf.axes.size(); i-- > 0;) {
    const Axis& axis = leaf.axis(i);
    const std::int64_t reach = magnitude(axis.stride) * (axis.extent - 1);
    if (magnitude(axis.stride) < leaf.span) leaf.overlaps_itself = true;
    if (axis.stride < 0) leaf.below += reach;
    leaf.span += reach;
    // The size of the array was checked; of a leaf that overlaps itself this is not used.
    if (!leaf.overlaps_itself) leaf.distinct *= axis.extent;
  }
  return leaf;
}

/// Ranges of source memory that leaves take, overlapping and touching ones merged, ascending.
std::vector<Segment> merged_hulls(const Resolution& resolution, const LeafShape& leaf) {
  std::vector<const std::byte*> lows;
  lows.reserve(resolution.leaves.size());
  for (const std::byte* address : resolution.leaves) lows.push_back(address - leaf.below);
  if (!std::ranges::is_sorted(lows)) std::ranges::sort(lows);
  std::vector<Segment> hulls;
  for (const std::byte* low : lows) {
    if (!hulls.empty() && low <= hulls.back().source + hulls.back().bytes) {
      hulls.back().bytes = std::max(hulls.back().bytes, low + leaf.span - hulls.back().source);
    } else {
      hulls.push_back({low, 0, leaf.span});
    }
  }
  return hulls;
}

/// Whether the leaves' hulls are disjoint, as far as their alignment or their order tells.
bool surely_disjoint(const Resolution& resolution, const LeafShape& leaf) {
  const std::vector<const std::byte*>& leaves = resolution.leaves;
  if (leaves.size() == 1) return true;
  std::uint64_t differences = 0;
  for (const std::byte* address : leaves)
    differences |= static_cast<std::uint64_t>(address_of(address) ^ address_of(leaves[0]));
  const std::uint64_t alignment = std::uint64_t{1} << std::countr_zero(differences);
  if (alignment >= static_cast<std::uint64_t>(leaf.span)) return true;
  const auto too_close = [&](const std::byte* a, const std::byte* b) { return b - a < leaf.span; };
  return std::ranges::adjacent_find(leaves, too_close) == leaves.end();
}

/// Gives the hulls their places: each keeps its address mod `arena_alignment`. Returns the size.
std::int64_t lay_out_preserved(std::vector<Segment>& hulls) {
  std::int64_t end = 0;
  for (Segment& hull : hulls) {
    const std::int64_t phase = (address_of(hull.source) - end) & (arena_alignment - 1);
    hull.offset = checked_add(end, phase, "the size of the arena");
    end = checked_add(hull.offset, hull.bytes, "the size of the arena");
  }
  return end;
}

/// The strides of a packed leaf, in the order of `leaf.axes`, and where its index 0 lies.
struct PackedLeaf {
  std::vector<std::int64_t> strides;
  std::int64_t below = 0;
};
PackedLeaf packed_leaf(const LeafShape& leaf) {
  PackedLeaf packed;
  packed.strides.resize(leaf.axes.size());
  std::int64_t stride = leaf.itemsize;
  for (std::size_t i = leaf.axes.size(); i-- > 0;) {
    const Axis& axis = leaf.axis(i);
    packed.strides[i] = axis.stride < 0 ? -stride : stride;
    if (axis.stride < 0) packed.below += stride * (axis.extent - 1);
    stride *= axis.extent;
  }
  return packed;
}

/// How a leaf is read when it is packed: contiguous inner axes become the run.
void set_packing(Placement& placement, const LeafShape& leaf) {
  std::int64_t run = leaf.itemsize;
  std::size_t count = leaf.axes.size();
  for (; count > 0 && magnitude(leaf.axis(count - 1).stride) == run; --count)
    run *= leaf.axis(count - 1).extent;
  placement.run_bytes = run;
  for (std::size_t i = 0; i < count; ++i)
    placement.packing.push_back({leaf.axis(i).extent, magnitude(leaf.axis(i).stride)});
}

/// One segment per leaf named by `ids`, one after the other; source-contiguous ones are joined.
void lay_out_packed(Placement& placement, const Resolution& resolution, const LeafShape& leaf,
                    std::span<const std::int64_t> ids) {
  placement.segments.clear();
  placement.segments.reserve(ids.size());
  std::int64_t end = 0;
  for (const std::int64_t id : ids) {
    const std::byte* low = resolution.leaves[index_of(id)] - leaf.below;
    std::vector<Segment>& segments = placement.segments;
    if (placement.packing.empty() && !segments.empty() &&
        segments.back().source + segments.back().bytes == low) {
      segments.back().bytes += leaf.distinct;
    } else {
      segments.push_back({low, end, leaf.distinct});
    }
    end = checked_add(end, leaf.distinct, "the size of the arena");
  }
  placement.arena_bytes = end;
}

/// The levels of a placement in the making. Entries of the last level are bytes.
class Tables {
 public:
  Tables(const Layout& layout, std::vector<std::vector<std::int64_t>> tables)
      : axes_(layout.axes().begin(), layout.axes().end()),
        origins_(layout.origins().begin(), layout.origins().end()),
        tables_(std::move(tables)) {}

  std::size_t levels() const { return tables_.size(); }
  std::vector<std::int64_t>& table(std::size_t level) { return tables_[level]; }
  const std::vector<std::int64_t>& table(std::size_t level) const { return tables_[level]; }
  std::int64_t& origin(std::size_t level) { return origins_[level]; }
  Layout layout() const { return Layout(axes_, origins_); }

  /// The positions of level `level` that indices reach.
  SlotSet reached(std::size_t level) const { return reached(level, starts(level), nullptr); }

  /// Whether the entries of `level` are affine in each of its indices.
  bool is_affine(std::size_t level) const { return affine_strides(level).has_value(); }

  /// If the entries of `level` are affine in each of its indices, gives it up: its axes take
  /// strides in the next level, and its constants go into the entries that led to it. Returns
  /// whether.
  bool flatten(std::size_t level) {
    const std::optional<std::vector<std::int64_t>> strides = affine_strides(level);
    if (!strides) return false;
    const std::vector<std::int64_t>& entries = tables_[level];
    if (level == 0) {
      origins_[1] += entries[index_of(origins_[0])];
      origins_[0] = 0;
    } else {
      SlotSet leading = reached(level - 1);
      std::vector<std::int64_t>& previous = tables_[level - 1];
      leading.for_each([&](std::int64_t position) {
        std::int64_t& entry = previous[index_of(position)];
        entry = entries[index_of(entry)];
      });
    }
    for (std::size_t i = 0; i < axes_.size(); ++i) {
      if (axes_[i].level == static_cast<int>(level)) {
        axes_[i].stride = (*strides)[i];
      } else if (axes_[i].level > static_cast<int>(level)) {
        --axes_[i].level;
      }
    }
    origins_.erase(origins_.begin() + static_cast<std::ptrdiff_t>(level));
    tables_.erase(tables_.begin() + static_cast<std::ptrdiff_t>(level));
    return true;
  }

 private:
  /// Where the tables of `level` have their index 0, among its positions.
  SlotSet starts(std::size_t level) const {
    SlotSet starts(static_cast<std::int64_t>(tables_[level].size()));
    if (level == 0) {
      starts.insert(origins_[0]);
    } else {
      const std::vector<std::int64_t>& previous = tables_[level - 1];
      reached(level - 1).for_each(
          [&](std::int64_t position) { starts.insert(previous[index_of(position)]); });
    }
    return starts;
  }

  bool moves(const Axis& axis, std::size_t level) const {
    return axis.level == static_cast<int>(level) && axis.extent > 1 && axis.stride != 0;
  }

  /// What indices reach from `set`; along `shortened` only up to the last index but one.
  SlotSet reached(std::size_t level, SlotSet set, const Axis* shortened) const {
    // An axis that runs downwards reaches what one that runs upwards does from its far end.
    std::int64_t down = 0;
    for (const Axis& axis : axes_)
      if (moves(axis, level) && axis.stride < 0)
        down += -axis.stride * (axis.extent - (&axis == shortened ? 2 : 1));
    if (down != 0) set = shifted_down(set, level, down);
    for (const Axis& axis : axes_)
      if (moves(axis, level))
        set.spread(axis.extent - (&axis == shortened ? 1 : 0), magnitude(axis.stride));
    return set;
  }

  SlotSet shifted_down(const SlotSet& set, std::size_t level, std::int64_t distance) const {
    SlotSet result(static_cast<std::int64_t>(tables_[level].size()));
    set.for_each([&](std::int64_t position) { result.insert(position - distance); });
    return result;
  }

  /// For every axis of the array the step that one index makes in the entries, if it is the same
  /// wherever it is made; 0 for axes of other levels and for those that do not move.
  std::optional<std::vector<std::int64_t>> affine_strides(std::size_t level) const {
    const std::vector<std::int64_t>& entries = tables_[level];
    const SlotSet first = starts(level);
    std::vector<std::int64_t> strides(axes_.size(), 0);
    for (std::size_t i = 0; i < axes_.size(); ++i) {
      const Axis& axis = axes_[i];
      if (!moves(axis, level)) continue;
      std::optional<std::int64_t> step;
      bool affine = true;
      reached(level, first, &axis).for_each([&](std::int64_t position) {
        const std::int64_t here =
            entries[index_of(position + axis.stride)] - entries[index_of(position)];
        if (!step) step = here;
        affine = affine && here == *step;
      });
      if (!affine) return std::nullopt;
      strides[i] = step.value_or(0);
    }
    return strides;
  }

  std::vector<Axis> axes_;
  std::vector<std::int64_t> origins_;
  std::vector<std::vector<std::int64_t>> tables_;
};

std::int64_t entries_of(const Tables& tables, std::size_t level) {
  return tables.reached(level).count();
}

/// Gives up every level that is affine, the last first, since that may make the one before it so.
void flatten_all(Tables& tables, std::vector<std::string>& notes) {
  for (std::size_t level = tables.levels(); level-- > 0;) {
    const std::int64_t entries = entries_of(tables, level);
    if (tables.flatten(level))
      notes.push_back(text("the pointers of level ", level, " (", entries,
                           ") lead to places evenly spaced: strides replace them"));
  }
}

/// Last-level entries in which each slot that is reached has a leaf of its own.
std::vector<std::int64_t> leaf_per_slot(const Tables& tables, std::vector<std::int64_t>& ids) {
  const std::size_t last = tables.levels() - 1;
  const std::vector<std::int64_t>& leaf_of = tables.table(last);
  std::vector<std::int64_t> entries(leaf_of.size(), 0);
  tables.reached(last).for_each([&](std::int64_t position) {
    entries[index_of(position)] = static_cast<std::int64_t>(ids.size());
    ids.push_back(leaf_of[index_of(position)]);
  });
  return entries;
}

/// The smallest entry that is reached, and the largest number that divides the distance of all
/// others from it.
struct Common {
  std::int64_t least = 0;
  std::int64_t most = 0;
  std::int64_t factor = 0;
};
Common common(const std::vector<std::int64_t>& entries, const SlotSet& reached) {
  Common common{std::numeric_limits<std::int64_t>::max(), std::numeric_limits<std::int64_t>::min(),
                0};
  std::int64_t first = 0;
  bool any = false;
  reached.for_each([&](std::int64_t position) {
    const std::int64_t entry = entries[index_of(position)];
    if (!std::exchange(any, true)) first = entry;
    common.least = std::min(common.least, entry);
    common.most = std::max(common.most, entry);
    // Mostly the factor already divides the distance, and one division settles it.
    if (common.factor == 0 || (entry - first) % common.factor != 0)
      common.factor = std::gcd(common.factor, entry - first);
  });
  if (common.factor == 0) common.factor = 1;
  return common;
}

constexpr std::int64_t narrow_limit = std::numeric_limits<std::uint32_t>::max();

/// The entries that are reached, counted from `least` in units.
template <class Entry>
std::vector<Entry> counted(const std::vector<std::int64_t>& entries, const SlotSet& reached,
                           std::int64_t least, std::int64_t unit) {
  std::vector<Entry> result(entries.size(), 0);
  reached.for_each([&](std::int64_t position) {
    result[index_of(position)] = static_cast<Entry>((entries[index_of(position)] - least) / unit);
  });
  return result;
}

/// Writes the entries into the placement, in 32 bits where they fit and that is asked for.
void store_tables(Placement& placement, Tables& tables, bool narrow) {
  // The last level first: which entries of a level are reached is read from the one before it.
  placement.tables.resize(tables.levels());
  for (std::size_t level = tables.levels(); level-- > 0;) {
    const bool last = level + 1 == tables.levels();
    std::vector<std::int64_t>& entries = tables.table(level);
    const SlotSet reached = tables.reached(level);
    const Common found = common(entries, reached);
    // Entries of the other levels are positions, and count in nothing but 1 from 0.
    const std::int64_t least = last && narrow ? found.least : 0;
    const std::int64_t unit = last && narrow ? found.factor : 1;
    const bool fits = narrow && (found.most - least) / unit <= narrow_limit;
    if (fits) {
      placement.tables[level] = counted<std::uint32_t>(entries, reached, least, unit);
    } else {
      placement.tables[level] = counted<std::int64_t>(entries, reached, least, unit);
    }
    if (!last || !narrow) continue;
    placement.unit = unit;
    tables.origin(level + 1) += least;
    placement.notes.push_back(text("offsets take ", fits ? 32 : 64, " bits, in units of ", unit,
                                   unit == 1 ? " byte" : " bytes"));
  }
  placement.layout = tables.layout();
}

/// The tables of the resolution with the last level's leaf ids turned into bytes.
Tables with_offsets(const Resolution& resolution, const Layout& layout,
                    std::span<const std::int64_t> offsets) {
  Tables tables(layout, resolution.tables);
  if (tables.levels() == 0) {
    tables.origin(0) += offsets[0];
    return tables;
  }
  const std::size_t last = tables.levels() - 1;
  std::vector<std::int64_t>& entries = tables.table(last);
  tables.reached(last).for_each([&](std::int64_t position) {
    entries[index_of(position)] = offsets[index_of(entries[index_of(position)])];
  });
  return tables;
}

/// The layout with the leaf axes' strides as they are in a packed leaf.
Layout packed_layout(const Resolution& resolution, const LeafShape& leaf,
                     const PackedLeaf& packed) {
  std::vector<Axis> axes = leaf.layout_axes;
  for (std::size_t i = 0; i < leaf.axes.size(); ++i) axes[leaf.axes[i]].stride = packed.strides[i];
  const auto origins = resolution.layout.origins();
  return Layout(std::move(axes), {origins.begin(), origins.end()});
}

/// Copies of a few aliased leaves, if that makes the last level affine for fewer bytes than its
/// table takes.
std::optional<Tables> try_duplicating(Placement& placement, const Resolution& resolution,
                                      const LeafShape& leaf, const PackedLeaf& packed) {
  if (resolution.tables.empty()) return std::nullopt;
  Tables tables(packed_layout(resolution, leaf, packed), resolution.tables);
  const std::size_t last = tables.levels() - 1;
  const std::int64_t slots = entries_of(tables, last);
  const std::int64_t aliases = slots - static_cast<std::int64_t>(resolution.leaves.size());
  if (aliases == 0 ||
      aliases > slots * static_cast<std::int64_t>(sizeof(std::uint32_t)) / leaf.distinct)
    return std::nullopt;
  std::vector<std::int64_t> ids;
  std::vector<std::int64_t> entries = leaf_per_slot(tables, ids);
  for (std::int64_t& entry : entries) entry = entry * leaf.distinct + packed.below;
  tables.table(last) = std::move(entries);
  if (!tables.flatten(last)) return std::nullopt;
  placement.notes.push_back(text(aliases,
                                 " aliased leaves are copied more than once, and strides "
                                 "replace a table of ",
                                 slots, " pointers"));
  lay_out_packed(placement, resolution, leaf, ids);
  return tables;
}

Tables place_packed(Placement& placement, const Resolution& resolution, const LeafShape& leaf,
                    const Simplify& simplify) {
  set_packing(placement, leaf);
  const PackedLeaf packed = packed_leaf(leaf);
  std::vector<std::int64_t> ids(resolution.leaves.size());
  std::iota(ids.begin(), ids.end(), std::int64_t{0});
  std::vector<std::int64_t> offsets(ids.size());
  for (std::size_t i = 0; i < offsets.size(); ++i)
    offsets[i] = static_cast<std::int64_t>(i) * leaf.distinct + packed.below;
  Tables tables = with_offsets(resolution, packed_layout(resolution, leaf, packed), offsets);

  const std::size_t levels = tables.levels();
  if (simplify.flatten && simplify.duplicate && levels > 0 && !tables.is_affine(levels - 1))
    if (auto duplicated = try_duplicating(placement, resolution, leaf, packed))
      return std::move(*duplicated);
  lay_out_packed(placement, resolution, leaf, ids);
  return tables;
}

Tables place_preserved(Placement& placement, const Resolution& resolution, const LeafShape& leaf,
                       std::vector<Segment> hulls, std::int64_t arena_bytes) {
  placement.segments = std::move(hulls);
  placement.arena_bytes = arena_bytes;
  std::vector<std::int64_t> offsets;
  offsets.reserve(resolution.leaves.size());
  for (const std::byte* address : resolution.leaves) {
    const std::byte* low = address - leaf.below;
    const auto behind = std::ranges::upper_bound(placement.segments, low, {}, &Segment::source);
    const Segment& segment = *std::prev(behind);
    offsets.push_back(segment.offset + (address - segment.source));
  }
  return with_offsets(resolution, resolution.layout, offsets);
}

Tables place_in_place(Placement& placement, const Resolution& resolution, const LeafShape& leaf) {
  placement.segments = merged_hulls(resolution, leaf);
  std::vector<std::int64_t> offsets;
  offsets.reserve(resolution.leaves.size());
  for (const std::byte* address : resolution.leaves) offsets.push_back(address_of(address));
  return with_offsets(resolution, resolution.layout, offsets);
}

PlacementKind choose(PlacementKind asked, const Resolution& resolution) {
  if (resolution.space == MemorySpace::host) return asked;
  if (asked != PlacementKind::automatic && asked != PlacementKind::in_place)
    throw Error(Errc::invalid_argument,
                "leaves in device memory can only be placed in place; copy() makes them dense");
  return PlacementKind::in_place;
}

Tables place_leaves(Placement& placement, const Resolution& resolution, const LeafShape& leaf,
                    const Simplify& simplify) {
  if (placement.kind == PlacementKind::in_place) return place_in_place(placement, resolution, leaf);
  if (placement.kind == PlacementKind::packed && !leaf.overlaps_itself)
    return place_packed(placement, resolution, leaf, simplify);

  // Dense leaves that are disjoint take the same bytes either way, and packed ones no padding.
  const bool dense = !leaf.overlaps_itself && leaf.distinct == leaf.span;
  if (placement.kind == PlacementKind::automatic && dense && surely_disjoint(resolution, leaf)) {
    placement.kind = PlacementKind::packed;
    return place_packed(placement, resolution, leaf, simplify);
  }
  std::vector<Segment> hulls = merged_hulls(resolution, leaf);
  const std::int64_t preserved = lay_out_preserved(hulls);
  if (placement.kind == PlacementKind::automatic && !leaf.overlaps_itself) {
    const auto leaves = static_cast<std::int64_t>(resolution.leaves.size());
    std::int64_t packed = 0;
    if (!__builtin_mul_overflow(leaves, leaf.distinct, &packed) && packed <= preserved) {
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

Placement place(const Resolution& resolution, PlacementKind kind, const Simplify& simplify) {
  if (resolution.format.has_objects())
    throw Error(Errc::format_unsupported,
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
  Tables tables = place_leaves(placement, resolution, leaf, simplify);
  if (simplify.flatten) flatten_all(tables, placement.notes);
  store_tables(placement, tables, simplify.narrow);
  return placement;
}

}  // namespace multibuffer
