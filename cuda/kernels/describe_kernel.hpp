#pragma once

#include "host/backend/copy_plan.hpp"
#include "host/backend/plan_description.hpp"

namespace multibuffer::cuda {

/// Describes the kernel that `choose_kernel` picks for a plan that has rows. Asks no device.
PlanDescription describe_kernel(const CopyPlan& plan);

}  // namespace multibuffer::cuda
