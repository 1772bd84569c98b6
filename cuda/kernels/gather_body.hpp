#pragma once

#include "cuda/kernels/find_rows.hpp"

#include <cstddef>
#include <cstdint>

/// The body of the family whose vectors are aligned on both sides; see find_rows.hpp.
namespace multibuffer::cuda {

/// Family `elements`: consecutive threads take consecutive vectors of the output.
template <class Vector, int Levels, class Plan, class Access>
constexpr void gather_elements(const Plan& plan, Access& access, const Place& place) {
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
