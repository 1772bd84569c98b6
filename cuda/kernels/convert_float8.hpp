#pragma once

#include "cuda/kernels/convert.hpp"

namespace multibuffer::cuda {

/// Converts from or to floats of 8 bits. Their code takes more registers, which the kernels for
/// other scalars then do not.
struct ConvertFloat8 : Convert {
  static constexpr Family family = Family::convert_float8;
  static constexpr const char* name = "convert_float8";
  static constexpr const char* needs = "scalars that are converted from or to floats of 8 bits";
  static constexpr int blocks(bool wide, bool /*large*/) { return wide ? 5 : 8; }

  static bool can_gather(const PlanFacts& facts) {
    return facts.plan.conversion && !is_scaled(facts) && has_float8(*facts.plan.conversion);
  }

  template <int Bytes, int Levels, class Plan, class Access>
  static constexpr void gather(const Plan& plan, Access& access, const Place& place);
};

}  // namespace multibuffer::cuda
