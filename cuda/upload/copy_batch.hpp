#pragma once

#include "cuda/upload/source_runs.hpp"

#include <cuda_runtime_api.h>

#include <cstddef>
#include <span>

namespace multibuffer::cuda {

/// Enqueues copies of `runs`, which are page-locked memory, to their offsets in device memory at
/// `to`.
void copy_batch(std::byte* to, std::span<const SourceRun> runs, cudaStream_t stream);

}  // namespace multibuffer::cuda
