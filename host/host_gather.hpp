#pragma once

#include "gather_plan.hpp"

#include <cstdint>
#include <vector>

namespace multibuffer {

/// The same work as a few plans that can be cut between any two rows: runs are short enough to be
/// shared among threads, and planes are cut into strips that use each cache line while it is there.
std::vector<GatherPlan> host_plans(const GatherPlan& plan);

/// Copies rows [begin, end) of a plan, counted in the order of its axes, in host memory. Index
/// values have been checked. Threads may run disjoint ranges at once. With `streaming` the output
/// goes past the caches where that is faster.
void host_gather(const GatherPlan& plan, std::int64_t begin, std::int64_t end, bool streaming);

}  // namespace multibuffer
