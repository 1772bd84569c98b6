#include "host/cpu/row_walk.hpp"

#include "host/bytes/simd.hpp"

#include <algorithm>
#include <array>

// A loop that is chosen when the walk begins computes where the rows of an inner axis are read.
// Most plans have at most one table, and at most one term on either side of it: the loop then
// computes one address after the other, with all it needs in registers. For others it goes level by
// level.
//
// Items are prefetched as soon as their addresses are known, so that the memory is busy while the
// next address is computed. Elements of 4 bytes at random places of 256 MiB, by two index arrays
// and a table of rows, took 24 ns each where a batch's addresses were computed level by level and
// then prefetched, and take 13 so (one thread; a plain loop over a dense array: 12).

namespace multibuffer {
namespace {

/// The rows whose positions are computed together, level by level: each step is a short loop over
/// integers that stay in the L1 cache.
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

RowWalk::RowWalk(const CopyPlan& plan, std::int64_t first_row)
    : plan_(plan),
      terms_(terms_of(plan)),
      index_(plan.axes.size()),
      origins_(plan.indexed.origins),
      places_(plan.indices.size()) {
  if (plan.scaling) scaling_place_ = plan.scaling->first;
  fill_ = &RowWalk::fill_by_levels;
  if (terms_.fit)
    with_types([&]<class Before, class Entry, class After>() {
      fill_ = &RowWalk::fill_row_by_row<Before, Entry, After>;
    });
  for (std::size_t i = plan.axes.size(); i-- > 0;) {
    index_[i] = first_row % plan.axes[i].extent;
    first_row /= plan.axes[i].extent;
    move(i, index_[i]);
  }
}

RowWalk::InnerTerms RowWalk::terms_of(const CopyPlan& plan) {
  InnerTerms terms;
  if (plan.indexed.tables.size() > 1) return terms;
  // Without a table there is only one sum, and any two terms of it take a side each.
  const auto side_for = [&](int level) -> InnerTerm& {
    const bool is_before = plan.indexed.tables.empty() ? terms.before.is_none() : level == 0;
    return is_before ? terms.before : terms.after;
  };
  for (const PlanIndices& indices : plan.indices) {
    InnerTerm& side = side_for(indices.level);
    if (!side.is_none()) return terms;
    side.indices = &indices;
  }
  if (!plan.axes.empty() && plan.axes.back().stride != 0) {
    InnerTerm& side = side_for(plan.axes.back().level);
    if (!side.is_none()) return terms;
    side.stride = plan.axes.back().stride;
  }
  terms.fit = true;
  return terms;
}

bool RowWalk::can_look_up_ahead(const CopyPlan& plan) {
  const InnerTerms terms = terms_of(plan);
  return terms.fit && !terms.after.indices;
}

std::int64_t RowWalk::left_in_inner_axis() const {
  return plan_.axes.empty() ? 1 : plan_.axes.back().extent - index_.back();
}

std::int64_t RowWalk::left_in_plane() const {
  const std::size_t axes = plan_.axes.size();
  return axes < 2 ? 1 : plan_.axes[axes - 2].extent - index_[axes - 2];
}

void RowWalk::next(std::span<RowCopy> copies, std::span<std::int64_t> places) {
  const bool moves = plan_.scaling && !plan_.axes.empty();
  const std::int64_t place_step = moves ? plan_.scaling->steps.back() : 0;
  while (!copies.empty()) {
    const auto left = static_cast<std::size_t>(left_in_inner_axis());
    const std::size_t count = std::min({copies.size(), left, chunk});
    (this->*fill_)(copies.first(count));
    if (plan_.scaling) {
      for (std::size_t i = 0; i < count; ++i)
        places[i] = scaling_place_ + static_cast<std::int64_t>(i) * place_step;
      places = places.subspan(count);
    }
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

void RowWalk::advance_outer(std::int64_t steps) {
  if (plan_.axes.size() > 1) advance(plan_.axes.size() - 2, steps);
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
  out_ += steps * moved.dense_stride;
  for (std::size_t j = 0; j < places_.size(); ++j)
    places_[j] += steps * plan_.indices[j].steps[axis];
  if (plan_.scaling) scaling_place_ += steps * plan_.scaling->steps[axis];
}

PlanAxis RowWalk::inner_axis() const { return plan_.axes.empty() ? PlanAxis{} : plan_.axes.back(); }

template <class Before, class Entry, class After>
void RowWalk::fill_row_by_row(std::span<RowCopy> copies) const {
  const auto address = addresses<Before, Entry, After>();
  const std::int64_t out_stride = inner_axis().dense_stride;
  const bool prefetches = plan_.run_bytes <= most_item_bytes;
  std::byte* const to = plan_.dense.base + out_;
  for (std::size_t i = 0; i < copies.size(); ++i) {
    const auto row = static_cast<std::int64_t>(i);
    const std::byte* const from = address(row);
    if (prefetches) prefetch_to_second_cache(from);
    copies[i] = {from, to + row * out_stride};
  }
}

void RowWalk::fill_by_levels(std::span<RowCopy> copies) const {
  std::array<std::int64_t, chunk> storage;
  const std::span<std::int64_t> positions(storage.data(), copies.size());
  std::ranges::fill(positions, origins_[0]);
  add_level(0, positions);
  const std::size_t levels = plan_.indexed.tables.size();
  for (std::size_t k = 0; k < levels; ++k) {
    const std::int64_t scale = k + 1 == levels ? plan_.indexed.unit : 1;
    if (plan_.indexed.tables[k].wide) {
      follow<std::int64_t>(plan_.indexed.tables[k].data, scale, origins_[k + 1], positions);
    } else {
      follow<std::uint32_t>(plan_.indexed.tables[k].data, scale, origins_[k + 1], positions);
    }
    add_level(static_cast<int>(k) + 1, positions);
  }

  const auto base = reinterpret_cast<std::uintptr_t>(plan_.indexed.base);
  const std::int64_t out_stride = inner_axis().dense_stride;
  const bool prefetches = plan_.run_bytes <= most_item_bytes;
  std::byte* to = plan_.dense.base + out_;
  for (std::size_t i = 0; i < copies.size(); ++i) {
    copies[i].from =
        reinterpret_cast<const std::byte*>(base + static_cast<std::uintptr_t>(positions[i]));
    copies[i].to = to + static_cast<std::int64_t>(i) * out_stride;
    if (prefetches) prefetch_to_second_cache(copies[i].from);
  }
}

void RowWalk::add_level(int level, std::span<std::int64_t> positions) const {
  if (const PlanAxis axis = inner_axis(); axis.level == level && axis.stride != 0)
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
