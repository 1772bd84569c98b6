#include "row_walk.hpp"

#include "vector.hpp"

#include <algorithm>
#include <array>
#include <type_traits>

// Where the rows of a line are read is a loop over them, chosen when the walk begins. Most plans
// have at most one table, and at most one index array on either side of it: their rows' addresses
// are worked out one by one, by a loop that has all it needs in registers. For others, that is done
// level by level. Either way the second cache is asked for a row as soon as its address is known,
// so that the memory is busy while the next one's is worked out. Elements of 4 bytes at random
// places of 256 MiB, by two index arrays and a table of rows, took 24 ns each where a batch's
// addresses were worked out level by level and then asked for, and take 13 so (one thread; a plain
// loop over a dense array: 12).

namespace multibuffer {
namespace {

/// Rows whose positions are worked out together where that is done level by level: each step is a
/// short loop over numbers that stay in the first cache.
constexpr std::size_t chunk = 64;

/// Index arrays may be written to while they are read: what is then read is one value, however
/// often it is looked at.
template <class Value>
std::int64_t read_once(const Value* value) {
  return __atomic_load_n(value, __ATOMIC_RELAXED);
}

/// The index that a checked `value` which is not one by itself means. Memory that changed after the
/// check leads to a wrong element, not to one outside of the array.
[[gnu::noinline]] std::int64_t other_index(std::int64_t value, std::int64_t extent,
                                           IndexMode mode) {
  return std::max<std::int64_t>(resolve_index(value, extent, mode), 0);
}

/// What is added to the position of each row of a line: by an index array of `Value`, or, if that
/// is `void`, by the line's own axis.
template <class Value>
struct Term {
  const Value* values;
  std::int64_t step, extent, stride;
  IndexMode mode;

  std::int64_t operator()(std::int64_t row) const {
    const std::int64_t value = read_once(values + row * step);
    const bool is_index = static_cast<std::uint64_t>(value) < static_cast<std::uint64_t>(extent);
    return (is_index ? value : other_index(value, extent, mode)) * stride;
  }
};
template <>
struct Term<void> {
  std::int64_t stride;
  std::int64_t operator()(std::int64_t row) const { return row * stride; }
};

template <class Value>
void add_term(const Term<Value>& term, std::span<std::int64_t> positions) {
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

/// `use` with the type of the values of `indices`, or with void without any.
template <class Use>
auto with_value_of(const PlanIndices* indices, const Use& use) {
  if (!indices) return use(std::type_identity<void>());
  if (indices->bytes_each == 4) return use(std::type_identity<std::int32_t>());
  return use(std::type_identity<std::int64_t>());
}

/// `use` with the type of the entries of the plan's table, or with void without any.
template <class Use>
auto with_entry_of(const GatherPlan& plan, const Use& use) {
  if (plan.tables.empty()) return use(std::type_identity<void>());
  if (plan.tables[0].wide) return use(std::type_identity<std::int64_t>());
  return use(std::type_identity<std::uint32_t>());
}

}  // namespace

RowWalk::RowWalk(const GatherPlan& plan, std::int64_t first_row)
    : plan_(plan), index_(plan.axes.size()), origins_(plan.origins), places_(plan.indices.size()) {
  choose_fill();
  for (std::size_t i = plan.axes.size(); i-- > 0;) {
    index_[i] = first_row % plan.axes[i].extent;
    first_row /= plan.axes[i].extent;
    move(i, index_[i]);
  }
}

void RowWalk::choose_fill() {
  fill_ = &RowWalk::fill_by_levels;
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
  with_value_of(before_.indices, [&]<class Before>(std::type_identity<Before>) {
    with_value_of(after_.indices, [&]<class After>(std::type_identity<After>) {
      with_entry_of(plan_, [&]<class Entry>(std::type_identity<Entry>) {
        fill_ = &RowWalk::fill_row_by_row<Before, Entry, After>;
      });
    });
  });
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

template <class Value>
auto RowWalk::term_of(const LineTerm& term) const {
  if constexpr (std::is_void_v<Value>) {
    return Term<void>{term.stride};
  } else {
    const PlanIndices& indices = *term.indices;
    const auto number = static_cast<std::size_t>(&indices - plan_.indices.data());
    return Term<Value>{.values = static_cast<const Value*>(indices.data) + places_[number],
                       .step = indices.steps.empty() ? 0 : indices.steps.back(),
                       .extent = indices.extent,
                       .stride = indices.stride,
                       .mode = plan_.mode};
  }
}

template <class Before, class Entry, class After>
void RowWalk::fill_row_by_row(std::span<RowCopy> copies) const {
  const auto before = term_of<Before>(before_);
  const auto after = term_of<After>(after_);
  const std::int64_t first = origins_[0];
  // Arrays in place have no base: their offsets are addresses.
  auto base = reinterpret_cast<std::uintptr_t>(plan_.base);
  const Entry* table = nullptr;
  if constexpr (!std::is_void_v<Entry>) {
    table = static_cast<const Entry*>(plan_.tables[0].data);
    base += static_cast<std::uintptr_t>(origins_[1]);
  }
  const std::int64_t unit = plan_.unit, out_stride = line().out_stride;
  std::byte* const to = plan_.out + out_;
  for (std::size_t i = 0; i < copies.size(); ++i) {
    const auto row = static_cast<std::int64_t>(i);
    std::int64_t position = first + before(row);
    if constexpr (!std::is_void_v<Entry>)
      position = static_cast<std::int64_t>(table[position]) * unit;
    position += after(row);
    const auto* const from =
        reinterpret_cast<const std::byte*>(base + static_cast<std::uintptr_t>(position));
    prefetch_first_line(from);
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
  std::byte* to = plan_.out + out_;
  for (std::size_t i = 0; i < copies.size(); ++i) {
    copies[i].from =
        reinterpret_cast<const std::byte*>(base + static_cast<std::uintptr_t>(positions[i]));
    copies[i].to = to + static_cast<std::int64_t>(i) * out_stride;
    prefetch_first_line(copies[i].from);
  }
}

void RowWalk::add_level(int level, std::span<std::int64_t> positions) const {
  if (const PlanAxis axis = line(); axis.level == level && axis.stride != 0)
    add_term(Term<void>{axis.stride}, positions);
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
