#pragma once

#include "host/backend/copy_plan.hpp"
#include "host/cpu/plane.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace multibuffer {

/// Splits a plan into plans whose rows can be given to threads in any partition. Runs over 512 KiB
/// are cut to 256 KiB; planes are cut into strips, so that a source cache line is used while cached
/// and the output is written in whole lines. The first plan has most of the work.
class HostPlans {
 public:
  /// `plan` must live as long.
  explicit HostPlans(const CopyPlan& plan);
  std::span<const CopyPlan> parts() const { return cut_.empty() ? std::span(&whole_, 1) : cut_; }

 private:
  const CopyPlan& whole_;
  std::vector<CopyPlan> cut_;  ///< nothing where the plan runs as it is
};

/// The plane of a plan's last two axes, of which the inner one is strided; of one outer index where
/// the last but one is not.
Plane plane_of(const CopyPlan& plan);

/// Copies rows [begin, end) of a plan, counted in the order of its axes, in host memory. Index
/// values must have been checked. Threads may run disjoint ranges at once. If `nontemporal`, the
/// output is written by non-temporal stores where that pays.
void host_gather(const CopyPlan& plan, std::int64_t begin, std::int64_t end, bool nontemporal);

/// Copies the source bytes [begin, end) of `plans`, counted through all of them. A row that begins
/// in the range is copied whole.
void host_gather_bytes(std::span<const CopyPlan> plans, std::int64_t begin, std::int64_t end,
                       bool nontemporal);

}  // namespace multibuffer
