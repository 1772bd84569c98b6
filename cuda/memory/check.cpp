#include "cuda/memory/check.hpp"

#include <multibuffer/error.hpp>

#include "host/support/text.hpp"

#include <string_view>

namespace multibuffer::cuda {

void throw_cuda_failure(cudaError_t error, const char* call, const char* file, int line) {
  static_cast<void>(cudaGetLastError());
  const std::string_view path = file;
  throw Failure(Errc::cuda_failure,
                text(call, " at ", path.substr(path.find_last_of('/') + 1), ":", line, ": ",
                     cudaGetErrorName(error), ": ", cudaGetErrorString(error)));
}

void throw_out_of_device_memory(std::int64_t bytes) {
  static_cast<void>(cudaGetLastError());
  std::size_t free = 0;
  std::size_t total = 0;
  ignore(cudaMemGetInfo(&free, &total));
  throw OutOfMemory(text(bytes, " bytes asked for, ", free, " of ", total, " bytes free"));
}

std::string reason_text(cudaError_t error) {
  int driver = 0;
  if (error == cudaErrorInsufficientDriver && cudaDriverGetVersion(&driver) == cudaSuccess &&
      driver == 0)
    return text("no NVIDIA driver was found (", cudaGetErrorName(error), ")");
  return text(cudaGetErrorString(error), " (", cudaGetErrorName(error), ")");
}

}  // namespace multibuffer::cuda
