#pragma once

#include "cuda/kernels/global_memory.cuh"
#include "cuda/kernels/launch_ragged.hpp"
#include "cuda/kernels/ragged_numbers_body.hpp"
#include "cuda/kernels/ragged_words_body.hpp"
#include "cuda/kernels/resident_blocks.cuh"

#include <cstdint>

/// The kernels of ragged plans. Each body has a source of its own, since they take long to compile.
namespace multibuffer::cuda {

/// Blocks that a multiprocessor shall have registers for. A word may be made of many pieces, and
/// what finds them takes more registers than a gather's arithmetic.
template <RaggedBody body>
constexpr unsigned ragged_blocks(bool wide) {
  if (body == RaggedBody::words) return wide ? 5 : 8;
  return wide ? 4 : 6;
}

template <RaggedBody body, class Plan>
__global__ void __launch_bounds__(
    threads_per_block, (resident_blocks(ragged_blocks<body>(sizeof(typename Plan::Offset) == 8))))
    copy_ragged(const __grid_constant__ Plan plan) {
  const GlobalMemory memory;
  const Place place{blockIdx.x, gridDim.x, threadIdx.x, threads_per_block};
  if constexpr (body == RaggedBody::words)
    gather_ragged_words(plan, memory, place);
  else
    gather_ragged_numbers<body == RaggedBody::float8>(plan, memory, place);
}

template <RaggedBody body>
const void* ragged_kernel_of(bool wide) {
  if (wide) return reinterpret_cast<const void*>(copy_ragged<body, KernelRagged<std::int64_t>>);
  return reinterpret_cast<const void*>(copy_ragged<body, KernelRagged<std::int32_t>>);
}

}  // namespace multibuffer::cuda
