#pragma once

#include <multibuffer/explain.hpp>
#include <multibuffer/layout.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace multibuffer {

/// Returns `index` with negative numbers counted from the end. Throws `invalid_argument` for
/// another number of them than of axes, and `index_out_of_range`.
std::vector<std::int64_t> checked_index(const Layout& layout, std::span<const std::int64_t> index);

/// Throws `null_pointer` for the pointer that `index` leads to in the table of `level`.
[[noreturn]] void throw_null_at(const Layout& layout, std::span<const std::int64_t> index,
                                int level);

/// Walks to an element by a layout's rule. `follow(level, position)` returns the step from a slot,
/// or an entry, of a level to where it leads: it sets `entry`, `unit` and `position`.
/// `in_entries`: the positions of all levels but the last one count entries.
template <class Follow>
std::vector<Step> walk(const Layout& layout, std::span<const std::int64_t> index,
                       std::uint64_t start, bool in_entries, const Follow& follow) {
  std::vector<Step> steps;
  Step here{.position = start};
  const auto add = [&](StepKind kind, std::int64_t added) {
    here.kind = kind;
    here.added = added;
    here.position += static_cast<std::uint64_t>(added);
    steps.push_back(here);
  };
  for (int level = 0; level <= layout.levels(); ++level) {
    here = {.level = level,
            .position = here.position,
            .in_bytes = !in_entries || level == layout.levels()};
    if (level == 0) add(StepKind::start, 0);
    const std::int64_t origin = layout.origins()[static_cast<std::size_t>(level)];
    if (level > 0) add(StepKind::suboffset, origin);
    if (level == 0 && origin != 0) add(StepKind::origin, origin);
    for (int axis = 0; axis < layout.ndim(); ++axis) {
      const Axis& along = layout.axes()[static_cast<std::size_t>(axis)];
      if (along.level != level) continue;
      here.axis = axis;
      here.index = index[static_cast<std::size_t>(axis)];
      here.stride = along.stride;
      // As unsigned numbers: those of an array that was never validated wrap around.
      add(StepKind::stride, static_cast<std::int64_t>(static_cast<std::uint64_t>(here.index) *
                                                      static_cast<std::uint64_t>(along.stride)));
    }
    if (level == layout.levels()) break;
    Step next = follow(level, here.position);
    next.kind = StepKind::follow;
    next.level = level;
    next.in_bytes = !in_entries || level + 1 == layout.levels();
    steps.push_back(next);
    here = next;
  }
  return steps;
}

}  // namespace multibuffer
