#include "host/cpu/row_walk.hpp"

#include "host/bytes/simd.hpp"

#include <algorithm>
#include <array>

// A loop, chosen when the walk begins, works out where the rows of a line are read. Most plans have
// at most one table, and at most one term on either side of it: their rows' addresses come one by
// one, from a loop that has all it needs in registers. For others, that is done level by level.
//
// Items are asked for as soon as their addresses are known, so that the memory is busy while the
// next one's is worked out. Elements of 4 bytes at random places of 256 MiB, by two index arrays
// and a table of rows, took 24 ns each where a batch's addresses were worked out level by level and
// then asked for, and take 13 so (one thread; a plain loop over a dense array: 12).

namespace multibuffer {
namespace {

/// Rows whose positions are worked out together where that is done level by level: each step is a
/// short loop over numbers that stay in the first cache.
constexpr std::size_t chunk = 64;

template <class Value>
void add_term(const RowTerm<Value>& term, std::span<std::int64_t> positions) {
  for (std::size_t i = 0; i < positions.size(); ++i)
    positions[i] += term(static_cast<std::int64_t>(i));
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
  choose_terms();
  fill_ = &RowWalk::fill_by_levels;
  if (has_addresses_)
    with_types([&]<class Before, class Entry, class After>() {
      fill_ = &RowWalk::fill_row_by_row<Before, Entry, After>;
    });
  for (std::size_t i = plan.axes.size(); i-- > 0;) {
    index_[i] = first_row % plan.axes[i].extent;
    first_row /= plan.axes[i].extent;
    move(i, index_[i]);
  }
}

void RowWalk::choose_terms() {
  if (plan_.tables.size() > 1) return;
  // Without a table there is but one sum, and any two terms of it take a side each.
  const auto side_for = [&](int level) -> LineTerm& {
    const bool is_before = plan_.tables.empty() ? before_.is_none() : level == 0;
    return is_before ? before_ : after_;
  };
  for (const PlanIndices& indices : plan_.indices) {
    LineTerm& side = side_for(indices.level);
    if (!side.is_none()) return;
    side.indices = &indices;
  }
  if (const PlanAxis axis = line(); axis.stride != 0) {
    LineTerm& side = side_for(axis.level);
    if (!side.is_none()) return;
    side.stride = axis.stride;
  }
  has_addresses_ = true;
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
    (this->*fill_)(copies.first(count));
    advance(static_cast<std::int64_t>(count));
    copies = copies.subspan(count);
  }
}

RowCopy RowWalk::here() const {
  RowCopy result;
  (this->*fill_)({&result, 1});
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

PlanAxis RowWalk::line() const { return plan_.axes.empty() ? PlanAxis{} : plan_.axes.back(); }

template <class Before, class Entry, class After>
void RowWalk::fill_row_by_row(std::span<RowCopy> copies) const {
  const auto address = addresses<Before, Entry, After>();
  const std::int64_t out_stride = line().out_stride;
  const bool asks = plan_.run_bytes <= most_item_bytes;
  std::byte* const to = plan_.out + out_;
  for (std::size_t i = 0; i < copies.size(); ++i) {
    const auto row = static_cast<std::int64_t>(i);
    const std::byte* const from = address(row);
    if (asks) prefetch_first_line(from);
    copies[i] = {from, to + row * out_stride};
  }
}

void RowWalk::fill_by_levels(std::span<RowCopy> copies) const {
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

  const auto base = reinterpret_cast<std::uintptr_t>(plan_.base);
  const std::int64_t out_stride = line().out_stride;
  const bool asks = plan_.run_bytes <= most_item_bytes;
  std::byte* to = plan_.out + out_;
  for (std::size_t i = 0; i < copies.size(); ++i) {
    copies[i].from =
        reinterpret_cast<const std::byte*>(base + static_cast<std::uintptr_t>(positions[i]));
    copies[i].to = to + static_cast<std::int64_t>(i) * out_stride;
    if (asks) prefetch_first_line(copies[i].from);
  }
}

void RowWalk::add_level(int level, std::span<std::int64_t> positions) const {
  if (const PlanAxis axis = line(); axis.level == level && axis.stride != 0)
    add_term(RowTerm<void>{axis.stride}, positions);
  for (const PlanIndices& indices : plan_.indices) {
    if (indices.level != level) continue;
    if (indices.bytes_each == 4) {
      add_term(term_of<std::int32_t>({&indices}), positions);
    } else {
      add_term(term_of<std::int64_t>({&indices}), positions);
    }
  }
}

}  // namespace multibuffer
