#include "cuda/kernels/convert.hpp"
#include "cuda/kernels/gather_body.hpp"
#include "cuda/kernels/global_memory.cuh"
#include "cuda/kernels/launch.hpp"
#include "cuda/kernels/lines_body.hpp"
#include "cuda/kernels/pixels.hpp"
#include "cuda/kernels/resident_blocks.cuh"
#include "cuda/kernels/tiles_body.hpp"
#include "cuda/kernels/words_body.hpp"
#include "cuda/memory/check.hpp"
#include "host/support/rounding.hpp"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <type_traits>

namespace multibuffer::cuda {
namespace {

/// See resident_blocks.cuh. Indices in 64 bits take more registers, and so does `words`, which may
/// need two rows for each word. Where plans are of any size, more blocks spilled on sm_90.
template <Family family, class Plan>
constexpr unsigned blocks_for() {
  const bool is_wide = sizeof(typename Plan::Offset) == 8;
  if (family == Family::words) return resident_blocks(is_wide ? 5 : 8);
  if (family == Family::tiles) return resident_blocks(is_wide ? 6 : 10);
  if (std::is_same_v<Plan, LargePlan> && family == Family::elements) return resident_blocks(6);
  if (std::is_same_v<Plan, LargePlan> && family == Family::lines) return resident_blocks(5);
  return resident_blocks(is_wide ? 7 : 12);
}

template <int Bytes, int Levels, class Plan>
__device__ void gather_tiles(const Plan& plan, const GlobalMemory& memory, const Place& place) {
  using Word = typename TilesOf<Bytes>::Word;
  __shared__ alignas(16) unsigned char shared[TilesOf<Bytes>::slots * sizeof(Word)];
  __shared__ Address rows[TilesOf<Bytes>::lines];
  constexpr int per_turn = tile_shape(Bytes).per_turn;
  __shared__ alignas(Tile) unsigned char all[per_turn * sizeof(Tile)];
  const SharedTiles<Word> tiles{reinterpret_cast<Word*>(shared), rows,
                                reinterpret_cast<Tile*>(all)};
  for (const auto first : turns(plan, place, per_turn)) {
    find_tiles<Bytes, Levels>(plan, memory, tiles, place, first);
    __syncthreads();
    read_tiles<Bytes>(plan, memory, tiles, place);
    tiles.meet();
    write_tiles<Bytes>(plan, memory, tiles, place);
    __syncthreads();
  }
}

template <Family family, int Bytes, int Levels, class Plan>
__global__ void __launch_bounds__(threads_per_block, (blocks_for<family, Plan>()))
    gather(const __grid_constant__ Plan plan) {
  const Place place{blockIdx.x, gridDim.x, threadIdx.x, threads_per_block};
  const GlobalMemory memory;
  if constexpr (family == Family::elements)
    gather_elements<Unsigned<Bytes>, Levels>(plan, memory, place);
  else if constexpr (family == Family::lines)
    gather_lines<Unsigned<Bytes>, Levels>(plan, memory, place);
  else if constexpr (family == Family::shifted)
    gather_shifted<Levels>(plan, memory, place);
  else if constexpr (family == Family::words)
    gather_words<Levels>(plan, memory, place);
  else
    gather_tiles<Bytes, Levels>(plan, memory, place);
}

template <class Plan>
using Kernel = void (*)(Plan);

template <Family family, int Levels, class Plan>
Kernel<Plan> kernel_for_vector(int vector_bytes) {
  return visit_vector(vector_bytes, [&]<class Vector>() -> Kernel<Plan> {
    // Items that fill a word are vectors already.
    if constexpr (family != Family::lines || sizeof(Vector) < word_bytes)
      return gather<family, sizeof(Vector), Levels, Plan>;
    else
      return nullptr;
  });
}

template <int Levels, class Plan>
Kernel<Plan> kernel_for_family(const KernelChoice& choice) {
  switch (choice.family) {
    case Family::lines:
      return kernel_for_vector<Family::lines, Levels, Plan>(choice.vector_bytes);
    case Family::shifted:
      return gather<Family::shifted, word_bytes, Levels, Plan>;
    case Family::words:
      return gather<Family::words, word_bytes, Levels, Plan>;
    case Family::tiles:
      return kernel_for_vector<Family::tiles, Levels, Plan>(choice.vector_bytes);
    default:
      return kernel_for_vector<Family::elements, Levels, Plan>(choice.vector_bytes);
  }
}

/// Of small plans, `elements` alone counts in 64 bits; see `choose_kernel`.
template <class Plan>
Kernel<Plan> kernel_for(const Plan& plan, const KernelChoice& choice) {
  return visit_levels(plan, choice, [&]<int Levels>() {
    if constexpr (std::is_same_v<Plan, SmallPlan<std::int64_t>>)
      return kernel_for_vector<Family::elements, Levels, Plan>(choice.vector_bytes);
    else
      return kernel_for_family<Levels, Plan>(choice);
  });
}

/// A block for each turn of work: on an H200 that is 3 to 6 % faster than fewer blocks that take
/// several turns each.
unsigned grid_blocks(std::uint64_t items, const KernelChoice& choice) {
  constexpr std::uint64_t most = std::numeric_limits<std::int32_t>::max();
  const auto turn = static_cast<std::uint64_t>(items_per_turn(choice, threads_per_block));
  return static_cast<unsigned>(std::min(ceil_divide(items, turn), most));
}

template <class Plan>
const void* kernel_of(const Plan& plan, const KernelChoice& choice) {
  if constexpr (!std::is_same_v<Plan, SmallPlan<std::int64_t>>) {
    if (choice.family == Family::convert) return convert_kernel(plan, choice);
    if (choice.family == Family::pixels) return pixels_kernel(plan, choice);
  }
  return reinterpret_cast<const void*>(kernel_for(plan, choice));
}

template <class Plan>
void launch(const Plan& plan, const KernelChoice& choice, cudaStream_t stream) {
  Plan parameter = plan;
  void* arguments[] = {&parameter};
  MULTIBUFFER_CUDA_CHECK(cudaLaunchKernel(kernel_of(plan, choice),
                                          dim3(grid_blocks(plan.items, choice)),
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
  return reinterpret_cast<const void*>(gather<Family::elements, 1, 0, SmallPlan<std::int32_t>>);
}

}  // namespace multibuffer::cuda
