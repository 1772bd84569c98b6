#pragma once

#include "cuda/kernels/elements.hpp"
#include "cuda/kernels/find_rows.hpp"

#include <cstdint>

namespace multibuffer::cuda {

/// Gives consecutive threads consecutive vectors of the output; see find_rows.hpp.
template <int Bytes, int Levels, class Plan, class Access>
constexpr void Elements::gather(const Plan& plan, Access& access, const Place& place) {
  using Vector = Unsigned<Bytes>;
  using Count = CountOf<typename Plan::Offset>;
  for (const Count first : turns(plan, place)) {
    const auto found = find_vectors<Levels>(plan, access, place, first);
    Vector values[batch] = {};
    for (int b = 0; b < batch; ++b)
      if (found.valid[b])
        values[b] = access.template load<Vector>(found.rows.source[b] +
                                                 Address{found.vector[b]} * sizeof(Vector));
    for (int b = 0; b < batch; ++b)
      if (found.valid[b])
        access.store(output_at(plan, found.rows.out[b]) + Address{found.vector[b]} * sizeof(Vector),
                     values[b]);
  }
}

}  // namespace multibuffer::cuda
