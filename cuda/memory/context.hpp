#pragma once

#include <multibuffer/device.hpp>

#include "cuda/memory/event_pool.hpp"
#include "cuda/memory/reclaimer.hpp"

#include <cuda.h>
#include <cuda_runtime_api.h>

#include <array>
#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

namespace multibuffer::cuda {

class Context;

/// Makes its thread's CUDA calls go to one device while it lives, and lets them end no capture of
/// streams that they do not name.
///
/// The device's primary context is pushed, and popped at the end. Restoring the device by
/// cudaSetDevice would, since CUDA 12, make a context on a device that nobody asked for; so would
/// every runtime call while no context is current, so the guard's own calls come in between. In
/// CUDA's default capture mode, waiting for an event or allocating would end a capture, even
/// another thread's; hence the relaxed mode.
class DeviceGuard {
 public:
  explicit DeviceGuard(const Context& context);
  explicit DeviceGuard(CUcontext primary);
  ~DeviceGuard();
  DeviceGuard(const DeviceGuard&) = delete;
  DeviceGuard& operator=(const DeviceGuard&) = delete;

 private:
  cudaStreamCaptureMode mode_ = cudaStreamCaptureModeRelaxed;
};

/// The state of a stream that a caller has named.
enum class StreamState {
  ready,
  capturing,  ///< work goes into a graph; most other calls would end the capture
  blocked,    ///< the legacy stream while a stream that synchronizes with it is being captured
};

/// Queries a stream's state without disturbing a capture. `stream` must exist.
StreamState state_of(cudaStream_t stream);

/// A device's primary context, private streams, events and memory pool; one for each device in use.
/// Once in use it lives until the process ends, so that memory may be freed at any time, and never
/// destroys its streams and events: by then CUDA may be gone. The destructor is for a backend that
/// could not be made.
class Context {
 public:
  /// Throws `device_unavailable` with the reason, for example that this build has no code of
  /// `kernel`, one of its kernels, for the device.
  Context(int ordinal, const void* kernel);
  ~Context();
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  int ordinal() const noexcept { return ordinal_; }
  CUcontext primary() const noexcept { return primary_; }
  const std::string& description() const noexcept { return description_; }
  std::int64_t memory_bytes() const noexcept { return memory_bytes_; }
  bool has_memory_pools() const noexcept { return has_memory_pools_; }
  bool reads_pageable_memory() const noexcept { return reads_pageable_memory_; }
  EventPool& events() noexcept { return events_; }
  Mark mark(cudaStream_t stream);

  /// Returns CUDA's handle of a stream; of the private one, this context's.
  cudaStream_t stream(StreamRef stream) const noexcept;
  /// The stream for reads of memory that is known to be written, past all queued work.
  cudaStream_t fetch_stream() const noexcept { return fetch_.handle; }

  /// Must be called with each stream that a caller names, before it is used. Returns its id, and
  /// frees blocks that waited for the stream. Throws `invalid_argument`, with advice, if the stream
  /// is being captured or cannot be used because of another stream's capture; no capture is harmed.
  StreamId named(cudaStream_t stream);
  /// Throws `invalid_argument` for a stream of another device. `stream` must not be being captured.
  void require_own_device(cudaStream_t stream) const;
  /// Returns the id of a stream, which must exist and not be being captured: the query would end
  /// the capture.
  StreamId id_of(cudaStream_t stream) const;
  /// Returns the handle of one of the context's own streams, which exist for ever; null for others.
  cudaStream_t own_stream(StreamId id) const noexcept;
  std::array<cudaStream_t, 2> own_streams() const noexcept { return {work_.handle, fetch_.handle}; }
  bool is_own(cudaStream_t stream) const noexcept {
    return stream == work_.handle || stream == fetch_.handle;
  }

  Reclaimer& reclaimer() noexcept { return reclaimer_; }

  /// Registers the stream of a plan, while the plan can run and the stream thus exists, so that
  /// `knows_of_a_capture` can query it.
  void add_plan_stream(cudaStream_t stream);
  void remove_plan_stream(cudaStream_t stream) noexcept;
  /// Returns true if a capture is under way that this library can know of.
  bool knows_of_a_capture();

 private:
  struct OwnStream {
    cudaStream_t handle = nullptr;
    StreamId id = 0;
  };
  explicit Context(int ordinal) : ordinal_(ordinal), reclaimer_(*this) {}
  static void make(OwnStream& stream);
  void keep_freed_memory() const;

  int ordinal_;
  CUcontext primary_ = nullptr;
  std::string description_;
  std::int64_t memory_bytes_ = 0;
  bool has_memory_pools_ = false;
  bool reads_pageable_memory_ = false;
  OwnStream work_, fetch_;
  EventPool events_;
  std::mutex marking_;
  std::uint64_t marks_ = 0;
  std::mutex plan_streams_mutex_;
  std::vector<cudaStream_t> plan_streams_;
  Reclaimer reclaimer_;
};

}  // namespace multibuffer::cuda
