#pragma once

#include "host/backend/copy_plan.hpp"
#include "host/backend/plan_description.hpp"
#include "host/backend/ragged_plan.hpp"

namespace multibuffer::cuda {

/// Describes the kernel that `choose_kernel` picks for a plan that has rows. Asks no device.
PlanDescription describe_kernel(const CopyPlan& plan);

/// Likewise for a plan of rows of unequal length.
PlanDescription describe_kernel(const RaggedPlan& plan);

}  // namespace multibuffer::cuda
