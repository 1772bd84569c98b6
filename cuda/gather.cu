#include "cuda/check.hpp"
#include "cuda/gather.hpp"
#include "cuda/gather_body.hpp"
#include "cuda/global_memory.cuh"
#include "cuda/tiles_body.hpp"
#include "cuda/words_body.hpp"

#include <algorithm>
#include <cstdint>

namespace multibuffer::cuda {
namespace {

/// How many blocks a multiprocessor is to have registers for, so that the loads that they have in
/// flight are enough for its share of the memory's bandwidth: some 40 KiB on the
/// devices that ask for most. Indices in 64 bits take more registers, `shifted` and `words` load
/// twice as much a thread, and `elements` hold on to what they have read while they look for more.
template <Family family, int Bytes, class Plan>
constexpr unsigned resident_blocks() {
  const bool twice = family == Family::shifted || family == Family::words;
  const bool holds_wide_vectors = family == Family::elements && Bytes == 16;
  if (sizeof(typename Plan::Offset) == 8) return twice || holds_wide_vectors ? 3 : 4;
  if (twice) return 4;
  if (holds_wide_vectors) return 5;
  return family == Family::elements ? 6 : 7;
}

template <int Bytes, int Levels, class Plan>
__device__ void gather_tiles(const Plan& plan, const GlobalMemory& memory, const Place& place) {
  using Word = typename TilesOf<Bytes>::Word;
  using Count = CountOf<typename Plan::Offset>;
  __shared__ alignas(16) unsigned char shared[TilesOf<Bytes>::slots * sizeof(Word)];
  __shared__ Address rows[TilesOf<Bytes>::lines];
  const SharedTiles<Word> tiles{reinterpret_cast<Word*>(shared), rows};
  constexpr Count per_turn = tile_shape(Bytes).per_turn;
  for (Count first = place.block * per_turn; first < plan.items; first += place.blocks * per_turn) {
    find_tile_rows<Bytes, Levels>(plan, memory, tiles, place, first);
    __syncthreads();
    read_tiles<Bytes>(plan, memory, tiles, place, first);
    tiles.meet();
    write_tiles<Bytes>(plan, memory, tiles, place, first);
    __syncthreads();
  }
}

template <Family family, int Bytes, int Levels, class Plan>
__global__ void __launch_bounds__(threads_per_block, (resident_blocks<family, Bytes, Plan>()))
    gather(const __grid_constant__ Plan plan) {
  const Place place{blockIdx.x, gridDim.x, threadIdx.x, threads_per_block};
  const GlobalMemory memory;
  if constexpr (family == Family::elements)
    gather_elements<Unsigned<Bytes>, Levels>(plan, memory, place);
  else if constexpr (family == Family::rows)
    gather_rows<Unsigned<Bytes>, Levels>(plan, memory, place);
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
  switch (vector_bytes) {
    case 16:
      return gather<family, 16, Levels, Plan>;
    case 8:
      return gather<family, 8, Levels, Plan>;
    case 4:
      return gather<family, 4, Levels, Plan>;
    case 2:
      return gather<family, 2, Levels, Plan>;
    default:
      return gather<family, 1, Levels, Plan>;
  }
}

/// The families that count in 64 bits without a large plan; see `choose_kernel`.
template <int Levels, class Plan>
Kernel<Plan> kernel_for_aligned(const KernelChoice& choice) {
  return choice.family == Family::rows
             ? gather<Family::rows, word_bytes, Levels, Plan>
             : kernel_for_vector<Family::elements, Levels, Plan>(choice.vector_bytes);
}

template <int Levels, class Plan>
Kernel<Plan> kernel_for_family(const KernelChoice& choice) {
  switch (choice.family) {
    case Family::shifted:
      return gather<Family::shifted, word_bytes, Levels, Plan>;
    case Family::words:
      return gather<Family::words, word_bytes, Levels, Plan>;
    case Family::tiles:
      return kernel_for_vector<Family::tiles, Levels, Plan>(choice.vector_bytes);
    default:
      return kernel_for_aligned<Levels, Plan>(choice);
  }
}

Kernel<SmallPlan<std::int32_t>> kernel_for(const SmallPlan<std::int32_t>&,
                                           const KernelChoice& choice) {
  using Plan = SmallPlan<std::int32_t>;
  switch (choice.levels) {
    case 0:
      return kernel_for_family<0, Plan>(choice);
    case 1:
      return kernel_for_family<1, Plan>(choice);
    default:
      return kernel_for_family<2, Plan>(choice);
  }
}

Kernel<SmallPlan<std::int64_t>> kernel_for(const SmallPlan<std::int64_t>&,
                                           const KernelChoice& choice) {
  using Plan = SmallPlan<std::int64_t>;
  switch (choice.levels) {
    case 0:
      return kernel_for_aligned<0, Plan>(choice);
    case 1:
      return kernel_for_aligned<1, Plan>(choice);
    default:
      return kernel_for_aligned<2, Plan>(choice);
  }
}

Kernel<LargePlan> kernel_for(const LargePlan&, const KernelChoice& choice) {
  return kernel_for_family<any_levels, LargePlan>(choice);
}

/// One block for each turn of work, but no more than keep every multiprocessor busy to the end:
/// blocks then take several turns, and start up less often.
unsigned grid_blocks(std::uint64_t items, const KernelChoice& choice) {
  constexpr unsigned blocks_per_multiprocessor = 16;
  int device = 0;
  int multiprocessors = 0;
  MULTIBUFFER_CUDA_CHECK(cudaGetDevice(&device));
  MULTIBUFFER_CUDA_CHECK(
      cudaDeviceGetAttribute(&multiprocessors, cudaDevAttrMultiProcessorCount, device));
  const auto turn = static_cast<std::uint64_t>(items_per_turn(choice, threads_per_block));
  const std::uint64_t most = blocks_per_multiprocessor * static_cast<unsigned>(multiprocessors);
  return static_cast<unsigned>(std::min((items + turn - 1) / turn, most));
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
  return reinterpret_cast<const void*>(gather<Family::elements, 1, 0, SmallPlan<std::int32_t>>);
}

}  // namespace multibuffer::cuda
