#include <multibuffer/error.hpp>

#include "cuda/kernels/compare.hpp"
#include "cuda/kernels/global_memory.cuh"
#include "cuda/memory/check.hpp"

#include <thrust/execution_policy.h>
#include <thrust/iterator/counting_iterator.h>
#include <thrust/system_error.h>
#include <thrust/transform_reduce.h>

#include <cstdint>
#include <new>

namespace multibuffer::cuda {
namespace {

// A template, since nvcc would compile the body of a plain function for the host as well.
template <class Access>
struct CompareBlock {
  Comparands arrays;
  __device__ Difference operator()(std::int64_t block) const {
    Access memory;
    return compare_block(arrays, memory, block);
  }
};

}  // namespace

Difference compare(const Comparands& arrays, cudaStream_t stream) {
  const thrust::counting_iterator<std::int64_t> blocks(0);
  try {
    return thrust::transform_reduce(thrust::cuda::par.on(stream), blocks, blocks + arrays.blocks(),
                                    CompareBlock<GlobalMemory>{arrays}, Difference{}, Combine{});
  } catch (const std::bad_alloc& error) {  // Thrust's own is one, too
    throw OutOfMemory(error.what());
  } catch (const thrust::system_error& error) {
    throw_cuda_failure(static_cast<cudaError_t>(error.code().value()), error.what(), __FILE__,
                       __LINE__);
  }
}

}  // namespace multibuffer::cuda
