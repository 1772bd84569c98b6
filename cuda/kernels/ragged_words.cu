#include "cuda/kernels/ragged.cuh"

namespace multibuffer::cuda {

template const void* ragged_kernel_of<RaggedBody::words>(bool);

}  // namespace multibuffer::cuda
