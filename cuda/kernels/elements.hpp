#pragma once

#include "cuda/kernels/kernel_family.hpp"

namespace multibuffer::cuda {

/// Copies vectors that are aligned on both sides: one load and one store each.
struct Elements : KernelFamily {
  static constexpr Family family = Family::elements;
  static constexpr const char* name = "elements";
  static constexpr const char* needs = "nothing: vectors as wide as the alignment of both sides";
  static constexpr bool by_item_size = true;
  static constexpr bool has_wide_small_plans = true;
  static constexpr int blocks(bool wide, bool large) { return large ? 6 : wide ? 7 : 12; }

  static bool can_gather(const PlanFacts& facts) { return !facts.plan.conversion; }
  static bool pays(const PlanFacts& /*facts*/) { return true; }

  template <int Bytes, int Levels, class Plan, class Access>
  static constexpr void gather(const Plan& plan, Access& access, const Place& place);
};

}  // namespace multibuffer::cuda
