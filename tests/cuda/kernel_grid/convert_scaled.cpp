#include "cuda/kernels/convert_scaled_body.hpp"
#include "tests/cuda/kernel_grid/run_family_body.hpp"

namespace multibuffer::testing {

template void run_family<cuda::ConvertScaled>(const cuda::KernelPlan&, const cuda::KernelChoice&,
                                              KernelMemory&, std::uint32_t, const Grid&);

}  // namespace multibuffer::testing
