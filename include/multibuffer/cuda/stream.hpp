#pragma once

#include <multibuffer/stream.hpp>

#include <cuda_runtime_api.h>

#include <cstdint>
#include <memory>
#include <type_traits>

namespace multibuffer::cuda {

/// Names `stream` for this library's calls. A null `cudaStream_t` is the default stream that CUDA
/// means by it: the thread's own under CUDA_API_PER_THREAD_DEFAULT_STREAM, else the legacy one.
inline StreamRef stream_ref(cudaStream_t stream) noexcept {
#ifdef CUDA_API_PER_THREAD_DEFAULT_STREAM
  if (!stream) return StreamRef::per_thread();
#endif
  return StreamRef::from_number(reinterpret_cast<std::uintptr_t>(stream));
}

struct StreamDeleter {
  void operator()(cudaStream_t stream) const noexcept {
    static_cast<void>(cudaStreamDestroy(stream));
  }
};

/// An owned stream. Its destructor waits for nothing; the work on it still runs.
using Stream = std::unique_ptr<std::remove_pointer_t<cudaStream_t>, StreamDeleter>;

inline StreamRef stream_ref(const Stream& stream) noexcept { return stream_ref(stream.get()); }

}  // namespace multibuffer::cuda
