#include "cuda/kernels/convert_body.hpp"
#include "tests/cuda/kernel_grid/run_family_body.hpp"

namespace multibuffer::testing {

template void run_family<cuda::Convert>(const cuda::KernelPlan&, const cuda::KernelChoice&,
                                        KernelMemory&, std::uint32_t, const Grid&);
}  // namespace multibuffer::testing
