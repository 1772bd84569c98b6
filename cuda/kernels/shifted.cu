#include "cuda/kernels/kernel.cuh"
#include "cuda/kernels/shifted_body.hpp"

namespace multibuffer::cuda {

template const void* kernel_of<Shifted>(const KernelPlan&, const KernelChoice&);

}  // namespace multibuffer::cuda
