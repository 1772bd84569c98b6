#include "cuda/kernels/kernel.cuh"
#include "cuda/kernels/tiles_body.hpp"

namespace multibuffer::cuda {

template <int Bytes, int Levels>
struct Thread<Tiles, Bytes, Levels> {
  template <class Plan>
  __device__ __forceinline__ static void run(const Plan& plan) {
    using Word = typename TilesOf<Bytes>::Word;
    __shared__ alignas(16) unsigned char shared[TilesOf<Bytes>::slots * sizeof(Word)];
    __shared__ Address rows[TilesOf<Bytes>::rows];
    constexpr int per_turn = tile_shape(Bytes).per_turn;
    __shared__ alignas(Tile) unsigned char all[per_turn * sizeof(Tile)];
    const SharedTiles<Word> tiles{reinterpret_cast<Word*>(shared), rows,
                                  reinterpret_cast<Tile*>(all)};
    const GlobalMemory memory;
    const Place place = place_of_thread();
    for (const auto first : turns(plan, place, per_turn)) {
      find_tiles<Bytes, Levels>(plan, memory, tiles, place, first);
      __syncthreads();
      read_tiles<Bytes>(plan, memory, tiles, place);
      tiles.barrier();
      write_tiles<Bytes>(plan, memory, tiles, place);
      __syncthreads();
    }
  }
};

template const void* kernel_of<Tiles>(const KernelPlan&, const KernelChoice&);

}  // namespace multibuffer::cuda
