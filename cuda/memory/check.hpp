#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>
#include <string>

namespace multibuffer::cuda {

/// Clears CUDA's last error and throws `cuda_failure` with the call's text, its place in the
/// source, and CUDA's own name and words for the error.
[[noreturn]] void throw_cuda_failure(cudaError_t error, const char* call, const char* file,
                                     int line);

/// Clears CUDA's last error and throws `out_of_device_memory` with the bytes asked for, free and in
/// all on the current device.
[[noreturn]] void throw_out_of_device_memory(std::int64_t bytes);

/// Ignores an error, in destructors, which cannot report. An error of earlier work is reported
/// again by the next call that can.
inline void ignore(cudaError_t error) noexcept {
  if (error != cudaSuccess) static_cast<void>(cudaGetLastError());
}

/// Explains why there is no device, in CUDA's words or plainer ones: CUDA calls a driver that is
/// not installed an insufficient version.
std::string reason_text(cudaError_t error);

}  // namespace multibuffer::cuda

/// Calls CUDA and throws if the call fails. Every call that can fail goes through this.
#define MULTIBUFFER_CUDA_CHECK(call)                                                         \
  do {                                                                                       \
    const cudaError_t multibuffer_error = (call);                                            \
    if (multibuffer_error != cudaSuccess)                                                    \
      ::multibuffer::cuda::throw_cuda_failure(multibuffer_error, #call, __FILE__, __LINE__); \
  } while (false)
