#pragma once

#include "cuda/kernels/kernel_choice.hpp"

#include <algorithm>

namespace multibuffer::cuda {

/// Returns the blocks that a multiprocessor shall have registers for, for __launch_bounds__: those
/// wanted, but no more than it has room for. The more threads, the more loads are in flight: 12
/// blocks of 128 leave 40 registers a thread.
constexpr unsigned resident_blocks(unsigned wanted) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 800
  constexpr unsigned room = 1024 / threads_per_block;
#else
  constexpr unsigned room = 1536 / threads_per_block;
#endif
  return std::min(wanted, room);
}

}  // namespace multibuffer::cuda
