#pragma once

#include "cuda/plan/kernel_plan.hpp"

#include <cuda_runtime_api.h>

namespace multibuffer::cuda {

/// Enqueue the kernel of `choice`, which is not `copy`. A large plan's lists, and the word for bad
/// indices, stay alive until it has run.
void launch_gather(const SmallPlan<std::int32_t>& plan, const KernelChoice& choice,
                   cudaStream_t stream);
void launch_gather(const SmallPlan<std::int64_t>& plan, const KernelChoice& choice,
                   cudaStream_t stream);
void launch_gather(const LargePlan& plan, const KernelChoice& choice, cudaStream_t stream);

/// Some kernel of this library, for asking whether the current device has code for it.
const void* any_gather_kernel();

}  // namespace multibuffer::cuda
