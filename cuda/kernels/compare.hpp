#pragma once

#include "cuda/kernels/compare_body.hpp"

#include <cuda_runtime_api.h>

namespace multibuffer::cuda {

/// Compares after all earlier work on `stream`, and waits for the answer.
Difference compare(const Comparands& arrays, cudaStream_t stream);

}  // namespace multibuffer::cuda
