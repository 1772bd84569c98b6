#include "cuda/upload/copy_batch.hpp"

#include "cuda/memory/check.hpp"

#include <vector>

namespace multibuffer::cuda {
namespace {

void copy_each(std::byte* to, std::span<const SourceRun> runs, cudaStream_t stream) {
  for (const SourceRun& run : runs)
    MULTIBUFFER_CUDA_CHECK(cudaMemcpyAsync(to + run.offset, run.source,
                                           static_cast<std::size_t>(run.bytes),
                                           cudaMemcpyHostToDevice, stream));
}

}  // namespace

#if CUDART_VERSION >= 13000  // CUDA 12's form takes one argument more

void copy_batch(std::byte* to, std::span<const SourceRun> runs, cudaStream_t stream) {
  // Batches cannot be enqueued on the legacy default stream.
  if (stream == cudaStreamLegacy || runs.size() < 2) return copy_each(to, runs, stream);
  std::vector<void*> targets;
  std::vector<const void*> sources;
  std::vector<std::size_t> sizes;
  for (const SourceRun& run : runs) {
    targets.push_back(to + run.offset);
    sources.push_back(run.source);
    sizes.push_back(static_cast<std::size_t>(run.bytes));
  }
  cudaMemcpyAttributes attributes{};
  attributes.srcAccessOrder = cudaMemcpySrcAccessOrderStream;
  std::size_t first_with_them = 0;
  MULTIBUFFER_CUDA_CHECK(cudaMemcpyBatchAsync(targets.data(), sources.data(), sizes.data(),
                                              runs.size(), &attributes, &first_with_them, 1,
                                              stream));
}

#else

void copy_batch(std::byte* to, std::span<const SourceRun> runs, cudaStream_t stream) {
  copy_each(to, runs, stream);
}

#endif

}  // namespace multibuffer::cuda
