#pragma once

#include "cuda/kernels/convert.hpp"
#include "cuda/kernels/convert_float8.hpp"
#include "cuda/kernels/convert_scaled.hpp"
#include "cuda/kernels/elements.hpp"
#include "cuda/kernels/pixels.hpp"
#include "cuda/kernels/shifted.hpp"
#include "cuda/kernels/strided.hpp"
#include "cuda/kernels/tiles.hpp"
#include "cuda/kernels/words.hpp"

namespace multibuffer::cuda {

template <class... F>
struct FamilyList {};

/// All families, in the order in which they are tried: a plan's is the first that can gather it
/// and pays. The last one always does, except for plans that convert.
using KernelFamilies = FamilyList<ConvertScaled, ConvertFloat8, Convert, Tiles, Pixels, Strided,
                                  Shifted, Words, Elements>;

/// Calls visit.operator()<F>() for the family that `family` names; not for `copy`.
template <class First, class... Rest, class Visit>
constexpr auto visit_family(FamilyList<First, Rest...> /*list*/, Family family, Visit&& visit) {
  if constexpr (sizeof...(Rest) > 0)
    if (family != First::family) return visit_family(FamilyList<Rest...>{}, family, visit);
  return visit.template operator()<First>();
}
template <class Visit>
constexpr auto visit_family(Family family, Visit&& visit) {
  return visit_family(KernelFamilies{}, family, visit);
}

}  // namespace multibuffer::cuda
