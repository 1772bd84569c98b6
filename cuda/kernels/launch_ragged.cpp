#include "cuda/kernels/launch_ragged.hpp"

#include "cuda/memory/check.hpp"
#include "host/support/rounding.hpp"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <variant>

namespace multibuffer::cuda {
namespace {

const void* kernel_for(RaggedBody body, bool wide) {
  switch (body) {
    case RaggedBody::words:
      return ragged_kernel_of<RaggedBody::words>(wide);
    case RaggedBody::numbers:
      return ragged_kernel_of<RaggedBody::numbers>(wide);
    case RaggedBody::float8:
      return ragged_kernel_of<RaggedBody::float8>(wide);
  }
  return nullptr;
}

}  // namespace

void launch_ragged(const RaggedKernel& kernel, cudaStream_t stream) {
  std::visit(
      [&](const auto& plan) {
        constexpr std::uint64_t most = std::numeric_limits<std::int32_t>::max();
        constexpr std::uint64_t turn = std::uint64_t{threads_per_block} * batch;
        const auto blocks =
            static_cast<unsigned>(std::min(ceil_divide(std::uint64_t{plan.items}, turn), most));
        // The runtime copies the parameter and does not write it.
        void* arguments[] = {const_cast<void*>(static_cast<const void*>(&plan))};
        MULTIBUFFER_CUDA_CHECK(cudaLaunchKernel(kernel_for(kernel.body, sizeof(plan.items) == 8),
                                                dim3(blocks), dim3(threads_per_block), arguments, 0,
                                                stream));
      },
      kernel.plan);
}

}  // namespace multibuffer::cuda
