#pragma once

#include "cuda/kernels/kernel_plan.hpp"

#include <cstddef>
#include <cstdint>
#include <utility>

/// Finds rows: the part that the bodies of all families share. A body is the work of one thread.
/// Bodies are constexpr so that nvcc compiles them for the device (--expt-relaxed-constexpr) and
/// g++ for tests, which run whole grids of them on the CPU. `Access` is how they access memory:
///
///     T load<T>(address)         loads read-only data, cached
///     T over_read<T>(address)    is an over-read load: some bytes may lie outside of the array
///     store(address, value)      stores
///     atomic_min(address, value) is the atomic minimum of a 64-bit word
///
/// Vectors are the unsigned integers of their size and, for 16 bytes, `Bytes16`.
///
/// Arrays indexed by `b` have one entry for each of the rows or elements in flight, those indexed
/// by `l` one for each level. Both are indexed by constants alone once loops are unrolled, so that
/// they live in registers; a run-time index would move them to memory.
namespace multibuffer::cuda {

/// A thread's place in the grid.
struct Place {
  std::uint32_t block = 0;
  std::uint32_t blocks = 1;
  std::uint32_t thread = 0;
  std::uint32_t threads = 1;
};

/// The first item of each turn of a block: `for (const auto first : turns(plan, place))`.
template <class Count>
struct Turns {
  struct Iterator {
    Count first;
    Count step;

    constexpr Count operator*() const { return first; }
    constexpr void operator++() { first += step; }
    constexpr bool operator!=(Count end) const { return first < end; }  // steps may pass it
  };
  Iterator turn;
  Count items;

