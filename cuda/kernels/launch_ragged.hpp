#pragma once

#include "cuda/kernels/ragged_kernel.hpp"

#include <cuda_runtime_api.h>

#include <cstdint>

namespace multibuffer::cuda {

/// Enqueues the kernel of a ragged plan. What it points to must stay alive until it has run.
void launch_ragged(const RaggedKernel& kernel, cudaStream_t stream);

/// Returns the kernel of a body. The instantiation is in the body's own .cu.
template <RaggedBody body>
const void* ragged_kernel_of(bool wide);

/// Enqueues the look-up of rows that indices on the device select.
void launch_look_up(const RowIndices& rows, cudaStream_t stream);

/// Enqueues the sums of the lengths that a look-up left, in their place, and the offsets that
/// follow. `scratch` is `sum_bytes` of device memory for it. Neither allocates.
std::int64_t sum_bytes(std::int64_t rows);
void launch_offsets(const RowOffsets& rows, std::byte* scratch, std::int64_t scratch_bytes,
                    cudaStream_t stream);

}  // namespace multibuffer::cuda
