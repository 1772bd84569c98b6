// One kernel of each family, whose code kernel_code_test.sh checks.

#include "cuda/kernels/convert_body.hpp"
#include "cuda/kernels/elements_body.hpp"
#include "cuda/kernels/global_memory.cuh"
#include "cuda/kernels/pixels_body.hpp"
#include "cuda/kernels/shifted_body.hpp"
#include "cuda/kernels/strided_body.hpp"
#include "cuda/kernels/tiles_body.hpp"
#include "cuda/kernels/words_body.hpp"

#include <cstdint>

namespace multibuffer::cuda {
namespace {

using Plan = SmallPlan<std::int32_t>;

__device__ Place here() { return {blockIdx.x, gridDim.x, threadIdx.x, blockDim.x}; }

}  // namespace

extern "C" __global__ void elements(const __grid_constant__ Plan plan) {
  const GlobalMemory memory;
  Elements::gather<16, 1>(plan, memory, here());
}

extern "C" __global__ void strided(const __grid_constant__ Plan plan) {
  const GlobalMemory memory;
  Strided::gather<4, 1>(plan, memory, here());
}

extern "C" __global__ void pixels(const __grid_constant__ Plan plan) {
  const GlobalMemory memory;
  Pixels::gather<16, 1>(plan, memory, here());
}

extern "C" __global__ void shifted(const __grid_constant__ Plan plan) {
  const GlobalMemory memory;
  Shifted::gather<16, 1>(plan, memory, here());
}

extern "C" __global__ void words(const __grid_constant__ Plan plan) {
  const GlobalMemory memory;
  Words::gather<16, 1>(plan, memory, here());
}

extern "C" __global__ void tiles(const __grid_constant__ Plan plan) {
  __shared__ std::uint32_t shared[TilesOf<4>::slots];
  __shared__ Address rows[TilesOf<4>::rows];
  __shared__ alignas(Tile) unsigned char all[tile_shape(4).per_turn * sizeof(Tile)];
  const GlobalMemory memory;
  const SharedTiles<std::uint32_t> block{shared, rows, reinterpret_cast<Tile*>(all)};
  find_tiles<4, 1>(plan, memory, block, here(), 0);
  __syncthreads();
  read_tiles<4>(plan, memory, block, here());
  block.barrier();
  write_tiles<4>(plan, memory, block, here());
}

extern "C" __global__ void converted(const __grid_constant__ Plan plan) {
  const GlobalMemory memory;
  Convert::gather<16, 1>(plan, memory, here());
}

}  // namespace multibuffer::cuda
