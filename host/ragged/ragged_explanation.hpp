#pragma once

#include <multibuffer/plan.hpp>
#include <multibuffer/ragged_array.hpp>

#include "host/backend/backend.hpp"
#include "host/backend/ragged_plan.hpp"

namespace multibuffer {

/// Explains a plan that reads rows of `array`, as its backend would run it. The rows' lengths are
/// known on the host; where a list selects them, it is read from `entries`, the block that it lies
/// in. Of rows that indices on a device name, the average length of the array's is assumed.
PlanExplanation explain_plan(const RaggedPlan& plan, const RaggedArray& array, Memory* entries);

}  // namespace multibuffer
