#include "row_walk.hpp"

#include <algorithm>
#include <array>

namespace multibuffer {
namespace {

/// Rows whose positions are worked out together: level by level, so that each step is a short loop
/// over numbers that stay in the first cache.
constexpr std::size_t chunk = 64;

/// Index arrays may be written to while they are read: what is then read is one value, however
/// often it is looked at.
template <class Value>
std::int64_t read_once(const Value* value) {
  return __atomic_load_n(value, __ATOMIC_RELAXED);
}

/// The index that a checked `value` means. Memory that changed after the check leads to a wrong
/// element, not to one outside of the array.
template <IndexMode Mode>
std::int64_t checked_index(std::int64_t value, std::int64_t extent) {
  if constexpr (Mode != IndexMode::raise) return resolve_index(value, extent, Mode);
  const std::int64_t index = value < 0 ? value + extent : value;
  return static_cast<std::uint64_t>(index) < static_cast<std::uint64_t>(extent) ? index : 0;
}

template <class Value, IndexMode Mode>
void add_indices(const PlanIndices& indices, std::int64_t place, std::int64_t step,
                 std::span<std::int64_t> positions) {
  const Value* value = static_cast<const Value*>(indices.data) + place;
  for (std::int64_t& position : positions) {
    position += checked_index<Mode>(read_once(value), indices.extent) * indices.stride;
    value += step;
  }
}

template <class Value>
void add_indices(const PlanIndices& indices, std::int64_t place, std::int64_t step, IndexMode mode,
                 std::span<std::int64_t> positions) {
  switch (mode) {
    case IndexMode::raise:
      return add_indices<Value, IndexMode::raise>(indices, place, step, positions);
    case IndexMode::clip:
      return add_indices<Value, IndexMode::clip>(indices, place, step, positions);
    case IndexMode::wrap:
      return add_indices<Value, IndexMode::wrap>(indices, place, step, positions);
  }
}

template <class Entry>
void follow(const void* entries, std::int64_t scale, std::int64_t origin,
            std::span<std::int64_t> positions) {
  const auto* table = static_cast<const Entry*>(entries);
  for (std::int64_t& position : positions)
    position = static_cast<std::int64_t>(table[position]) * scale + origin;
}

}  // namespace

RowWalk::RowWalk(const GatherPlan& plan, std::int64_t first_row)
    : plan_(plan), index_(plan.axes.size()), origins_(plan.origins), places_(plan.indices.size()) {
  for (std::size_t i = plan.axes.size(); i-- > 0;) {
    index_[i] = first_row % plan.axes[i].extent;
    first_row /= plan.axes[i].extent;
    move(i, index_[i]);
  }
}

std::int64_t RowWalk::left_in_line() const {
  return plan_.axes.empty() ? 1 : plan_.axes.back().extent - index_.back();
}

std::int64_t RowWalk::left_in_plane() const {
  const std::size_t axes = plan_.axes.size();
  return axes < 2 ? 1 : plan_.axes[axes - 2].extent - index_[axes - 2];
}

void RowWalk::next(std::span<RowCopy> copies) {
  while (!copies.empty()) {
    const auto left = static_cast<std::size_t>(left_in_line());
    const std::size_t count = std::min({copies.size(), left, chunk});
    fill_in_line(copies.first(count));
    advance(static_cast<std::int64_t>(count));
    copies = copies.subspan(count);
  }
}

RowCopy RowWalk::here() const {
  RowCopy result;
  fill_in_line({&result, 1});
  return result;
}

void RowWalk::advance(std::int64_t rows) {
  if (!plan_.axes.empty()) advance(plan_.axes.size() - 1, rows);
}

void RowWalk::advance_lines(std::int64_t lines) {
  if (plan_.axes.size() > 1) advance(plan_.axes.size() - 2, lines);
}

void RowWalk::advance(std::size_t axis, std::int64_t steps) {
  move(axis, steps);
  index_[axis] += steps;
  while (index_[axis] == plan_.axes[axis].extent && axis > 0) {
    move(axis, -index_[axis]);
    index_[axis] = 0;
    move(--axis, 1);
    ++index_[axis];
  }
}

void RowWalk::move(std::size_t axis, std::int64_t steps) {
  const PlanAxis& moved = plan_.axes[axis];
  origins_[static_cast<std::size_t>(moved.level)] += steps * moved.stride;
  out_ += steps * moved.out_stride;
  for (std::size_t j = 0; j < places_.size(); ++j)
    places_[j] += steps * plan_.indices[j].steps[axis];
}

void RowWalk::fill_in_line(std::span<RowCopy> copies) const {
  std::array<std::int64_t, chunk> storage;
  const std::span<std::int64_t> positions(storage.data(), copies.size());
  std::ranges::fill(positions, origins_[0]);
  add_level(0, positions);
  const std::size_t levels = plan_.tables.size();
  for (std::size_t k = 0; k < levels; ++k) {
    const std::int64_t scale = k + 1 == levels ? plan_.unit : 1;
    if (plan_.tables[k].wide) {
      follow<std::int64_t>(plan_.tables[k].data, scale, origins_[k + 1], positions);
    } else {
      follow<std::uint32_t>(plan_.tables[k].data, scale, origins_[k + 1], positions);
    }
    add_level(static_cast<int>(k) + 1, positions);
  }

  // Arrays in place have no base: their offsets are addresses.
  const auto base = reinterpret_cast<std::uintptr_t>(plan_.base);
  const std::int64_t out_stride = plan_.axes.empty() ? 0 : plan_.axes.back().out_stride;
  std::byte* to = plan_.out + out_;
  for (std::size_t i = 0; i < copies.size(); ++i) {
    copies[i].from =
        reinterpret_cast<const std::byte*>(base + static_cast<std::uintptr_t>(positions[i]));
    copies[i].to = to + static_cast<std::int64_t>(i) * out_stride;
  }
}

void RowWalk::add_level(int level, std::span<std::int64_t> positions) const {
  if (!plan_.axes.empty() && plan_.axes.back().level == level && plan_.axes.back().stride != 0) {
    const std::int64_t stride = plan_.axes.back().stride;
    for (std::size_t i = 0; i < positions.size(); ++i)
      positions[i] += static_cast<std::int64_t>(i) * stride;
  }
  for (std::size_t j = 0; j < plan_.indices.size(); ++j) {
    const PlanIndices& indices = plan_.indices[j];
    if (indices.level != level) continue;
    const std::int64_t step = plan_.axes.empty() ? 0 : indices.steps.back();
    if (indices.bytes_each == 4) {
      add_indices<std::int32_t>(indices, places_[j], step, plan_.mode, positions);
    } else {
      add_indices<std::int64_t>(indices, places_[j], step, plan_.mode, positions);
    }
  }
}

}  // namespace multibuffer
