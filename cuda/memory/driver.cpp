#include "cuda/memory/driver.hpp"

#include "cuda/memory/check.hpp"

namespace multibuffer::cuda {
namespace {

constexpr unsigned cuda_12_0 = 12000;
constexpr unsigned cuda_12_5 = 12050;

template <class Function>
void find(Function& function, const char* name, unsigned version = cuda_12_0) {
  void* found = nullptr;
  cudaDriverEntryPointQueryResult status{};
  const cudaError_t error =
      cudaGetDriverEntryPointByVersion(name, &found, version, cudaEnableDefault, &status);
  ignore(error);
  if (error == cudaSuccess && status == cudaDriverEntryPointSuccess)
    function = reinterpret_cast<Function>(found);
}

Driver look_up() {
  Driver driver;
  find(driver.device_get, "cuDeviceGet");
  find(driver.primary_retain, "cuDevicePrimaryCtxRetain");
  find(driver.primary_release, "cuDevicePrimaryCtxRelease");
  find(driver.primary_state, "cuDevicePrimaryCtxGetState");
  find(driver.push_current, "cuCtxPushCurrent");
  find(driver.pop_current, "cuCtxPopCurrent");
  find(driver.record_context, "cuCtxRecordEvent", cuda_12_5);
  find(driver.stream_context, "cuStreamGetCtx");
  find(driver.pointer_attributes, "cuPointerGetAttributes");
  return driver;
}

}  // namespace

const Driver& driver() {
  static const Driver found = look_up();
  return found;
}

}  // namespace multibuffer::cuda
