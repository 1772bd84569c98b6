#pragma once

#include "cuda/kernels/launch_ragged.hpp"
#include "cuda/memory/device_memory.hpp"
#include "cuda/memory/staging.hpp"
#include "host/backend/ragged_plan.hpp"

#include <cuda_runtime_api.h>

#include <cstdint>
#include <memory>
#include <optional>

namespace multibuffer::cuda {

/// The launches that a ragged copy is, with every choice made: the copy and, where indices on the
/// device select the rows, the look-up of these and their offsets before it.
class RaggedLaunch {
 public:
  /// Allocates what the launches need besides the plan's own memory, and sends the padding to it.
  RaggedLaunch(const RaggedPlan& plan, Address bad_index, Context& context, StagingRing& ring,
               cudaStream_t stream);
  void operator()(cudaStream_t stream) const;
  /// Returns the memory that the launches write and read besides the plan's; null if none.
  const std::shared_ptr<DeviceMemory>& scratch() const noexcept { return scratch_; }

 private:
  std::shared_ptr<DeviceMemory> scratch_;
  std::optional<RowIndices> look_up_;
  std::optional<RowOffsets> offsets_;
  std::byte* sum_scratch_ = nullptr;
  std::int64_t sum_bytes_ = 0;
  std::optional<RaggedKernel> copy_;  ///< none where there are no bytes to write
};

}  // namespace multibuffer::cuda
