#include "tests/cuda/kernel_grid/run_ragged_body.hpp"

namespace multibuffer::testing {

template void run_ragged_body<cuda::RaggedBody::float8>(const cuda::RaggedKernel&, KernelMemory&,
                                                        std::uint32_t, const Grid&);

}  // namespace multibuffer::testing
