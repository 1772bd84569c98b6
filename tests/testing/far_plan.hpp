#pragma once

#include "tests/testing/random_plan.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace multibuffer::testing {

/// A plan over addresses that nothing lies at, however large it is.
inline GatherPlan far_plan(const std::vector<PlanAxis>& axes, std::int64_t run_bytes) {
  GatherPlan plan;
  plan.base = reinterpret_cast<const std::byte*>(std::uintptr_t{1} << 45);
  plan.out = reinterpret_cast<std::byte*>(std::uintptr_t{1} << 46);
  plan.origins = {0};
  plan.axes.assign(axes.begin(), axes.end());
  plan.run_bytes = run_bytes;
  plan.rows = 1;
  for (const PlanAxis& axis : plan.axes) plan.rows *= axis.extent;
  return plan;
}

}  // namespace multibuffer::testing
