#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace multibuffer::cuda {

/// Returns true for an error after which CUDA refuses all further work of this process: a kernel's
/// wrong address, say. Any later call may be the one that reports it.
bool loses_context(cudaError_t error) noexcept;

/// Returns what a message adds for such an error: that the process has lost its context. It is
/// empty for others.
std::string_view advice_for(cudaError_t error) noexcept;

/// Clears CUDA's last error and throws `cuda_failure` with the call's text, its place in the
/// source, CUDA's own name and words for the error, and the advice. Memory that CUDA does not have
/// is `out_of_device_memory`.
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
