#pragma once

#include "host/backend/copy_plan.hpp"
#include "host/backend/plan_description.hpp"
#include "host/backend/ragged_plan.hpp"

namespace multibuffer {

/// Describes how the host runs a plan that has rows: the way of its first part, which has most of
/// the work.
PlanDescription describe_way(const CopyPlan& plan);

/// Likewise for a plan of rows of unequal length.
PlanDescription describe_way(const RaggedPlan& plan);

}  // namespace multibuffer
