#pragma once

#include "cuda/kernels/kernel_plan.hpp"

#include <cuda_runtime_api.h>

namespace multibuffer::cuda {

/// Enqueues the kernel of `choice`, which is not `copy`. The lists of a large plan and the word for
/// bad indices must stay alive until it has run.
void launch_gather(const KernelPlan& plan, const KernelChoice& choice, cudaStream_t stream);

/// Returns the kernel of family `F`. The instantiation is in the family's own .cu.
template <class F>
const void* kernel_of(const KernelPlan& plan, const KernelChoice& choice);

/// Returns some kernel of this library, for asking whether the current device has code for it.
const void* any_gather_kernel();

}  // namespace multibuffer::cuda
