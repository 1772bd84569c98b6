#pragma once

#include <multibuffer/stages/place.hpp>
#include <multibuffer/watch.hpp>

#include "cuda/memory/context.hpp"
#include "cuda/memory/staging.hpp"
#include "cuda/upload/upload_choice.hpp"
#include "host/backend/copy_plan.hpp"

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

namespace multibuffer::cuda {

/// Uploads host memory to device memory in the way that `choose_upload` picks.
class Uploader {
 public:
  /// Enqueues a gather without index arrays.
  using Launch = std::function<void(const CopyPlan&, cudaStream_t)>;

  Uploader(Context& context, StagingRing& ring, Launch launch)
      : context_(context), ring_(ring), launch_(std::move(launch)) {}

  /// Uploads leaves and tables. Returns, or throws, after the last read of the leaves' memory.
  UploadWay upload(const Placement& placement, const std::vector<std::int64_t>& table_offsets,
                   std::byte* arena, cudaStream_t stream, const Watch& watch);
  /// Uploads one block. Returns after the last read of `from`.
  void write(std::byte* to, const std::byte* from, std::int64_t bytes, cudaStream_t stream);

 private:
  void copy_runs(const Placement& placement, std::byte* arena, cudaStream_t stream,
                 const Watch& watch);
  void pull(const Placement& placement, std::byte* arena, cudaStream_t stream, const Watch& watch);

  Context& context_;
  StagingRing& ring_;
  Launch launch_;
};

}  // namespace multibuffer::cuda
