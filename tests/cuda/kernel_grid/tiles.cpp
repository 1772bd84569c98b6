#include "cuda/kernels/tiles_body.hpp"
#include "tests/cuda/kernel_grid/run_family_body.hpp"

#include <vector>

namespace multibuffer::testing {
namespace {

/// A block's shared memory.
template <class Word>
class PlainTiles {
 public:
  PlainTiles(KernelMemory& memory, int slots, int rows, int per_turn)
      : memory_(memory),
        words_(static_cast<std::size_t>(slots)),
        rows_(static_cast<std::size_t>(rows)),
        tiles_(static_cast<std::size_t>(per_turn)) {}
  void set_tile(int n, const cuda::Tile& tile) { tiles_.at(static_cast<std::size_t>(n)) = tile; }
  cuda::Tile tile(int n) const { return tiles_.at(static_cast<std::size_t>(n)); }
  void set_row(int row, cuda::Address at) { rows_.at(static_cast<std::size_t>(row)) = at; }
  cuda::Address row(int n) const { return rows_.at(static_cast<std::size_t>(n)); }
  void fetch(int slot, cuda::Address at) { put(slot, memory_.load<Word>(at)); }
  void put(int slot, const Word& word) { words_.at(static_cast<std::size_t>(slot)) = word; }
  Word take(int slot) const { return words_.at(static_cast<std::size_t>(slot)); }

 private:
  KernelMemory& memory_;
  std::vector<Word> words_;
  std::vector<cuda::Address> rows_;
  std::vector<cuda::Tile> tiles_;
};

}  // namespace

/// All threads arrive at a barrier before one continues.
template <int Bytes, int Levels>
struct ThreadsOfBlock<cuda::Tiles, Bytes, Levels> {
  template <class Plan>
  static void run(const Plan& plan, KernelMemory& memory, std::uint32_t block, const Grid& grid) {
    using Shape = cuda::TilesOf<Bytes>;
    PlainTiles<typename Shape::Word> tiles(memory, Shape::slots, Shape::rows,
                                           Shape::shape.per_turn);
    for (const auto first : cuda::turns(plan, {block, grid.blocks}, Shape::shape.per_turn)) {
      for_each_thread(block, grid, [&](const cuda::Place& place) {
        cuda::find_tiles<Bytes, Levels>(plan, memory, tiles, place, first);
      });
      for_each_thread(block, grid, [&](const cuda::Place& place) {
        cuda::read_tiles<Bytes>(plan, memory, tiles, place);
      });
      for_each_thread(block, grid, [&](const cuda::Place& place) {
        cuda::write_tiles<Bytes>(plan, memory, tiles, place);
      });
    }
  }
};

template void run_family<cuda::Tiles>(const cuda::KernelPlan&, const cuda::KernelChoice&,
                                      KernelMemory&, std::uint32_t, const Grid&);

}  // namespace multibuffer::testing
