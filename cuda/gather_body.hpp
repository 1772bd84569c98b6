#pragma once

#include "cuda/find_rows.hpp"

#include <cstddef>
#include <cstdint>

/// The bodies of the families whose vectors are aligned on both sides; see find_rows.hpp.
namespace multibuffer::cuda {

/// Family `elements`: consecutive threads take consecutive vectors of the output.
template <class Vector, int Levels, class Plan, class Access>
constexpr void gather_elements(const Plan& plan, Access& access, const Place& place) {
  using Offset = typename Plan::Offset;
  using Count = CountOf<Offset>;
  const Count turn_items = static_cast<Count>(place.threads) * batch;
  for (Count first = place.block * turn_items; first < plan.items;
       first += place.blocks * turn_items) {
    Count items[batch];
    bool valid[batch];
    for (int b = 0; b < batch; ++b) {
      const Count item = first + static_cast<Count>(b) * place.threads + place.thread;
      valid[b] = item < plan.items;
      items[b] = valid[b] ? item : 0;
    }
    const Rows<Offset> rows = find_rows<Levels>(plan, access, items, valid);
    Vector values[batch] = {};
    for (int b = 0; b < batch; ++b)
      if (valid[b]) values[b] = access.template load<Vector>(rows.source[b]);
    for (int b = 0; b < batch; ++b)
      if (valid[b]) access.store(output_at(plan, rows.out[b]), values[b]);
  }
}

/// Calls visit(rows, begin, valid) for the batches of pieces of rows that a warp is to copy: where
/// the rows are, and which of their vectors is a piece's first.
template <int Levels, class Plan, class Access, class Visit>
constexpr void visit_pieces(const Plan& plan, Access& access, const Place& place, Visit&& visit) {
  using Offset = typename Plan::Offset;
  using Count = CountOf<Offset>;
  const Count warp = place.thread / warp_lanes;
  const Count warps = place.threads / warp_lanes;
  const Count turn_items = warps * batch;
  for (Count first = place.block * turn_items; first < plan.items;
       first += place.blocks * turn_items) {
    Count row[batch];
    Count begin[batch];
    bool valid[batch];
    for (int b = 0; b < batch; ++b) {
      Count item = first + static_cast<Count>(b) * warps + warp;
      valid[b] = item < plan.items;
      item = valid[b] ? item : 0;
      row[b] = plan.pieces.per_row.divide(item);
      begin[b] = (item - row[b] * plan.pieces.per_row.divisor) * plan.pieces.vectors;
    }
    const Rows<Offset> rows = find_rows<Levels>(plan, access, row, valid);
    visit(rows, begin, valid);
  }
}

/// Family `rows`: warps take consecutive pieces of rows.
template <class Vector, int Levels, class Plan, class Access>
constexpr void gather_rows(const Plan& plan, Access& access, const Place& place) {
  using Offset = typename Plan::Offset;
  using Count = CountOf<Offset>;
  visit_pieces<Levels>(
      plan, access, place,
      [&](const Rows<Offset>& rows, const Count(&begin)[batch], const bool(&valid)[batch]) {
        Count vectors[batch];
        Address source[batch];
        Address out[batch];
        for (int b = 0; b < batch; ++b) {
          const Count rest = plan.pieces.row_vectors - begin[b];
          vectors[b] = !valid[b] ? 0 : rest < plan.pieces.vectors ? rest : plan.pieces.vectors;
          source[b] = rows.source[b] + Address{begin[b]} * sizeof(Vector);
          out[b] = output_at(plan, rows.out[b]) + Address{begin[b]} * sizeof(Vector);
        }
        for (Count step = place.thread % warp_lanes; step < plan.pieces.vectors;
             step += warp_lanes) {
          const Address offset = Address{step} * sizeof(Vector);
          Vector values[batch] = {};
          for (int b = 0; b < batch; ++b)
            if (step < vectors[b]) values[b] = access.template load<Vector>(source[b] + offset);
          for (int b = 0; b < batch; ++b)
            if (step < vectors[b]) access.store(out[b] + offset, values[b]);
        }
      });
}

}  // namespace multibuffer::cuda
