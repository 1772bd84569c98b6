#pragma once

#include "cuda/kernels/ragged_numbers_body.hpp"
#include "cuda/kernels/ragged_words_body.hpp"
#include "tests/cuda/kernel_grid/run_ragged.hpp"

#include <variant>

namespace multibuffer::testing {

template <cuda::RaggedBody body>
void run_ragged_body(const cuda::RaggedKernel& kernel, KernelMemory& memory, std::uint32_t block,
                     const Grid& grid) {
  std::visit(
      [&](const auto& plan) {
        for (std::uint32_t thread = 0; thread < grid.threads; ++thread) {
          const cuda::Place place{block, grid.blocks, thread, grid.threads};
          if constexpr (body == cuda::RaggedBody::words)
            cuda::gather_ragged_words(plan, memory, place);
          else
            cuda::gather_ragged_numbers<body == cuda::RaggedBody::float8>(plan, memory, place);
        }
      },
      kernel.plan);
}

}  // namespace multibuffer::testing
