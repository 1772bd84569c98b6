#include "tests/cuda/kernel_grid/run_block.hpp"

#include "tests/cuda/kernel_grid/run_family.hpp"

namespace multibuffer::testing {

void run_block(const cuda::KernelPlan& plan, const cuda::KernelChoice& choice, KernelMemory& memory,
               std::uint32_t block, const Grid& grid) {
  cuda::visit_family(choice.family,
                     [&]<class F>() { run_family<F>(plan, choice, memory, block, grid); });
}

}  // namespace multibuffer::testing
