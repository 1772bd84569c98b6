#pragma once

#include "cuda/kernels/launch.hpp"
#include "cuda/memory/device_memory.hpp"
#include "cuda/memory/staging.hpp"
#include "cuda/plan/kernel_plan.hpp"

#include <cuda_runtime_api.h>

#include <cstdint>
#include <memory>
#include <variant>

namespace multibuffer::cuda {

/// A gather that is one run anyway.
struct CopyOfRun {
  Address to = 0;
  Address from = 0;
  std::int64_t bytes = 0;
};

/// A gather's one launch, or one copy, with everything decided.
class GatherLaunch {
 public:
  /// The lists of a large plan are sent on `stream`.
  GatherLaunch(const GatherPlan& plan, Address bad_index, Context& context, StagingRing& ring,
               cudaStream_t stream);
  void operator()(cudaStream_t stream) const;
  /// What has to live until it has run; null for small plans.
  const std::shared_ptr<DeviceMemory>& lists() const noexcept { return lists_; }

 private:
  LargePlan send_lists(const PlanParts<std::int64_t>& parts, Context& context, StagingRing& ring,
                       cudaStream_t stream);

  KernelChoice choice_;
  std::shared_ptr<DeviceMemory> lists_;
  std::variant<CopyOfRun, SmallPlan<std::int32_t>, SmallPlan<std::int64_t>, LargePlan> plan_;
};

}  // namespace multibuffer::cuda
