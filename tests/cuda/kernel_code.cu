// One kernel of each family, for kernel_code_test.sh to read what the compiler makes of it.

#include "cuda/kernels/convert_body.hpp"
#include "cuda/kernels/gather_body.hpp"
#include "cuda/kernels/global_memory.cuh"
#include "cuda/kernels/lines_body.hpp"
#include "cuda/kernels/pixels_body.hpp"
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
  gather_elements<Bytes16, 1>(plan, memory, here());
}

extern "C" __global__ void lines(const __grid_constant__ Plan plan) {
  const GlobalMemory memory;
  gather_lines<std::uint32_t, 1>(plan, memory, here());
}

extern "C" __global__ void pixels(const __grid_constant__ Plan plan) {
  const GlobalMemory memory;
  gather_pixels<1>(plan, memory, here());
}

extern "C" __global__ void shifted(const __grid_constant__ Plan plan) {
  const GlobalMemory memory;
  gather_shifted<1>(plan, memory, here());
}

extern "C" __global__ void words(const __grid_constant__ Plan plan) {
  const GlobalMemory memory;
  gather_words<1>(plan, memory, here());
}

extern "C" __global__ void tiles(const __grid_constant__ Plan plan) {
  __shared__ std::uint32_t shared[TilesOf<4>::slots];
  __shared__ Address lines[TilesOf<4>::lines];
  __shared__ alignas(Tile) unsigned char all[tile_shape(4).per_turn * sizeof(Tile)];
  const GlobalMemory memory;
  const SharedTiles<std::uint32_t> block{shared, lines, reinterpret_cast<Tile*>(all)};
  find_tiles<4, 1>(plan, memory, block, here(), 0);
  __syncthreads();
  read_tiles<4>(plan, memory, block, here());
  block.meet();
  write_tiles<4>(plan, memory, block, here());
}

extern "C" __global__ void converted(const __grid_constant__ Plan plan) {
  const GlobalMemory memory;
  gather_converted<1>(plan, memory, here());
}

}  // namespace multibuffer::cuda
