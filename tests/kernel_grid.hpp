#pragma once

#include "cuda/convert_body.hpp"
#include "cuda/gather_body.hpp"
#include "cuda/lines_body.hpp"
#include "cuda/tiles_body.hpp"
#include "cuda/words_body.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

/// Grids of kernels' bodies, thread after thread on the CPU.
namespace multibuffer::testing {

/// A block's shared memory.
template <class Word, class Access>
class PlainTiles {
 public:
  PlainTiles(Access& access, int slots, int lines, int per_turn)
      : access_(access),
        words_(static_cast<std::size_t>(slots)),
        rows_(static_cast<std::size_t>(lines)),
        tiles_(static_cast<std::size_t>(per_turn)) {}
  void set_tile(int n, const cuda::Tile& tile) { tiles_.at(static_cast<std::size_t>(n)) = tile; }
  cuda::Tile tile(int n) const { return tiles_.at(static_cast<std::size_t>(n)); }
  void set_row(int line, cuda::Address at) { rows_.at(static_cast<std::size_t>(line)) = at; }
  cuda::Address row(int line) const { return rows_.at(static_cast<std::size_t>(line)); }
  void fetch(int slot, cuda::Address at) { put(slot, access_.template load<Word>(at)); }
  void put(int slot, const Word& word) { words_.at(static_cast<std::size_t>(slot)) = word; }
  Word take(int slot) const { return words_.at(static_cast<std::size_t>(slot)); }

 private:
  Access& access_;
  std::vector<Word> words_;
  std::vector<cuda::Address> rows_;
  std::vector<cuda::Tile> tiles_;
};

// Launches. ---------------------------------------------------------------------------------------

struct Grid {
  std::uint32_t blocks = 1;
  std::uint32_t threads = cuda::threads_per_block;
};

template <class Visit>
void for_each_thread(std::uint32_t block, const Grid& grid, Visit&& visit) {
  for (std::uint32_t thread = 0; thread < grid.threads; ++thread)
    visit(cuda::Place{block, grid.blocks, thread, grid.threads});
}

/// A block of a transpose: all threads come to its barriers before one goes on.
template <int ItemBytes, int Levels, class Plan, class Access>
void run_tiles(const Plan& plan, Access& memory, std::uint32_t block, const Grid& grid) {
  using Shape = cuda::TilesOf<ItemBytes>;
  using Count = cuda::CountOf<typename Plan::Offset>;
  PlainTiles<typename Shape::Word, Access> tiles(memory, Shape::slots, Shape::lines,
                                                 Shape::shape.per_turn);
  constexpr Count turn = Shape::shape.per_turn;
  for (Count first = block * turn; first < plan.items; first += grid.blocks * turn) {
    for_each_thread(block, grid, [&](const cuda::Place& place) {
      cuda::find_tiles<ItemBytes, Levels>(plan, memory, tiles, place, first);
    });
    for_each_thread(block, grid, [&](const cuda::Place& place) {
      cuda::read_tiles<ItemBytes>(plan, memory, tiles, place);
    });
    for_each_thread(block, grid, [&](const cuda::Place& place) {
      cuda::write_tiles<ItemBytes>(plan, memory, tiles, place);
    });
  }
}

template <int VectorBytes, int Levels, class Plan, class Access>
void run_block(const Plan& plan, const cuda::KernelChoice& choice, Access& memory,
               std::uint32_t block, const Grid& grid) {
  if (choice.family == cuda::Family::tiles)
    return run_tiles<VectorBytes, Levels>(plan, memory, block, grid);
  for_each_thread(block, grid, [&](const cuda::Place& place) {
    switch (choice.family) {
      case cuda::Family::lines:
        if constexpr (VectorBytes < cuda::word_bytes)
          return cuda::gather_lines<cuda::Unsigned<VectorBytes>, Levels>(plan, memory, place);
        break;
      case cuda::Family::shifted:
        return cuda::gather_shifted<Levels>(plan, memory, place);
      case cuda::Family::words:
        return cuda::gather_words<Levels>(plan, memory, place);
      case cuda::Family::convert:
        return cuda::gather_converted<Levels>(plan, memory, place);
      default:
        return cuda::gather_elements<cuda::Unsigned<VectorBytes>, Levels>(plan, memory, place);
    }
  });
}

template <int Levels, class Plan, class Access>
void run_vectors(const Plan& plan, const cuda::KernelChoice& choice, Access& memory,
                 std::uint32_t block, const Grid& grid) {
  switch (choice.vector_bytes) {
    case 16:
      return run_block<16, Levels>(plan, choice, memory, block, grid);
    case 8:
      return run_block<8, Levels>(plan, choice, memory, block, grid);
    case 4:
      return run_block<4, Levels>(plan, choice, memory, block, grid);
    case 2:
      return run_block<2, Levels>(plan, choice, memory, block, grid);
    default:
      return run_block<1, Levels>(plan, choice, memory, block, grid);
  }
}

template <class Plan, class Access>
void run_small(const Plan& plan, const cuda::KernelChoice& choice, Access& memory,
               std::uint32_t block, const Grid& grid) {
  switch (choice.levels) {
    case 0:
      return run_vectors<0>(plan, choice, memory, block, grid);
    case 1:
      return run_vectors<1>(plan, choice, memory, block, grid);
    default:
      return run_vectors<2>(plan, choice, memory, block, grid);
  }
}

}  // namespace multibuffer::testing
