#pragma once

#include <multibuffer/plan.hpp>

#include "host/backend/backend.hpp"
#include "host/backend/copy_plan.hpp"

namespace multibuffer {

/// Explains a plan as `backend` would run it.
PlanExplanation explain_plan(const CopyPlan& plan, Backend& backend);

/// What is said of a result without elements, for which nothing runs.
PlanExplanation explain_nothing(Backend& backend);

/// Begins an explanation: with the device, and what the backend says of the plan.
PlanExplanation explained(PlanDescription description, Backend& backend);

/// Says what part of a plain copy's speed is to be expected, from the bytes of an explanation.
double expected_of(const PlanExplanation& explanation);

/// Times a plain copy of as many bytes as the explained plan reads and writes, and then the plan.
PlanExplanation::Measured measured(const PlanExplanation& explanation, PreparedCopy& gather,
                                   Backend& backend, StreamRef stream);

}  // namespace multibuffer
