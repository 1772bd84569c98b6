#pragma once

#include "cuda/kernels/convert.hpp"

namespace multibuffer::cuda {

/// Converts scalars to float32 during the gather, and scales them. Plans have a `KernelScaling`,
/// and keep the steps of places along the axes behind those of their index arrays.
struct ConvertScaled : Convert {
  static constexpr Family family = Family::convert_scaled;
  static constexpr const char* name = "convert_scaled";
  static constexpr const char* needs = "scalars that are converted to float32 and scaled";
  static constexpr int blocks(bool wide, bool /*large*/) { return wide ? 5 : 8; }

  static bool can_gather(const PlanFacts& facts) { return is_scaled(facts); }

  template <int Bytes, int Levels, class Plan, class Access>
  static constexpr void gather(const Plan& plan, Access& access, const Place& place);
};

}  // namespace multibuffer::cuda
