#include "cuda/kernels/ragged.cuh"

namespace multibuffer::cuda {

template const void* ragged_kernel_of<RaggedBody::float8>(bool);

}  // namespace multibuffer::cuda
