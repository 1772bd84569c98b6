#include "cuda/check.hpp"
#include "cuda/gather.hpp"
#include "cuda/gather_body.hpp"
#include "cuda/global_memory.cuh"

#include <algorithm>
#include <cstdint>

namespace multibuffer::cuda {
namespace {

/// How many blocks a multiprocessor has registers for. Without it ptxas sometimes spills a few to
/// make room for one block more.
template <class Plan>
constexpr unsigned resident_blocks = sizeof(typename Plan::Offset) == 4 ? 4 : 2;

template <Family family, class Vector, int Levels, class Plan>
__global__ void __launch_bounds__(threads_per_block, resident_blocks<Plan>)
    gather(const __grid_constant__ Plan plan) {
  const Place place{blockIdx.x, gridDim.x, threadIdx.x, threads_per_block};
  GlobalMemory memory;
  if constexpr (family == Family::rows)
    gather_rows<Vector, Levels>(plan, memory, place);
  else
    gather_elements<Vector, Levels>(plan, memory, place);
}

template <class Plan>
using Kernel = void (*)(Plan);

template <Family family, int Levels, class Plan>
Kernel<Plan> kernel_for_vector(int vector_bytes) {
  switch (vector_bytes) {
    case 16:
      return gather<family, Bytes16, Levels, Plan>;
    case 8:
      return gather<family, std::uint64_t, Levels, Plan>;
    case 4:
      return gather<family, std::uint32_t, Levels, Plan>;
    case 2:
      return gather<family, std::uint16_t, Levels, Plan>;
    default:
      return gather<family, std::uint8_t, Levels, Plan>;
  }
}

template <int Levels, class Plan>
Kernel<Plan> kernel_for_family(const KernelChoice& choice) {
  return choice.family == Family::rows
             ? kernel_for_vector<Family::rows, Levels, Plan>(choice.vector_bytes)
             : kernel_for_vector<Family::elements, Levels, Plan>(choice.vector_bytes);
}

template <class Offset>
Kernel<SmallPlan<Offset>> kernel_for(const SmallPlan<Offset>&, const KernelChoice& choice) {
  switch (choice.levels) {
    case 0:
      return kernel_for_family<0, SmallPlan<Offset>>(choice);
    case 1:
      return kernel_for_family<1, SmallPlan<Offset>>(choice);
    default:
      return kernel_for_family<2, SmallPlan<Offset>>(choice);
  }
}

Kernel<LargePlan> kernel_for(const LargePlan&, const KernelChoice& choice) {
  return kernel_for_family<any_levels, LargePlan>(choice);
}

/// One block for each tile of work, but no more than keep every multiprocessor busy to the end:
/// blocks then take several tiles, and start up less often.
unsigned grid_blocks(std::uint64_t items, const KernelChoice& choice) {
  constexpr unsigned blocks_per_multiprocessor = 64;
  int device = 0;
  int multiprocessors = 0;
  MULTIBUFFER_CUDA_CHECK(cudaGetDevice(&device));
  MULTIBUFFER_CUDA_CHECK(
      cudaDeviceGetAttribute(&multiprocessors, cudaDevAttrMultiProcessorCount, device));
  const std::uint64_t tile =
      std::uint64_t{threads_per_block} / static_cast<unsigned>(choice.lanes) * batch;
  const std::uint64_t most = blocks_per_multiprocessor * static_cast<unsigned>(multiprocessors);
  return static_cast<unsigned>(std::min((items + tile - 1) / tile, most));
}

template <class Plan>
void launch(const Plan& plan, const KernelChoice& choice, cudaStream_t stream) {
  Plan parameter = plan;
  void* arguments[] = {&parameter};
  const auto kernel = reinterpret_cast<const void*>(kernel_for(plan, choice));
  MULTIBUFFER_CUDA_CHECK(cudaLaunchKernel(kernel, dim3(grid_blocks(plan.items, choice)),
                                          dim3(threads_per_block), arguments, 0, stream));
}

}  // namespace

void launch_gather(const SmallPlan<std::int32_t>& plan, const KernelChoice& choice,
                   cudaStream_t stream) {
  launch(plan, choice, stream);
}

void launch_gather(const SmallPlan<std::int64_t>& plan, const KernelChoice& choice,
                   cudaStream_t stream) {
  launch(plan, choice, stream);
}

void launch_gather(const LargePlan& plan, const KernelChoice& choice, cudaStream_t stream) {
  launch(plan, choice, stream);
}

const void* any_gather_kernel() {
  return reinterpret_cast<const void*>(
      gather<Family::elements, std::uint8_t, 0, SmallPlan<std::int32_t>>);
}

}  // namespace multibuffer::cuda
