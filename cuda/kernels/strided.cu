#include "cuda/kernels/kernel.cuh"
#include "cuda/kernels/strided_body.hpp"

namespace multibuffer::cuda {

template const void* kernel_of<Strided>(const KernelPlan&, const KernelChoice&);

}  // namespace multibuffer::cuda
