#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

namespace multibuffer::cuda {

/// A point in a stream's work. Handles share it; the last one gives it back to its pool.
using Event = std::shared_ptr<CUevent_st>;

/// Returns true if the work before the event is known to have ended.
bool has_ended(const Event& event) noexcept;

/// Reuses events without timing. They are never destroyed, because CUDA may be gone before the last
/// of them.
class EventPool {
 public:
  EventPool() = default;
  EventPool(const EventPool&) = delete;
  EventPool& operator=(const EventPool&) = delete;

  /// Returns an event of the current device that is not recorded yet.
  Event take();
  /// Records an event after all work on `stream`, a stream of the current device.
  Event record(cudaStream_t stream);

 private:
  cudaEvent_t make();

  std::mutex mutex_;
  std::vector<cudaEvent_t> idle_;  ///< with room for all, so that no return allocates
  std::size_t made_ = 0;
};

/// A stream's name that is never given to another stream, unlike its handle.
using StreamId = unsigned long long;

/// A point in a stream's work, and when it was recorded: of two marks of one stream, the one with
/// the higher order comes later in it.
struct Mark {
  Event event;
  std::uint64_t order = 0;
};

/// The last use of a block of memory on one stream.
struct LastUse {
  StreamId stream = 0;
  Mark mark;
};

}  // namespace multibuffer::cuda
