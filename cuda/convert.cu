#include "cuda/convert.hpp"
#include "cuda/convert_body.hpp"
#include "cuda/global_memory.cuh"
#include "cuda/resident_blocks.cuh"

#include <cstdint>

namespace multibuffer::cuda {
namespace {

/// See resident_blocks.cuh. Indices in 64 bits take more registers.
template <class Plan>
constexpr unsigned blocks_for = resident_blocks(sizeof(typename Plan::Offset) == 8 ? 6 : 12);

template <int Levels, class Plan>
__global__ void __launch_bounds__(threads_per_block, blocks_for<Plan>)
    convert(const __grid_constant__ Plan plan) {
  const Place place{blockIdx.x, gridDim.x, threadIdx.x, threads_per_block};
  const GlobalMemory memory;
  gather_converted<Levels>(plan, memory, place);
}

}  // namespace

const void* convert_kernel(const SmallPlan<std::int32_t>&, const KernelChoice& choice) {
  using Plan = SmallPlan<std::int32_t>;
  switch (choice.levels) {
    case 0:
      return reinterpret_cast<const void*>(convert<0, Plan>);
    case 1:
      return reinterpret_cast<const void*>(convert<1, Plan>);
    default:
      return reinterpret_cast<const void*>(convert<2, Plan>);
  }
}

const void* convert_kernel(const LargePlan&, const KernelChoice&) {
  return reinterpret_cast<const void*>(convert<any_levels, LargePlan>);
}

}  // namespace multibuffer::cuda
