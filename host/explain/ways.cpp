#include "host/explain/ways.hpp"

#include "host/explain/walk.hpp"
#include "host/support/address.hpp"

#include <algorithm>
#include <cstring>
#include <utility>
#include <variant>

namespace multibuffer {

std::uint64_t pointer_at(std::uint64_t slot) {
  std::uint64_t pointer = 0;
  std::memcpy(&pointer, pointer_to(slot), sizeof pointer);
  return pointer;
}

WayToElement way_of(std::vector<Step> steps, bool is_address) {
  const std::uint64_t position = steps.back().position;
  return {std::move(steps), position, is_address};
}

WayToElement way_by_pointers(const ArrayView& view, std::span<const std::int64_t> index) {
  const Layout& layout = view.layout();
  const auto base = reinterpret_cast<std::uintptr_t>(view.base());
  return way_of(walk(layout, index, base, false,
                     [&](int level, std::uint64_t slot) {
                       const std::uint64_t pointer = pointer_at(slot);
                       if (pointer == 0) throw_null_at(layout, index, level);
                       return Step{.position = pointer};
                     }),
                true);
}

Step follow_entry(const Placement& placement, int level, std::uint64_t position) {
  const std::int64_t entry =
      std::visit([&](const auto& entries) { return static_cast<std::int64_t>(entries[position]); },
                 placement.tables[static_cast<std::size_t>(level)]);
  const std::int64_t unit = level + 1 == placement.layout.levels() ? placement.unit : 1;
  return {.entry = entry,
          .unit = unit,
          .position = static_cast<std::uint64_t>(entry) * static_cast<std::uint64_t>(unit)};
}

WayToElement way_by_offsets(const Placement& placement, std::span<const std::int64_t> index) {
  const auto follow = [&](int level, std::uint64_t position) {
    return follow_entry(placement, level, position);
  };
  return way_of(walk(placement.layout, index, 0, true, follow),
                placement.kind == PlacementKind::in_place);
}

std::optional<std::int64_t> segment_at(const Placement& placement, std::uint64_t position) {
  if (placement.segments.empty()) return {};
  const auto begins_behind = [](std::int64_t at, const Segment& segment) {
    return at < segment.offset;
  };
  const auto behind = std::upper_bound(placement.segments.begin(), placement.segments.end(),
                                       static_cast<std::int64_t>(position), begins_behind);
  return behind - placement.segments.begin() - 1;
}

}  // namespace multibuffer
