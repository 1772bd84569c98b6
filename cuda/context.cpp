#include "context.hpp"

#include <multibuffer/error.hpp>

#include "check.hpp"
#include "cuda/gather.hpp"
#include "host/text.hpp"

#include <algorithm>
#include <utility>

namespace multibuffer::cuda {

DeviceGuard::DeviceGuard(int ordinal) {
  MULTIBUFFER_CUDA_CHECK(cudaGetDevice(&previous_));
  if (previous_ == ordinal) return;
  MULTIBUFFER_CUDA_CHECK(cudaSetDevice(ordinal));
  changed_ = true;
}

DeviceGuard::~DeviceGuard() {
  if (changed_) ignore(cudaSetDevice(previous_));
}

cudaEvent_t EventPool::take() {
  {
    const std::lock_guard lock(mutex_);
    if (!idle_.empty()) {
      cudaEvent_t event = idle_.back();
      idle_.pop_back();
      return event;
    }
  }
  cudaEvent_t event = nullptr;
  MULTIBUFFER_CUDA_CHECK(cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
  return event;
}

Event EventPool::record(cudaStream_t stream) {
  Event event(take(), [this](cudaEvent_t idle) {
    const std::lock_guard lock(mutex_);
    idle_.push_back(idle);
  });
  MULTIBUFFER_CUDA_CHECK(cudaEventRecord(event.get(), stream));
  return event;
}

StreamId id_of(cudaStream_t stream) {
  StreamId id = 0;
  MULTIBUFFER_CUDA_CHECK(cudaStreamGetId(stream, &id));
  return id;
}

namespace {

[[noreturn]] void throw_unavailable(int ordinal, const std::string& why) {
  static_cast<void>(cudaGetLastError());
  throw Error(Errc::device_unavailable, text("cuda:", ordinal, ": ", why));
}

void require(int ordinal, cudaError_t error) {
  if (error != cudaSuccess) throw_unavailable(ordinal, reason_text(error));
}

int attribute(int ordinal, cudaDeviceAttr which) {
  int value = 0;
  require(ordinal, cudaDeviceGetAttribute(&value, which, ordinal));
  return value;
}

/// Whether the driver is willing to use the device, and this build has code for it.
void require_usable(int ordinal) {
  int count = 0;
  require(ordinal, cudaGetDeviceCount(&count));
  if (ordinal < 0 || ordinal >= count)
    throw_unavailable(ordinal, text("this machine has ", count, " CUDA device",
                                    count == 1 ? "" : "s", ", numbered from 0"));
  int previous = 0;
  require(ordinal, cudaGetDevice(&previous));
  require(ordinal, cudaSetDevice(ordinal));
  cudaFuncAttributes attributes{};
  const cudaError_t error = cudaFuncGetAttributes(&attributes, any_gather_kernel());
  ignore(cudaSetDevice(previous));
  if (error == cudaErrorNoKernelImageForDevice)
    throw_unavailable(ordinal, text("this build has no code for compute capability ",
                                    attribute(ordinal, cudaDevAttrComputeCapabilityMajor), ".",
                                    attribute(ordinal, cudaDevAttrComputeCapabilityMinor)));
  require(ordinal, error);
}

cudaStream_t new_stream() {
  cudaStream_t stream = nullptr;
  MULTIBUFFER_CUDA_CHECK(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  return stream;
}

}  // namespace

Context::Context(int ordinal) : ordinal_(ordinal) {
  require_usable(ordinal);
  cudaDeviceProp properties{};
  MULTIBUFFER_CUDA_CHECK(cudaGetDeviceProperties(&properties, ordinal));
  description_ = properties.name;
  has_memory_pools_ = attribute(ordinal, cudaDevAttrMemoryPoolsSupported) != 0;
  reads_pageable_memory_ = attribute(ordinal, cudaDevAttrPageableMemoryAccess) != 0;

  const DeviceGuard guard(ordinal);
  work_stream_ = new_stream();
  reclaim_stream_ = new_stream();
  fetch_stream_ = new_stream();
  if (has_memory_pools_) keep_freed_memory();
}

/// Lets the pool keep some of what is freed: left alone, it gives all of it back to the driver
/// whenever somebody synchronizes, and the next allocation costs milliseconds.
void Context::keep_freed_memory() const {
  cudaMemPool_t pool = nullptr;
  MULTIBUFFER_CUDA_CHECK(cudaDeviceGetDefaultMemPool(&pool, ordinal_));
  std::size_t free = 0;
  std::size_t total = 0;
  MULTIBUFFER_CUDA_CHECK(cudaMemGetInfo(&free, &total));
  std::uint64_t threshold = 0;
  MULTIBUFFER_CUDA_CHECK(
      cudaMemPoolGetAttribute(pool, cudaMemPoolAttrReleaseThreshold, &threshold));
  // The pool is shared with all that use it in this process: a higher wish of theirs stays.
  threshold = std::max<std::uint64_t>(threshold, total / 8);
  MULTIBUFFER_CUDA_CHECK(
      cudaMemPoolSetAttribute(pool, cudaMemPoolAttrReleaseThreshold, &threshold));
}

Mark Context::mark(cudaStream_t stream) {
  // Several threads may use one stream: recording and counting are one step.
  const std::lock_guard lock(marking_);
  Event event = events_.record(stream);
  return {std::move(event), ++marks_};
}

cudaStream_t Context::stream(StreamHandle handle) const noexcept {
  return handle ? static_cast<cudaStream_t>(handle) : work_stream_;
}

}  // namespace multibuffer::cuda
