#pragma once

#include <multibuffer/device.hpp>

#include <cuda_runtime_api.h>

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace multibuffer::cuda {

/// Makes a device the thread's current one, and puts back what was.
class DeviceGuard {
 public:
  explicit DeviceGuard(int ordinal);
  ~DeviceGuard();
  DeviceGuard(const DeviceGuard&) = delete;
  DeviceGuard& operator=(const DeviceGuard&) = delete;

 private:
  int previous_ = 0;
  bool changed_ = false;
};

/// A point in a stream's work. Handles share it; the last one gives it back to its pool.
using Event = std::shared_ptr<CUevent_st>;

/// Events without timing, made once and used again.
class EventPool {
 public:
  EventPool() = default;
  EventPool(const EventPool&) = delete;
  EventPool& operator=(const EventPool&) = delete;

  /// After all that has been enqueued on `stream`, a stream of the current device.
  Event record(cudaStream_t stream);

 private:
  cudaEvent_t take();

  std::mutex mutex_;
  std::vector<cudaEvent_t> idle_;
};

/// A stream's name that is never given to another, unlike its handle.
using StreamId = unsigned long long;
StreamId id_of(cudaStream_t stream);

/// A point in a stream's work, and when it was recorded: of two marks of one stream, the one with
/// the higher order comes later in it.
struct Mark {
  Event event;
  std::uint64_t order = 0;
};

/// What a process needs once of each device. It lives until the process ends, so that memory may be
/// freed at any time, and never destroys its streams and events: by then CUDA may be gone.
class Context {
 public:
  /// Throws `device_unavailable` with the reason.
  explicit Context(int ordinal);
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  int ordinal() const noexcept { return ordinal_; }
  const std::string& description() const noexcept { return description_; }
  bool has_memory_pools() const noexcept { return has_memory_pools_; }
  bool reads_pageable_memory() const noexcept { return reads_pageable_memory_; }
  EventPool& events() noexcept { return events_; }
  Mark mark(cudaStream_t stream);

  /// The private stream for nullptr.
  cudaStream_t stream(StreamHandle handle) const noexcept;
  /// Waits for the last use of blocks and frees them, so that no stream with work to do has to.
  cudaStream_t reclaim_stream() const noexcept { return reclaim_stream_; }
  /// For small reads of what is known to be there, past all that is queued elsewhere.
  cudaStream_t fetch_stream() const noexcept { return fetch_stream_; }

 private:
  void keep_freed_memory() const;

  int ordinal_;
  std::string description_;
  bool has_memory_pools_ = false;
  bool reads_pageable_memory_ = false;
  cudaStream_t work_stream_ = nullptr;
  cudaStream_t reclaim_stream_ = nullptr;
  cudaStream_t fetch_stream_ = nullptr;
  EventPool events_;
  std::mutex marking_;
  std::uint64_t marks_ = 0;
};

}  // namespace multibuffer::cuda
