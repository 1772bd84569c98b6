#include "cuda/kernels/convert_float8_body.hpp"
#include "cuda/kernels/kernel.cuh"

namespace multibuffer::cuda {

template const void* kernel_of<ConvertFloat8>(const KernelPlan&, const KernelChoice&);

}  // namespace multibuffer::cuda
