#pragma once

#include "cuda/plan/kernel_plan.hpp"

namespace multibuffer::cuda {

/// The kernels of family `convert`, for `launch_gather`. They are a source of their own because
/// that takes long enough to compile.
const void* convert_kernel(const SmallPlan<std::int32_t>& plan, const KernelChoice& choice);
const void* convert_kernel(const LargePlan& plan, const KernelChoice& choice);

}  // namespace multibuffer::cuda
