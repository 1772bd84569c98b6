#include "cuda/kernels/convert.hpp"
#include "cuda/kernels/convert_body.hpp"
#include "cuda/kernels/global_memory.cuh"
#include "cuda/kernels/resident_blocks.cuh"

#include <cstdint>

namespace multibuffer::cuda {
namespace {

/// See resident_blocks.cuh. Indices in 64 bits take more registers, and so do floats of 8 bits.
template <class Plan, bool float8>
constexpr unsigned blocks_for = resident_blocks(sizeof(typename Plan::Offset) == 8
                                                    ? (float8 ? 5 : 6)
                                                    : (float8 ? 8 : 12));

template <int Levels, bool float8, class Plan>
__global__ void __launch_bounds__(threads_per_block, blocks_for<Plan, float8>)
    convert(const __grid_constant__ Plan plan) {
  const Place place{blockIdx.x, gridDim.x, threadIdx.x, threads_per_block};
  const GlobalMemory memory;
  gather_converted<Levels, float8>(plan, memory, place);
}

template <class Plan>
const void* kernel_for(const Plan& plan, const KernelChoice& choice) {
  return visit_levels(plan, choice, [&]<int Levels>() {
    return has_float8_numbers(plan.conversion)
               ? reinterpret_cast<const void*>(convert<Levels, true, Plan>)
               : reinterpret_cast<const void*>(convert<Levels, false, Plan>);
  });
}

}  // namespace

const void* convert_kernel(const SmallPlan<std::int32_t>& plan, const KernelChoice& choice) {
  return kernel_for(plan, choice);
}
const void* convert_kernel(const LargePlan& plan, const KernelChoice& choice) {
  return kernel_for(plan, choice);
}

}  // namespace multibuffer::cuda
