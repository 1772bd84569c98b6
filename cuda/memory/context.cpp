#include "cuda/memory/context.hpp"

#include <multibuffer/error.hpp>

#include "cuda/memory/check.hpp"
#include "cuda/memory/driver.hpp"
#include "host/support/text.hpp"

#include <algorithm>
#include <exception>
#include <optional>
#include <utility>

namespace multibuffer::cuda {
namespace {

[[noreturn]] void throw_unavailable(int ordinal, const std::string& why) {
  static_cast<void>(cudaGetLastError());
  throw Failure(Errc::device_unavailable, text("cuda:", ordinal, ": ", why));
}

void require(int ordinal, cudaError_t error) {
  if (error != cudaSuccess) throw_unavailable(ordinal, reason_text(error));
}

int attribute(int ordinal, cudaDeviceAttr which) {
  int value = 0;
  require(ordinal, cudaDeviceGetAttribute(&value, which, ordinal));
  return value;
}

/// Retains the device's primary context, which is made if there is none, until the process ends.
CUcontext primary_context(int ordinal) {
  int count = 0;
  require(ordinal, cudaGetDeviceCount(&count));
  if (ordinal < 0 || ordinal >= count)
    throw_unavailable(ordinal, text("this machine has ", count, " CUDA device",
                                    count == 1 ? "" : "s", ", numbered from 0"));
  const Driver& driver = cuda::driver();
  if (!driver.has_contexts()) throw_unavailable(ordinal, "the driver is older than CUDA 12");
  CUdevice device = 0;
  CUcontext primary = nullptr;
  if (const CUresult error = driver.device_get(&device, ordinal))
    throw_unavailable(ordinal, text("the driver does not know it (error ", int{error}, ")",
                                    advice_for(static_cast<cudaError_t>(error))));
  if (const CUresult error = driver.primary_retain(&primary, device))
    throw_unavailable(ordinal, text("it cannot be used (the driver's error ", int{error}, ")",
                                    advice_for(static_cast<cudaError_t>(error))));
  return primary;
}

/// Throws unless `kernel` has code for the current device.
void require_code(int ordinal, const void* kernel) {
  cudaFuncAttributes attributes{};
  const cudaError_t error = cudaFuncGetAttributes(&attributes, kernel);
  if (error == cudaErrorNoKernelImageForDevice)
    throw_unavailable(ordinal, text("this build has no code for compute capability ",
                                    attribute(ordinal, cudaDevAttrComputeCapabilityMajor), ".",
                                    attribute(ordinal, cudaDevAttrComputeCapabilityMinor)));
  require(ordinal, error);
}

StreamId ask_id(cudaStream_t stream) {
  StreamId id = 0;
  MULTIBUFFER_CUDA_CHECK(cudaStreamGetId(stream, &id));
  return id;
}

}  // namespace

DeviceGuard::DeviceGuard(CUcontext primary) {
  if (const CUresult error = driver().push_current(primary))
    // The driver's numbers are those of the runtime.
    throw_cuda_failure(static_cast<cudaError_t>(error), "cuCtxPushCurrent", __FILE__, __LINE__);
  if (const cudaError_t error = cudaThreadExchangeStreamCaptureMode(&mode_)) {
    CUcontext popped = nullptr;
    static_cast<void>(driver().pop_current(&popped));
    throw_cuda_failure(error, "cudaThreadExchangeStreamCaptureMode", __FILE__, __LINE__);
  }
}

DeviceGuard::DeviceGuard(const Context& context) : DeviceGuard(context.primary()) {}

DeviceGuard::~DeviceGuard() {
  ignore(cudaThreadExchangeStreamCaptureMode(&mode_));
  CUcontext popped = nullptr;
  static_cast<void>(driver().pop_current(&popped));
}

StreamState state_of(cudaStream_t stream) {
  cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
  const cudaError_t error = cudaStreamIsCapturing(stream, &status);
  if (error == cudaErrorStreamCaptureImplicit) {
    ignore(error);
    return StreamState::blocked;
  }
  if (error != cudaSuccess) throw_cuda_failure(error, "cudaStreamIsCapturing", __FILE__, __LINE__);
  return status == cudaStreamCaptureStatusNone ? StreamState::ready : StreamState::capturing;
}

namespace {

void release(int ordinal) noexcept {
  CUdevice device = 0;
  if (!driver().device_get(&device, ordinal)) static_cast<void>(driver().primary_release(device));
}

/// Retains a context if this build can use it.
CUcontext usable_context(int ordinal, const void* kernel) {
  CUcontext primary = primary_context(ordinal);
  try {
    const DeviceGuard guard(primary);
    require_code(ordinal, kernel);
  } catch (...) {
    release(ordinal);
    throw;
  }
  return primary;
}

}  // namespace

void Context::make(OwnStream& stream) {
  MULTIBUFFER_CUDA_CHECK(cudaStreamCreateWithFlags(&stream.handle, cudaStreamNonBlocking));
  stream.id = ask_id(stream.handle);
}

// The other constructor is over, so that the destructor runs if this one fails.
Context::Context(int ordinal, const void* kernel) : Context(ordinal) {
  primary_ = usable_context(ordinal, kernel);
  const DeviceGuard guard(primary_);
  cudaDeviceProp properties{};
  MULTIBUFFER_CUDA_CHECK(cudaGetDeviceProperties(&properties, ordinal));
  description_ = properties.name;
  memory_bytes_ = static_cast<std::int64_t>(properties.totalGlobalMem);
  has_memory_pools_ = attribute(ordinal, cudaDevAttrMemoryPoolsSupported) != 0;
  reads_pageable_memory_ = attribute(ordinal, cudaDevAttrPageableMemoryAccess) != 0;
  make(work_);
  make(fetch_);
  reclaimer_.open();
  if (has_memory_pools_) keep_freed_memory();
}

Context::~Context() {
  if (!primary_) return;
  std::optional<DeviceGuard> guard;
  try {
    guard.emplace(primary_);
  } catch (const std::exception&) {
    // Streams can be destroyed without it, at worst by a context of another device.
  }
  for (const OwnStream& own : {work_, fetch_})
    if (own.handle) ignore(cudaStreamDestroy(own.handle));
  reclaimer_.close();
  guard.reset();
  release(ordinal_);
}

/// Lets the pool keep some freed memory. By default it returns all of it to the driver at every
/// synchronization, and the next allocation then costs milliseconds.
void Context::keep_freed_memory() const {
  cudaMemPool_t pool = nullptr;
  MULTIBUFFER_CUDA_CHECK(cudaDeviceGetDefaultMemPool(&pool, ordinal_));
  std::uint64_t threshold = 0;
  MULTIBUFFER_CUDA_CHECK(
      cudaMemPoolGetAttribute(pool, cudaMemPoolAttrReleaseThreshold, &threshold));
  // Other users in this process share the pool: a higher threshold of theirs stays.
  threshold = std::max<std::uint64_t>(threshold, static_cast<std::uint64_t>(memory_bytes_) / 8);
  MULTIBUFFER_CUDA_CHECK(
      cudaMemPoolSetAttribute(pool, cudaMemPoolAttrReleaseThreshold, &threshold));
}

Mark Context::mark(cudaStream_t stream) {
  // Recording and counting are one step, because several threads may use one stream.
  const std::lock_guard lock(marking_);
  Event event = events_.record(stream);
  return {std::move(event), ++marks_};
}

cudaStream_t Context::stream(StreamRef stream) const noexcept {
  if (stream.is_own()) return work_.handle;
  // NOLINTNEXTLINE(performance-no-int-to-ptr): CUDA's handle, by its value
  return reinterpret_cast<cudaStream_t>(stream.number());
}

void Context::require_own_device(cudaStream_t stream) const {
  if (stream == cudaStreamLegacy || stream == cudaStreamPerThread)
    return;  // every device has these
  CUcontext context = nullptr;
  if (!driver().stream_context || driver().stream_context(stream, &context) != CUDA_SUCCESS) return;
  if (context != primary_)
    throw Failure(Errc::invalid_argument,
                  text("the stream is another device's, and the memory is on cuda:", ordinal_));
}

StreamId Context::named(cudaStream_t stream) {
  // The context's own streams cannot be captured, because their handles are never given away.
  if (is_own(stream)) return id_of(stream);
  switch (state_of(stream)) {
    case StreamState::ready:
      break;
    case StreamState::capturing:
      throw Failure(
          Errc::invalid_argument,
          "the stream is being captured into a CUDA graph; make a Plan before the capture, "
          "and run it within");
    case StreamState::blocked:
      throw Failure(
          Errc::invalid_argument,
          "the legacy default stream cannot be used while a stream that synchronizes with it "
          "is being captured into a CUDA graph; name another stream");
  }
  require_own_device(stream);
  const StreamId id = id_of(stream);
  reclaimer_.named(stream, id);
  return id;
}

StreamId Context::id_of(cudaStream_t stream) const {
  if (stream == work_.handle) return work_.id;
  if (stream == fetch_.handle) return fetch_.id;
  return ask_id(stream);
}

cudaStream_t Context::own_stream(StreamId id) const noexcept {
  if (id == work_.id) return work_.handle;
  if (id == fetch_.id) return fetch_.handle;
  return nullptr;
}

void Context::add_plan_stream(cudaStream_t stream) {
  const std::lock_guard lock(plan_streams_mutex_);
  plan_streams_.push_back(stream);
}

void Context::remove_plan_stream(cudaStream_t stream) noexcept {
  const std::lock_guard lock(plan_streams_mutex_);
  const auto found = std::ranges::find(plan_streams_, stream);
  if (found != plan_streams_.end()) plan_streams_.erase(found);
}

bool Context::knows_of_a_capture() {
  if (state_of(cudaStreamLegacy) != StreamState::ready) return true;
  const std::lock_guard lock(plan_streams_mutex_);
  return std::ranges::any_of(
      plan_streams_, [](cudaStream_t stream) { return state_of(stream) != StreamState::ready; });
}

}  // namespace multibuffer::cuda
