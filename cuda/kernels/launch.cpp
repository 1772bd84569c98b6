#include "cuda/kernels/launch.hpp"

#include "cuda/kernels/choose_kernel.hpp"
#include "cuda/memory/check.hpp"
#include "host/support/rounding.hpp"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <variant>

namespace multibuffer::cuda {

namespace {

/// Takes a block for each turn of work: on an H200 that is 3 to 6 % faster than fewer blocks that
/// take several turns each.
unsigned grid_blocks(std::uint64_t items, const KernelChoice& choice) {
  constexpr std::uint64_t most = std::numeric_limits<std::int32_t>::max();
  const auto turn = static_cast<std::uint64_t>(items_per_turn(choice, threads_per_block));
  return static_cast<unsigned>(std::min(ceil_divide(items, turn), most));
}

const void* kernel_for(const KernelPlan& plan, const KernelChoice& choice) {
  return visit_family(choice.family, [&]<class F>() { return kernel_of<F>(plan, choice); });
}

}  // namespace

void launch_gather(const KernelPlan& plan, const KernelChoice& choice, cudaStream_t stream) {
  std::visit(
      [&](const auto& parameter) {
        // The runtime copies the parameter and does not write it.
        void* arguments[] = {const_cast<void*>(static_cast<const void*>(&parameter))};
        MULTIBUFFER_CUDA_CHECK(cudaLaunchKernel(kernel_for(plan, choice),
                                                dim3(grid_blocks(parameter.items, choice)),
                                                dim3(threads_per_block), arguments, 0, stream));
      },
      plan);
}

const void* any_gather_kernel() {
  return kernel_for(SmallPlan<std::int32_t>{}, {Family::elements, 1, false, 0});
}

}  // namespace multibuffer::cuda
