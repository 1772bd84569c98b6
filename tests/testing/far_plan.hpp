#pragma once

#include "tests/testing/random_plan.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace multibuffer::testing {

/// A plan over addresses that nothing lies at, however large it is.
inline CopyPlan far_plan(const std::vector<PlanAxis>& axes, std::int64_t run_bytes) {
  CopyPlan plan;
  plan.indexed.base = reinterpret_cast<const std::byte*>(std::uintptr_t{1} << 45);
  plan.dense.base = reinterpret_cast<std::byte*>(std::uintptr_t{1} << 46);
  plan.indexed.origins = {0};
  plan.axes.assign(axes.begin(), axes.end());
  plan.run_bytes = run_bytes;
  plan.rows = 1;
  for (const PlanAxis& axis : plan.axes) plan.rows *= axis.extent;
  return plan;
}

}  // namespace multibuffer::testing
