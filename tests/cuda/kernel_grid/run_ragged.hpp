#pragma once

#include "cuda/kernels/ragged_kernel.hpp"
#include "tests/cuda/kernel_grid/run_block.hpp"

#include <cstdint>

namespace multibuffer::testing {

/// Runs one block of a ragged copy's grid.
void run_ragged_block(const cuda::RaggedKernel& kernel, KernelMemory& memory, std::uint32_t block,
                      const Grid& grid);

/// Runs a body of it. The instantiation is in a source of the body's name.
template <cuda::RaggedBody body>
void run_ragged_body(const cuda::RaggedKernel& kernel, KernelMemory& memory, std::uint32_t block,
                     const Grid& grid);

/// Runs what comes before a copy whose rows are selected on the device: a grid of the look-up, and
/// one of the offsets, after the sums.
void run_look_up(const cuda::RowIndices& rows, KernelMemory& memory);
void run_offsets(const cuda::RowOffsets& rows, KernelMemory& memory);

}  // namespace multibuffer::testing
