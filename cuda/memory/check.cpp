#include "cuda/memory/check.hpp"

#include <multibuffer/error.hpp>

#include "host/support/text.hpp"

#include <string_view>

namespace multibuffer::cuda {

bool loses_context(cudaError_t error) noexcept {
  // Those of which driver_types.h says so, and two kinds of memory that cannot be trusted any more.
  switch (error) {
    case cudaErrorIllegalAddress:
    case cudaErrorLaunchTimeout:
    case cudaErrorAssert:
    case cudaErrorHardwareStackError:
    case cudaErrorIllegalInstruction:
    case cudaErrorMisalignedAddress:
    case cudaErrorInvalidAddressSpace:
    case cudaErrorInvalidPc:
    case cudaErrorLaunchFailure:
    case cudaErrorMpsClientTerminated:
    case cudaErrorExternalDevice:
    case cudaErrorECCUncorrectable:
    case cudaErrorNvlinkUncorrectable:
      return true;
    default:
      break;
  }
  constexpr int contained = 226, tensor_memory_leak = 721;  // not named by every Toolkit
  return error == contained || error == tensor_memory_leak;
}

std::string_view advice_for(cudaError_t error) noexcept {
  if (!loses_context(error)) return {};
  return "; this process has lost its CUDA context: what was in the device's memory is gone, and "
         "all further work there fails. Start the process anew to use the device again";
}

void throw_cuda_failure(cudaError_t error, const char* call, const char* file, int line) {
  static_cast<void>(cudaGetLastError());
  const std::string_view path = file;
  const std::string detail =
      text(call, " at ", path.substr(path.find_last_of('/') + 1), ":", line, ": ",
           cudaGetErrorName(error), ": ", cudaGetErrorString(error), advice_for(error));
  if (error == cudaErrorMemoryAllocation) throw OutOfMemory(detail);
  throw Failure(Errc::cuda_failure, detail);
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
  return text(cudaGetErrorString(error), " (", cudaGetErrorName(error), ")", advice_for(error));
}

}  // namespace multibuffer::cuda
