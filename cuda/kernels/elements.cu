#include "cuda/kernels/elements_body.hpp"
#include "cuda/kernels/kernel.cuh"

namespace multibuffer::cuda {

template const void* kernel_of<Elements>(const KernelPlan&, const KernelChoice&);

}  // namespace multibuffer::cuda