  constexpr Iterator begin() const { return turn; }
  constexpr Count end() const { return items; }
};
/// Turns of `each` items, or of as many as the block's threads have in flight.
template <class Plan>
constexpr auto turns(const Plan& plan, const Place& place, CountOf<typename Plan::Offset> each) {
  using Count = CountOf<typename Plan::Offset>;
  return Turns<Count>{{place.block * each, place.blocks * each}, plan.items};
}
template <class Plan>
constexpr auto turns(const Plan& plan, const Place& place) {
  return turns(plan, place, static_cast<CountOf<typename Plan::Offset>>(place.threads) * batch);
}

/// Calls visit(b) for every b of a batch. A loop with a long body is not always unrolled, and the
/// arrays that it indexes are then in local memory.
template <class Visit>
constexpr void for_batch(Visit&& visit) {
  [&]<int... b>(std::integer_sequence<int, b...>) { (visit(b), ...); }
  (std::make_integer_sequence<int, batch>());
}

/// The positions of a batch at some levels.
template <class Offset, int Levels>
using Positions = Offset[static_cast<std::size_t>(Levels)][batch];

/// Takes item numbers apart into one index per axis: calls visit(axis, indices) for every axis, the
/// innermost first. The outermost takes what is left, undivided.
template <class Plan, class Count, class Visit>
constexpr void walk_axes(const Plan& plan, const Count (&items)[batch], Visit&& visit) {
  Count rest[batch];
  for (int b = 0; b < batch; ++b) rest[b] = items[b];
  for (int axis = plan.axis_count - 1; axis > 0; --axis) {
    const auto extent = plan.axes[axis].extent;
    Count index[batch];
    for (int b = 0; b < batch; ++b) {
      const Count quotient = extent.divide(rest[b]);
      index[b] = rest[b] - quotient * extent.divisor;
      rest[b] = quotient;
    }
    visit(axis, index);
  }
  if (plan.axis_count > 0) visit(0, rest);
}

/// Floor modulo of an axis' extent.
template <class Indices>
constexpr std::int64_t wrapped(const Indices& indices, std::int64_t value) {
  // -1 - value counts from the end as value does from the start, and never overflows.
  const auto distance = static_cast<std::uint64_t>(value < 0 ? -1 - value : value);
  const auto& extent = indices.modulus;
  const auto rest = static_cast<std::int64_t>(distance - extent.divide(distance) * extent.divisor);
  return value < 0 ? indices.extent - 1 - rest : rest;
}

/// Turns values into indices of an axis. They are outside of [0, extent) only where `mode` is
/// `raise`.
template <class Indices>
constexpr void to_indices(const Indices& indices, IndexMode mode, std::int64_t (&values)[batch]) {
  if (mode == IndexMode::raise) {
    for (int b = 0; b < batch; ++b) values[b] += values[b] < 0 ? indices.extent : 0;
  } else if (mode == IndexMode::clip) {
    for (int b = 0; b < batch; ++b) {
      const std::int64_t value = values[b] < 0 ? 0 : values[b];
      values[b] = value < indices.extent ? value : indices.extent - 1;
    }
  } else {
    for (int b = 0; b < batch; ++b) values[b] = wrapped(indices, values[b]);
  }
}

/// Loads a batch of signed or unsigned integers of `bytes_each` bytes, 0 where not `valid`.
template <class Narrow, class Access>
constexpr void load_integers(Access& access, int bytes_each, const Address (&at)[batch],
                             const bool (&valid)[batch], std::int64_t (&values)[batch]) {
  if (bytes_each == 8) {
    for (int b = 0; b < batch; ++b)
      values[b] = valid[b] ? access.template load<std::int64_t>(at[b]) : 0;
  } else {
    for (int b = 0; b < batch; ++b) values[b] = valid[b] ? access.template load<Narrow>(at[b]) : 0;
  }
}

/// Adds the contributions of index array `k` to the positions of levels [first, first + Levels). A
/// bad index is reported and makes its row invalid: no table and no leaf is read for it. All other
/// indices of rows that exist are read, so that the lowest bad one is reported.
template <int Levels, class Plan, class Access, class Count>
constexpr void add_indices(const Plan& plan, Access& access, int k, int first,
                           const Count (&items)[batch], const bool (&exists)[batch],
                           bool (&valid)[batch],
                           Positions<typename Plan::Offset, Levels>& positions) {
  using Offset = typename Plan::Offset;
  const auto& indices = plan.indices[k];
  Offset in_array[batch] = {};
  walk_axes(plan, items, [&](int axis, const Count(&index)[batch]) {
    const Offset step = plan.steps[k * plan.axis_count + axis];
    for (int b = 0; b < batch; ++b) in_array[b] += static_cast<Offset>(index[b]) * step;
  });
  Address at[batch];
  for (int b = 0; b < batch; ++b)
    at[b] = indices.data +
            static_cast<Address>(static_cast<std::int64_t>(in_array[b]) * indices.bytes_each);
  std::int64_t index[batch];
  load_integers<std::int32_t>(access, indices.bytes_each, at, exists, index);
  to_indices(indices, plan.mode, index);

  if (plan.bad_index != 0) {
    for (int b = 0; b < batch; ++b) {
      if (exists[b] &&
          static_cast<std::uint64_t>(index[b]) >= static_cast<std::uint64_t>(indices.extent)) {
        access.atomic_min(plan.bad_index, BadIndex{k, in_array[b]}.word());
        valid[b] = false;
        index[b] = 0;
      }
    }
  }
  for (int b = 0; b < batch; ++b) {
    const Offset contribution = static_cast<Offset>(index[b]) * indices.stride;
    for (int l = 0; l < Levels; ++l)
      positions[l][b] += indices.level == first + l ? contribution : 0;
  }
}

/// Finds the positions of levels [first, first + Levels), and those in the output.
template <int Levels, class Plan, class Access, class Count>
constexpr void find_positions(const Plan& plan, Access& access, int first,
                              const Count (&items)[batch], const bool (&exists)[batch],
                              bool (&valid)[batch],
                              Positions<typename Plan::Offset, Levels>& positions,
                              typename Plan::Offset (&out)[batch]) {
  using Offset = typename Plan::Offset;
  for (int b = 0; b < batch; ++b) out[b] = 0;
  walk_axes(plan, items, [&](int axis, const Count(&index)[batch]) {
    const auto level = plan.axes[axis].level;
    const Offset stride = plan.axes[axis].stride;
    const Offset out_stride = plan.axes[axis].out_stride;
    for (int b = 0; b < batch; ++b) {
      const auto i = static_cast<Offset>(index[b]);
      out[b] += i * out_stride;
      for (int l = 0; l < Levels; ++l) positions[l][b] += level == first + l ? i * stride : 0;
    }
  });
  for (int k = 0; k < plan.index_count; ++k)
    if (plan.indices[k].level >= first && plan.indices[k].level < first + Levels)
      add_indices<Levels>(plan, access, k, first, items, exists, valid, positions);
}

/// Replaces the starts in one table by its entries at start + position.
template <class Access, class Offset>
constexpr void follow(const KernelTable& table, Access& access, const Offset (&positions)[batch],
                      const bool (&valid)[batch], std::int64_t (&starts)[batch]) {
  Address at[batch];
  for (int b = 0; b < batch; ++b)
    at[b] = table.data + static_cast<Address>((starts[b] + positions[b]) * table.bytes_each);
  load_integers<std::uint32_t>(access, table.bytes_each, at, valid, starts);
}

/// The addresses of a batch of rows in the leaves, and their positions in the output. Those of
/// invalid rows have no meaning.
template <class Offset>
struct Rows {
  Address source[batch];
  Offset out[batch];
};

/// Applies the plan's rule to a batch at once: `Levels` of pointers, or plan.table_count of them.
template <int Levels, class Plan, class Access, class Count>
constexpr Rows<typename Plan::Offset> find_rows(const Plan& plan, Access& access,
                                                const Count (&items)[batch], bool (&valid)[batch]) {
  using Offset = typename Plan::Offset;
  bool exists[batch];
  for (int b = 0; b < batch; ++b) exists[b] = valid[b];
  std::int64_t starts[batch] = {};
  Offset leaf_positions[batch] = {};
  Rows<Offset> rows{};

  if constexpr (Levels == any_levels) {
    for (int level = 0; level <= plan.table_count; ++level) {
      Positions<Offset, 1> positions = {};
      find_positions<1>(plan, access, level, items, exists, valid, positions, rows.out);
      if (level < plan.table_count)
        follow(plan.tables[level], access, positions[0], valid, starts);
      else
        for (int b = 0; b < batch; ++b) leaf_positions[b] = positions[0][b];
    }
  } else {
    Positions<Offset, Levels + 1> positions = {};
    find_positions<Levels + 1>(plan, access, 0, items, exists, valid, positions, rows.out);
    for (int level = 0; level < Levels; ++level)
      follow(plan.tables[level], access, positions[level], valid, starts);
    for (int b = 0; b < batch; ++b) leaf_positions[b] = positions[Levels][b];
  }

  for (int b = 0; b < batch; ++b)
    rows.source[b] = plan.leaf + static_cast<Address>(starts[b] * plan.unit) +
                     static_cast<Address>(std::int64_t{leaf_positions[b]} * plan.leaf_unit);
  return rows;
}

/// The vectors that a thread works on at a time: each one's index in its row, and where that row
/// is. Those that are not valid have no meaning.
template <class Offset>
struct Vectors {
  Rows<Offset> rows;
  CountOf<Offset> vector[batch];
  bool valid[batch];
};

/// Finds the vectors of the turn that begins with item `first`, consecutive ones for consecutive
/// threads.
template <int Levels, class Plan, class Access>
constexpr Vectors<typename Plan::Offset> find_vectors(const Plan& plan, Access& access,
                                                      const Place& place,
                                                      CountOf<typename Plan::Offset> first) {
  using Count = CountOf<typename Plan::Offset>;
  Vectors<typename Plan::Offset> found{};
  Count row[batch];
  for (int b = 0; b < batch; ++b) {
    Count item = first + static_cast<Count>(b) * place.threads + place.thread;
    found.valid[b] = item < plan.items;
    item = found.valid[b] ? item : 0;
    row[b] = plan.row_vectors.divide(item);
    found.vector[b] = item - row[b] * plan.row_vectors.divisor;
  }
  found.rows = find_rows<Levels>(plan, access, row, found.valid);
  return found;
}

/// Returns the position of an item in the output alone.
template <class Plan, class Count>
constexpr typename Plan::Offset output_position(const Plan& plan, Count item) {
  typename Plan::Offset position = 0;
  for (int axis = plan.axis_count - 1; axis >= 0; --axis) {
    const auto& extent = plan.axes[axis].extent;
    const Count quotient = axis > 0 ? extent.divide(item) : 0;
    const Count index = item - quotient * extent.divisor;
    position += static_cast<typename Plan::Offset>(index) * plan.axes[axis].out_stride;
    item = quotient;
  }
  return position;
}

/// The address of a position in the output.
template <class Plan>
constexpr Address output_at(const Plan& plan, typename Plan::Offset position) {
  return plan.out + static_cast<Address>(std::int64_t{position} * plan.out_unit);
}

}  // namespace multibuffer::cuda
