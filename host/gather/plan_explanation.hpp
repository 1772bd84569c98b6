#pragma once

#include <multibuffer/plan.hpp>

#include "host/backend/backend.hpp"
#include "host/backend/copy_plan.hpp"

namespace multibuffer {

/// Explains a plan as `backend` would run it.
PlanExplanation explain_plan(const CopyPlan& plan, Backend& backend);

/// Times a plain copy of as many bytes as the explained plan reads and writes, and then the plan.
PlanExplanation::Measured measured(const PlanExplanation& explanation, PreparedCopy& gather,
                                   Backend& backend, StreamRef stream);

}  // namespace multibuffer
