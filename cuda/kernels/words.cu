#include "cuda/kernels/kernel.cuh"
#include "cuda/kernels/words_body.hpp"

namespace multibuffer::cuda {

template const void* kernel_of<Words>(const KernelPlan&, const KernelChoice&);

}  // namespace multibuffer::cuda
