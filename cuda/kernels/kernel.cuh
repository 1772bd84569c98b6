#pragma once

#include "cuda/kernels/find_rows.hpp"
#include "cuda/kernels/global_memory.cuh"
#include "cuda/kernels/launch.hpp"
#include "cuda/kernels/resident_blocks.cuh"

#include <type_traits>

/// The kernels of a family. Each family instantiates `kernel_of` in a source of its own, FAMILY.cu,
/// since they take long to compile.
namespace multibuffer::cuda {

__device__ inline Place place_of_thread() {
  return {blockIdx.x, gridDim.x, threadIdx.x, threads_per_block};
}

/// One thread of family `F`; `tiles`, whose threads share memory, specializes it.
template <class F, int Bytes, int Levels>
struct Thread {
  template <class Plan>
  __device__ __forceinline__ static void run(const Plan& plan) {
    const GlobalMemory memory;
    F::template gather<Bytes, Levels>(plan, memory, place_of_thread());
  }
};

template <class F, class Plan>
constexpr unsigned blocks_for = resident_blocks(F::blocks(sizeof(typename Plan::Offset) == 8,
                                                          std::is_same_v<Plan, LargePlan>));

template <class F, int Bytes, int Levels, class Plan>
__global__ void __launch_bounds__(threads_per_block, (blocks_for<F, Plan>))
    gather(const __grid_constant__ Plan plan) {
  Thread<F, Bytes, Levels>::run(plan);
}

template <class F>
const void* kernel_of(const KernelPlan& plan, const KernelChoice& choice) {
  const void* kernel = nullptr;
  visit_code<F>(plan, choice, [&]<int Bytes, int Levels, class Plan>(const Plan&) {
    kernel = reinterpret_cast<const void*>(gather<F, Bytes, Levels, Plan>);
  });
  return kernel;
}

}  // namespace multibuffer::cuda
