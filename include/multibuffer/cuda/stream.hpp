#pragma once

#include <multibuffer/device.hpp>

#include <cuda_runtime_api.h>

#include <memory>
#include <type_traits>

namespace multibuffer::cuda {

/// The handle of `stream` for this library's calls. CUDA's own default stream has no `StreamHandle`
/// of nullptr, which is a device's private stream, but is the legacy one by its explicit name.
inline StreamHandle stream_handle(cudaStream_t stream) noexcept {
#ifdef CUDA_API_PER_THREAD_DEFAULT_STREAM
  return stream ? stream : cudaStreamPerThread;
#else
  return stream ? stream : cudaStreamLegacy;
#endif
}

struct StreamDeleter {
  void operator()(cudaStream_t stream) const noexcept {
    static_cast<void>(cudaStreamDestroy(stream));
  }
};

/// An owned stream. Its destructor waits for nothing; the work on it still runs.
using Stream = std::unique_ptr<std::remove_pointer_t<cudaStream_t>, StreamDeleter>;

inline StreamHandle stream_handle(const Stream& stream) noexcept {
  return stream_handle(stream.get());
}

}  // namespace multibuffer::cuda
