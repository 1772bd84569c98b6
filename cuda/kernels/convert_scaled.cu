#include "cuda/kernels/convert_scaled_body.hpp"
#include "cuda/kernels/kernel.cuh"

namespace multibuffer::cuda {

template const void* kernel_of<ConvertScaled>(const KernelPlan&, const KernelChoice&);

}  // namespace multibuffer::cuda
