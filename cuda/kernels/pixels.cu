#include "cuda/kernels/kernel.cuh"
#include "cuda/kernels/pixels_body.hpp"

namespace multibuffer::cuda {

template const void* kernel_of<Pixels>(const KernelPlan&, const KernelChoice&);

}  // namespace multibuffer::cuda
