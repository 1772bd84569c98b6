#pragma once

#include "cuda/memory/context.hpp"
#include "cuda/memory/reclaimer.hpp"
#include "host/backend/backend.hpp"

#include <cuda_runtime_api.h>

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

namespace multibuffer::cuda {

class StreamUse;

/// Stream-ordered device memory that knows the work on it: the work being enqueued now, the last
/// work of each stream, and the consumers. Reads on several streams run in parallel; a write waits
/// for all of them. Work is enqueued within a `StreamUse`.
class DeviceMemory final : public Memory {
 public:
  /// Allocates a block that `stream` may use at once, and other streams after it.
  DeviceMemory(Context& context, std::int64_t bytes, cudaStream_t stream);
  ~DeviceMemory() override;
  DeviceMemory(const DeviceMemory&) = delete;
  DeviceMemory& operator=(const DeviceMemory&) = delete;

  bool wait() noexcept override;
  void wait_for_contents() override;
  int ordinal() const noexcept { return context_.ordinal(); }

  /// Orders a consumer's later work on `stream` after the last write, unless `ordered` is false,
  /// and frees the block only after the work that is on `stream` by then. If `stream` is being
  /// captured, the host waits for the last write, and nothing is enqueued.
  void hand_over(cudaStream_t stream, bool ordered);

 private:
  friend class StreamUse;

  /// Work that a thread is enqueuing. Other threads with conflicting work wait on the host for its
  /// end.
  struct OpenUse {
    const StreamUse* use = nullptr;
    std::thread::id thread;
    StreamId stream = 0;
    bool writes = false;
  };
  /// Registers `use` and makes its stream wait for earlier work of other streams. Returns false if
  /// another thread has a conflicting open use; throws if this thread has one.
  bool try_enter(const StreamUse& use, bool writes);
  /// Waits until no other thread has an open use that conflicts.
  void wait_to_enter(const StreamUse& use, bool writes);
  /// Ends a use. `last` marks the end of its work; it is null if the work has ended already.
  void leave(const StreamUse& use, const LastUse* last) noexcept;
  /// Ends a use whose work continues in a graph.
  void leave_to_graph(const StreamUse& use) noexcept;

  /// A use that is about to begin, on a stream, or a read by the host, on none.
  struct Coming {
    bool writes = false;
    StreamId stream = 0;
  };
  /// Forgets reads that have ended, which are many where every read is on a stream of its own.
  void forget_ended_reads();
  bool conflicts(const OpenUse& open, const Coming& coming) const;
  /// Throws `invalid_argument` if this thread has a conflicting open use, since it would wait for
  /// itself.
  void refuse_own(const Coming& coming) const;
  bool others_conflict(const Coming& coming) const;
  void wait_for_others(std::unique_lock<std::mutex>& lock, const Coming& coming);
  void order(cudaStream_t stream, StreamId id, bool writes);
  void note(const LastUse& last, bool wrote) noexcept;

  static constexpr std::size_t fewest_reads = 16;

  Context& context_;
  mutable std::mutex mutex_;
  std::condition_variable left_;
  std::vector<OpenUse> open_;
  LastUse write_;                          ///< the last write, or the allocation
  std::vector<LastUse> reads_;             ///< since then, at most one per stream
  std::size_t most_reads_ = fewest_reads;  ///< before those that have ended are looked for
  Consumers consumers_;
  RetiredBlocks retired_;  ///< one element, so that the destructor cannot fail
};

}  // namespace multibuffer::cuda
