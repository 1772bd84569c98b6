#pragma once

#include <cuda.h>

namespace multibuffer::cuda {

/// Functions of the driver that the runtime does not offer. They are looked up at run time, because
/// a program linked with the driver's library does not start without a driver. A function that this
/// driver lacks is null.
struct Driver {
  decltype(&cuDeviceGet) device_get = nullptr;
  decltype(&cuDevicePrimaryCtxRetain) primary_retain = nullptr;
  decltype(&cuDevicePrimaryCtxRelease) primary_release = nullptr;
  decltype(&cuDevicePrimaryCtxGetState) primary_state = nullptr;
  decltype(&cuCtxPushCurrent) push_current = nullptr;
  decltype(&cuCtxPopCurrent) pop_current = nullptr;
  decltype(&cuCtxRecordEvent) record_context = nullptr;  ///< since CUDA 12.5
  decltype(&cuStreamGetCtx) stream_context = nullptr;
  decltype(&cuPointerGetAttributes) pointer_attributes = nullptr;

  /// Returns true if all functions that a device needs are there.
  bool has_contexts() const noexcept {
    return device_get && primary_retain && primary_release && push_current && pop_current;
  }
};

/// Returns the functions, which are looked up once. Thread-safe.
const Driver& driver();

}  // namespace multibuffer::cuda
