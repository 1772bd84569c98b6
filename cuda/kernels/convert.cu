#include "cuda/kernels/convert_body.hpp"
#include "cuda/kernels/kernel.cuh"

namespace multibuffer::cuda {

template const void* kernel_of<Convert>(const KernelPlan&, const KernelChoice&);

}  // namespace multibuffer::cuda
