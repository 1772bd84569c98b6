#pragma once

#include "host/backend/gather_plan.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace multibuffer {

/// The same work as a few plans that can be cut between any two rows: runs are short enough to be
/// shared among threads, and planes are cut into strips that use each cache line while it is there
/// and write whole ones (of the output as it lies, so also where elements are converted). The first
/// has most of the work.
std::vector<GatherPlan> host_plans(const GatherPlan& plan);

/// Copies rows [begin, end) of a plan, counted in the order of its axes, in host memory. Index
/// values have been checked. Threads may run disjoint ranges at once. With `streaming` the output
/// goes past the caches where that is faster.
void host_gather(const GatherPlan& plan, std::int64_t begin, std::int64_t end, bool streaming);

/// The same for bytes [begin, end) of what some plans read, counted through all of them: of the
/// source, where elements are converted. Rows may be written a little beyond `end`, by whoever has
/// their begin.
void host_gather_bytes(std::span<const GatherPlan> plans, std::int64_t begin, std::int64_t end,
                       bool streaming);

}  // namespace multibuffer
