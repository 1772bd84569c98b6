#include <multibuffer/stages/resolve.hpp>

#include "host/resolve/check_memory.hpp"
#include "host/resolve/index_path.hpp"
#include "host/resolve/read_pointers.hpp"
#include "host/resolve/sequence_ops.hpp"
#include "host/resolve/slots.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

// Resolves level by level. The starts of a level's tables (one in the first level, then one for
// each distinct pointer) become ranges of entries; the slots that indices reach are read once; and
// the distinct pointers found there are the starts of the next level.
//
//     starts ──► Slots (where each table's entries go) ──► pointers ──► Distinct ──► next starts

namespace multibuffer {
namespace {

/// Resolves an array without elements, of which nothing may be dereferenced.
Resolution resolve_empty(const ArrayView& view) {
  std::vector<Axis> axes;
  for (const Axis& axis : view.layout().axes()) axes.push_back({axis.extent, 0, 0});
  Resolution resolution;
  resolution.format = view.format();
  resolution.space = view.space();
  resolution.layout = Layout(std::move(axes), {0});
  return resolution;
}

/// Returns the entries of a level. `targets` says where its slots' pointers lead, in the order of
/// the runs.
Sequence entries_of(const Slots& slots, const Sequence& targets) {
  const LargeVector<SlotRun>& runs = slots.runs();
  // Where runs have no gaps and are in order, the entries are the targets.
  std::int64_t next = 0;
  for (const SlotRun& run : runs) {
    if (run.position != next) break;
    next += run.count;
  }
  if (next == slots.length()) return targets;

  LargeVector<std::int64_t> entries(static_cast<std::size_t>(slots.length()), 0);
  for (const SlotRun& run : runs)
    for (std::int64_t i = 0; i < run.count; ++i)
      entries[static_cast<std::size_t>(run.position + i)] = targets[run.index + i];
  return Sequence::flat(std::move(entries));
}

/// Returns the address of index 0 of the first level. It wraps around where an export leads out of
/// the address space, which is for a checked call to refuse.
std::int64_t first_start(const ArrayView& view) {
  return static_cast<std::int64_t>(reinterpret_cast<std::uintptr_t>(view.base()) +
                                   static_cast<std::uintptr_t>(view.layout().origins()[0]));
}

}  // namespace

Resolution resolve(const ArrayView& view, const ResolveOptions& options) {
  const Layout& layout = view.layout();
  if (layout.empty()) return resolve_empty(view);

  Resolution resolution;
  resolution.format = view.format();
  resolution.space = view.space();
  const auto level_count = static_cast<std::size_t>(layout.levels());
  std::vector<Axis> axes(layout.axes().begin(), layout.axes().end());
  std::vector<std::int64_t> origins(level_count + 1, 0);

  std::vector<ResolvedLevel> levels;
  std::optional<MemoryCheck> memory;
  if (options.checked) memory.emplace(view);
  Sequence starts = Sequence::affine(first_start(view), 0, 1);
  for (std::size_t k = 0; k < level_count; ++k) {
    if (memory) memory->check(levels, starts, options.watch);
    levels.push_back({Slots(std::move(starts), moving_axes(layout, static_cast<int>(k))), {}});
    const Slots& slots = levels.back().slots;
    const bool leaves = k + 1 == level_count;
    PointersRead pointers = read_pointers(slots, layout.origins()[k + 1],
                                          leaves ? options.aliases : Aliases::found, options.watch);
    if (pointers.null_slot) throw_null(view, levels, pointers.null_slot);
    resolution.pointers_read += slots.slot_count();
    levels.back().ids = std::move(pointers.targets.ids);
    starts = std::move(pointers.targets.addresses);

    for (Axis& axis : axes)
      if (axis.level == static_cast<int>(k)) axis.stride = 0;
    for (std::size_t j = 0; j < slots.axes().size(); ++j)
      axes[slots.axes()[j].axis].stride = slots.stride(j);
    if (k == 0) origins[0] = slots.start_positions()[0];
  }

  if (memory) memory->check(levels, starts, options.watch);

  // The stride of an axis of one element means nothing.
  for (Axis& axis : axes)
    if (axis.extent == 1) axis.stride = 0;

  // An entry is the position of the next level's start, which is known by now; in the last level, a
  // leaf's id.
  for (std::size_t k = 0; k < level_count; ++k) {
    const Sequence& ids = levels[k].ids;
    resolution.tables.push_back(entries_of(
        levels[k].slots,
        k + 1 < level_count ? composed(levels[k + 1].slots.start_positions(), ids) : ids));
  }
  resolution.leaves = std::move(starts);
  resolution.layout = Layout(std::move(axes), std::move(origins));
  return resolution;
}

}  // namespace multibuffer
