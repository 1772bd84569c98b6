#pragma once

#include "context.hpp"
#include "host/backend.hpp"

#include <cuda_runtime_api.h>

#include <cstdint>
#include <mutex>
#include <utility>
#include <vector>

namespace multibuffer::cuda {

/// Stream-ordered device memory that knows the last work on it, stream by stream. Work is enqueued
/// within a `StreamUse`. Reads on several streams run side by side; a write waits for all of them.
class DeviceMemory final : public Memory {
 public:
  /// For use on `stream` at once, and elsewhere after it.
  DeviceMemory(Context& context, std::int64_t bytes, cudaStream_t stream);
  ~DeviceMemory() override;
  DeviceMemory(const DeviceMemory&) = delete;
  DeviceMemory& operator=(const DeviceMemory&) = delete;

  void wait() override;
  int ordinal() const noexcept { return context_.ordinal(); }

 private:
  friend class StreamUse;
  struct LastUse {
    StreamId stream = 0;
    Mark mark;
  };
  void order_after(cudaStream_t stream, StreamId id, bool writes);
  void note(const LastUse& use, bool wrote);
  std::vector<LastUse> last_uses() const;

  Context& context_;
  mutable std::mutex mutex_;
  LastUse write_;               ///< the last write, or the allocation
  std::vector<LastUse> reads_;  ///< since then, at most one per stream
};

/// Whether `pointer` points into a block.
bool lies_in(const Memory& memory, const void* pointer);

/// Work on one stream and the blocks it touches. The stream waits for other streams' work on a
/// block when the block is named; `finish` marks the end of the work, and so does the destructor if
/// an exception leaves part of it enqueued.
class StreamUse {
 public:
  StreamUse(Context& context, cudaStream_t stream);
  ~StreamUse();
  StreamUse(const StreamUse&) = delete;
  StreamUse& operator=(const StreamUse&) = delete;

  void reads(DeviceMemory& memory) { add(memory, false); }
  void writes(DeviceMemory& memory) { add(memory, true); }
  Event finish();

 private:
  void add(DeviceMemory& memory, bool writes);

  Context& context_;
  cudaStream_t stream_;
  StreamId id_;
  std::vector<std::pair<DeviceMemory*, bool>> blocks_;
  bool finished_ = false;
};

}  // namespace multibuffer::cuda
