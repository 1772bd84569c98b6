#pragma once

#include "cuda/kernel_plan.hpp"

#include <cstddef>
#include <cstdint>

/// What one thread of a gather does. These are constexpr so that nvcc compiles them for the device
/// (--expt-relaxed-constexpr) and g++ for tests, which run whole grids of them on the CPU. `Access`
/// is how they touch memory:
///
///     T load<T>(address)         read-only data, cached
///     T stream<T>(address)       the same, not expected to be read again soon
///     store(address, value)
///     lower(address, value)      atomic minimum of a 64-bit word
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

/// What values mean as indices of an axis. Outside of [0, extent) only where `mode` is `raise`.
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
/// bad index is reported and makes its row invalid: no table and no leaf is read for it, but all
/// other indices of rows that exist are, so that what is reported is the lowest.
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
        access.lower(plan.bad_index, BadIndex{k, in_array[b]}.word());
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

/// The positions of levels [first, first + Levels), and those in the output, which no level owns.
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

/// Replaces the starts in one table by what the table says at start + position.
template <class Access, class Offset>
constexpr void follow(const KernelTable& table, Access& access, const Offset (&positions)[batch],
                      const bool (&valid)[batch], std::int64_t (&starts)[batch]) {
  Address at[batch];
  for (int b = 0; b < batch; ++b)
    at[b] = table.data + static_cast<Address>((starts[b] + positions[b]) * table.bytes_each);
  load_integers<std::uint32_t>(access, table.bytes_each, at, valid, starts);
}

/// Where a batch of rows is read from and written to. Invalid ones have no meaning.
struct Rows {
  Address source[batch];
  Address out[batch];
};

/// The plan's rule, for a batch at once: `Levels` of pointers, or plan.table_count of them.
template <int Levels, int VectorBytes, class Plan, class Access, class Count>
constexpr Rows find_rows(const Plan& plan, Access& access, const Count (&items)[batch],
                         bool (&valid)[batch]) {
  using Offset = typename Plan::Offset;
  bool exists[batch];
  for (int b = 0; b < batch; ++b) exists[b] = valid[b];
  std::int64_t starts[batch] = {};
  Offset leaf_positions[batch] = {};
  Offset out[batch] = {};

  if constexpr (Levels == any_levels) {
    for (int level = 0; level <= plan.table_count; ++level) {
      Positions<Offset, 1> positions = {};
      find_positions<1>(plan, access, level, items, exists, valid, positions, out);
      if (level < plan.table_count)
        follow(plan.tables[level], access, positions[0], valid, starts);
      else
        for (int b = 0; b < batch; ++b) leaf_positions[b] = positions[0][b];
    }
  } else {
    Positions<Offset, Levels + 1> positions = {};
    find_positions<Levels + 1>(plan, access, 0, items, exists, valid, positions, out);
    for (int level = 0; level < Levels; ++level)
      follow(plan.tables[level], access, positions[level], valid, starts);
    for (int b = 0; b < batch; ++b) leaf_positions[b] = positions[Levels][b];
  }

  Rows rows{};
  for (int b = 0; b < batch; ++b) {
    rows.source[b] = plan.leaf + static_cast<Address>(starts[b] * plan.unit) +
                     static_cast<Address>(std::int64_t{leaf_positions[b]} * VectorBytes);
    rows.out[b] = plan.out + static_cast<Address>(std::int64_t{out[b]} * VectorBytes);
  }
  return rows;
}

/// Family `elements`: consecutive threads take consecutive vectors of the output.
template <class Vector, int Levels, class Plan, class Access>
constexpr void gather_elements(const Plan& plan, Access& access, const Place& place) {
  using Count = CountOf<typename Plan::Offset>;
  const Count tile_items = static_cast<Count>(place.threads) * batch;
  for (Count first = place.block * tile_items; first < plan.items;
       first += place.blocks * tile_items) {
    Count items[batch];
    bool valid[batch];
    for (int b = 0; b < batch; ++b) {
      const Count item = first + static_cast<Count>(b) * place.threads + place.thread;
      valid[b] = item < plan.items;
      items[b] = valid[b] ? item : 0;
    }
    const Rows rows =
        find_rows<Levels, static_cast<int>(sizeof(Vector))>(plan, access, items, valid);
    Vector values[batch] = {};
    for (int b = 0; b < batch; ++b)
      if (valid[b]) values[b] = access.template load<Vector>(rows.source[b]);
    for (int b = 0; b < batch; ++b)
      if (valid[b]) access.store(rows.out[b], values[b]);
  }
}

/// Family `rows`: groups of 2^lanes_log2 threads take consecutive rows, or pieces of them.
template <class Vector, int Levels, class Plan, class Access>
constexpr void gather_rows(const Plan& plan, Access& access, const Place& place) {
  using Count = CountOf<typename Plan::Offset>;
  const Count lanes = Count{1} << plan.lanes_log2;
  const Count lane = place.thread & (lanes - 1);
  const Count group = place.thread >> plan.lanes_log2;
  const Count groups = place.threads >> plan.lanes_log2;
  const Count tile_items = groups * batch;
  for (Count first = place.block * tile_items; first < plan.items;
       first += place.blocks * tile_items) {
    Count row[batch];
    Count begin[batch];  // of the piece, in vectors of its row
    bool valid[batch];
    for (int b = 0; b < batch; ++b) {
      Count item = first + static_cast<Count>(b) * groups + group;
      valid[b] = item < plan.items;
      item = valid[b] ? item : 0;
      row[b] = plan.pieces_per_row.divide(item);
      begin[b] = (item - row[b] * plan.pieces_per_row.divisor) * plan.piece_vectors;
    }
    Rows rows = find_rows<Levels, static_cast<int>(sizeof(Vector))>(plan, access, row, valid);
    Count vectors[batch];
    for (int b = 0; b < batch; ++b) {
      const Count rest = plan.row_vectors - begin[b];
      vectors[b] = !valid[b] ? 0 : rest < plan.piece_vectors ? rest : plan.piece_vectors;
      rows.source[b] += Address{begin[b]} * sizeof(Vector);
      rows.out[b] += Address{begin[b]} * sizeof(Vector);
    }
    for (Count step = lane; step < plan.piece_vectors; step += lanes) {
      const Address offset = Address{step} * sizeof(Vector);
      Vector values[batch] = {};
      for (int b = 0; b < batch; ++b)
        if (step < vectors[b]) values[b] = access.template stream<Vector>(rows.source[b] + offset);
      for (int b = 0; b < batch; ++b)
        if (step < vectors[b]) access.store(rows.out[b] + offset, values[b]);
    }
  }
}

}  // namespace multibuffer::cuda
