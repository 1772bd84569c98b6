#pragma once

#include "cuda/kernels/find_rows.hpp"
#include "tests/cuda/kernel_grid/run_family.hpp"

namespace multibuffer::testing {

template <class Visit>
void for_each_thread(std::uint32_t block, const Grid& grid, Visit&& visit) {
  for (std::uint32_t thread = 0; thread < grid.threads; ++thread)
    visit(cuda::Place{block, grid.blocks, thread, grid.threads});
}

/// The threads of a block, one after the other; `tiles`, whose threads share memory, specializes
/// it.
template <class F, int Bytes, int Levels>
struct ThreadsOfBlock {
  template <class Plan>
  static void run(const Plan& plan, KernelMemory& memory, std::uint32_t block, const Grid& grid) {
    for_each_thread(block, grid, [&](const cuda::Place& place) {
      F::template gather<Bytes, Levels>(plan, memory, place);
    });
  }
};

template <class F>
void run_family(const cuda::KernelPlan& plan, const cuda::KernelChoice& choice,
                KernelMemory& memory, std::uint32_t block, const Grid& grid) {
  cuda::visit_code<F>(plan, choice, [&]<int Bytes, int Levels>(const auto& parameter) {
    ThreadsOfBlock<F, Bytes, Levels>::run(parameter, memory, block, grid);
  });
}

}  // namespace multibuffer::testing
