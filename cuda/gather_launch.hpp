#pragma once

#include "cuda/kernels/launch.hpp"
#include "cuda/memory/device_memory.hpp"
#include "cuda/memory/staging.hpp"

#include <cuda_runtime_api.h>

#include <cstdint>
#include <memory>
#include <variant>

namespace multibuffer::cuda {

/// A gather of a single run.
struct CopyOfRun {
  Address to = 0;
  Address from = 0;
  std::int64_t bytes = 0;
};

/// The one launch, or the one copy, that a gather is, with every choice made.
class GatherLaunch {
 public:
  /// Sends the lists of a large plan on `stream`.
  GatherLaunch(const CopyPlan& plan, Address bad_index, Context& context, StagingRing& ring,
               cudaStream_t stream);
  void operator()(cudaStream_t stream) const;
  /// Returns the memory that must live until the launch has run; null for small plans.
  const std::shared_ptr<DeviceMemory>& lists() const noexcept { return lists_; }

 private:
  LargePlan send_lists(const PlanParts<std::int64_t>& parts, Context& context, StagingRing& ring,
                       cudaStream_t stream);

  KernelChoice choice_;
  std::shared_ptr<DeviceMemory> lists_;
  std::variant<CopyOfRun, KernelPlan> work_;
};

}  // namespace multibuffer::cuda
