#include "tests/cuda/kernel_grid.hpp"

#include "cuda/kernels/convert_body.hpp"
#include "cuda/kernels/gather_body.hpp"
#include "cuda/kernels/lines_body.hpp"
#include "cuda/kernels/pixels_body.hpp"
#include "cuda/kernels/tiles_body.hpp"
#include "cuda/kernels/words_body.hpp"

#include <type_traits>
#include <vector>

namespace multibuffer::testing {
namespace {

/// A block's shared memory.
template <class Word>
class PlainTiles {
 public:
  PlainTiles(KernelMemory& memory, int slots, int lines, int per_turn)
      : memory_(memory),
        words_(static_cast<std::size_t>(slots)),
        rows_(static_cast<std::size_t>(lines)),
        tiles_(static_cast<std::size_t>(per_turn)) {}
  void set_tile(int n, const cuda::Tile& tile) { tiles_.at(static_cast<std::size_t>(n)) = tile; }
  cuda::Tile tile(int n) const { return tiles_.at(static_cast<std::size_t>(n)); }
  void set_row(int line, cuda::Address at) { rows_.at(static_cast<std::size_t>(line)) = at; }
  cuda::Address row(int line) const { return rows_.at(static_cast<std::size_t>(line)); }
  void fetch(int slot, cuda::Address at) { put(slot, memory_.load<Word>(at)); }
  void put(int slot, const Word& word) { words_.at(static_cast<std::size_t>(slot)) = word; }
  Word take(int slot) const { return words_.at(static_cast<std::size_t>(slot)); }

 private:
  KernelMemory& memory_;
  std::vector<Word> words_;
  std::vector<cuda::Address> rows_;
  std::vector<cuda::Tile> tiles_;
};

template <class Visit>
void for_each_thread(std::uint32_t block, const Grid& grid, Visit&& visit) {
  for (std::uint32_t thread = 0; thread < grid.threads; ++thread)
    visit(cuda::Place{block, grid.blocks, thread, grid.threads});
}

/// A block of a transpose: all threads come to its barriers before one goes on.
template <int ItemBytes, int Levels, class Plan>
void run_tiles(const Plan& plan, KernelMemory& memory, std::uint32_t block, const Grid& grid) {
  using Shape = cuda::TilesOf<ItemBytes>;
  PlainTiles<typename Shape::Word> tiles(memory, Shape::slots, Shape::lines, Shape::shape.per_turn);
  for (const auto first : cuda::turns(plan, {block, grid.blocks}, Shape::shape.per_turn)) {
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

template <int Levels, class Plan>
void run_elements(const Plan& plan, const cuda::KernelChoice& choice, KernelMemory& memory,
                  std::uint32_t block, const Grid& grid) {
  cuda::visit_vector(choice.vector_bytes, [&]<class Vector>() {
    for_each_thread(block, grid, [&](const cuda::Place& place) {
      cuda::gather_elements<Vector, Levels>(plan, memory, place);
    });
  });
}

/// Items that fill a word are vectors, which `elements` copies.
template <int Levels, class Plan>
void run_lines(const Plan& plan, const cuda::KernelChoice& choice, KernelMemory& memory,
               std::uint32_t block, const Grid& grid) {
  cuda::visit_vector(choice.vector_bytes, [&]<class Item>() {
    if constexpr (sizeof(Item) < cuda::word_bytes)
      for_each_thread(block, grid, [&](const cuda::Place& place) {
        cuda::gather_lines<Item, Levels>(plan, memory, place);
      });
  });
}

template <int Levels, class Plan>
void run_family(const Plan& plan, const cuda::KernelChoice& choice, KernelMemory& memory,
                std::uint32_t block, const Grid& grid) {
  switch (choice.family) {
    case cuda::Family::tiles:
      return cuda::visit_vector(choice.vector_bytes, [&]<class Item>() {
        run_tiles<sizeof(Item), Levels>(plan, memory, block, grid);
      });
    case cuda::Family::lines:
      return run_lines<Levels>(plan, choice, memory, block, grid);
    case cuda::Family::pixels:
      return for_each_thread(block, grid, [&](const cuda::Place& place) {
        cuda::gather_pixels<Levels>(plan, memory, place);
      });
    case cuda::Family::shifted:
      return for_each_thread(block, grid, [&](const cuda::Place& place) {
        cuda::gather_shifted<Levels>(plan, memory, place);
      });
    case cuda::Family::words:
      return for_each_thread(block, grid, [&](const cuda::Place& place) {
        cuda::gather_words<Levels>(plan, memory, place);
      });
    case cuda::Family::convert:
      return for_each_thread(block, grid, [&](const cuda::Place& place) {
        cuda::has_float8_numbers(plan.conversion)
            ? cuda::gather_converted<Levels, true>(plan, memory, place)
            : cuda::gather_converted<Levels, false>(plan, memory, place);
      });
    default:
      return run_elements<Levels>(plan, choice, memory, block, grid);
  }
}

}  // namespace

void run_block(const cuda::SmallPlan<std::int32_t>& plan, const cuda::KernelChoice& choice,
               KernelMemory& memory, std::uint32_t block, const Grid& grid) {
  cuda::visit_levels(plan, choice,
                     [&]<int Levels>() { run_family<Levels>(plan, choice, memory, block, grid); });
}

void run_block(const cuda::SmallPlan<std::int64_t>& plan, const cuda::KernelChoice& choice,
               KernelMemory& memory, std::uint32_t block, const Grid& grid) {
  cuda::visit_levels(
      plan, choice, [&]<int Levels>() { run_elements<Levels>(plan, choice, memory, block, grid); });
}

void run_block(const cuda::LargePlan& plan, const cuda::KernelChoice& choice, KernelMemory& memory,
               std::uint32_t block, const Grid& grid) {
  run_family<cuda::any_levels>(plan, choice, memory, block, grid);
}

}  // namespace multibuffer::testing
