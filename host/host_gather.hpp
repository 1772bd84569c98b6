#pragma once

#include "gather_plan.hpp"

#include <cstdint>
#include <vector>

namespace multibuffer {

/// The same work as one or two plans whose runs are short enough to be shared among threads.
std::vector<GatherPlan> with_short_runs(const GatherPlan& plan);

/// Copies rows [begin, end) of a plan, counted in the order of its axes, in host memory. Index
/// values have been checked. Threads may run disjoint ranges at once. With `streaming` the output
/// goes past the caches where that is faster.
void host_gather(const GatherPlan& plan, std::int64_t begin, std::int64_t end, bool streaming);

}  // namespace multibuffer
