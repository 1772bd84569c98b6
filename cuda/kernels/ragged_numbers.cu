#include "cuda/kernels/ragged.cuh"

namespace multibuffer::cuda {

template const void* ragged_kernel_of<RaggedBody::numbers>(bool);

}  // namespace multibuffer::cuda
