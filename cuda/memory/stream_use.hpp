#pragma once

#include "cuda/memory/device_memory.hpp"
#include "host/backend/backend.hpp"

#include <cuda_runtime_api.h>

#include <exception>
#include <utility>
#include <vector>

namespace multibuffer::cuda {

/// Orders work on one stream with other work on the blocks that it reads and writes.
///
/// Name the blocks, then call `begin`: the stream waits for earlier work of other streams on them,
/// and other threads with conflicting work wait on the host until this use has ended. `finish`
/// marks the end of the work; so does the destructor, if an exception leaves part of it enqueued.
/// The blocks must live until then.
class StreamUse final : public MemoryUse {
 public:
  /// Throws `invalid_argument` for a stream that is being captured, before the capture is harmed.
  StreamUse(Context& context, cudaStream_t stream);
  ~StreamUse() override;
  StreamUse(const StreamUse&) = delete;
  StreamUse& operator=(const StreamUse&) = delete;

  void reads(DeviceMemory& memory) { add(memory, false); }
  void writes(DeviceMemory& memory) { add(memory, true); }
  void add(const std::vector<UsedMemory>& blocks) {
    for (const UsedMemory& used : blocks)
      add(static_cast<DeviceMemory&>(*used.memory), used.writes);
  }
  void begin();
  Event finish();
  /// Ends the use like `finish`, for work that the host has waited for.
  void finish_waited_for() noexcept;
  void end() override;

  cudaStream_t stream() const noexcept { return stream_; }
  StreamId id() const noexcept { return id_; }

 private:
  struct Block {
    DeviceMemory* memory = nullptr;
    bool writes = false;
  };
  void add(DeviceMemory& memory, bool writes);
  void leave(const LastUse* last) noexcept;

  Context& context_;
  cudaStream_t stream_;
  StreamId id_;
  std::vector<Block> blocks_;
  bool open_ = false;
};

/// Returns true if an address lies in none of these blocks, and thus in memory of the caller's.
bool is_foreign(const void* address, const std::vector<UsedMemory>& uses);

/// Waits for a stream if an exception ends the scope and leaves work there that reads or writes
/// memory of the caller's: nobody else would wait for it before the caller frees that memory.
class WaitIfThrown {
 public:
  WaitIfThrown(bool is_on, cudaStream_t stream)
      : is_on_(is_on), stream_(stream), exceptions_(std::uncaught_exceptions()) {}
  ~WaitIfThrown();
  WaitIfThrown(const WaitIfThrown&) = delete;
  WaitIfThrown& operator=(const WaitIfThrown&) = delete;

 private:
  bool is_on_;
  cudaStream_t stream_;
  int exceptions_;
};

}  // namespace multibuffer::cuda
