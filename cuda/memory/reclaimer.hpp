#pragma once

#include "cuda/memory/event_pool.hpp"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <vector>

namespace multibuffer::cuda {

class Context;

/// Who reads a block on streams of their own, with work that this library does not see.
struct Consumers {
  /// On the legacy stream, or on one that synchronizes with it: both are always there to be asked.
  bool legacy = false;
  /// On a stream that was being captured, and has no id meanwhile.
  bool unnamed = false;
  std::vector<StreamId> streams;  ///< each once

  bool any() const noexcept { return legacy || unnamed || !streams.empty(); }
  bool uses(StreamId stream) const noexcept;
  void add(StreamId stream);
};

/// A block of memory that nobody holds any more, and the work that may still use it.
struct RetiredBlock {
  std::byte* data = nullptr;
  std::int64_t bytes = 0;
  std::vector<LastUse> uses;  ///< ours, at most one a stream
  Consumers consumers;
};

/// Frees a device's blocks after the last work on them, and never by a stream that may be gone.
/// Where the last work is
///
///  - on one stream of the library's own, the block is freed on that stream, and the next
///  allocation
///    there has it;
///  - on several streams, and all of it is marked, on a stream that waits for the marks;
///  - on one stream of the caller's, and not done yet, on that stream when the caller names it
///  again,
///    so that a loop of gathers there does not grow;
///  - a consumer's on the legacy stream, after a mark that is set there now;
///  - a consumer's on another stream, when that stream is named again: then it exists, and a mark
///  is
///    set.
///
/// The last two are for memory that was handed to a consumer, who has enqueued we do not know what.
/// A stream's handle must not be used once the stream may have been destroyed, and a destroyed
/// stream's work goes on. So blocks wait until a caller names the stream; streams of a loop are
/// named in every turn, and then one result waits. If a sixteenth of the device's memory waits, or
/// more than a thousand blocks, or an allocation fails, an event of the whole context is recorded
/// instead (CUDA 12.5), which covers every stream. It would end a capture that is under way on the
/// device, so it is left out while one is known of; of a capture on a stream that this library has
/// never seen it cannot know.
///
/// Thread-safe. The current device must be the context's.
class Reclaimer {
 public:
  explicit Reclaimer(Context& context) : context_(context) {}
  Reclaimer(const Reclaimer&) = delete;
  Reclaimer& operator=(const Reclaimer&) = delete;
  /// Makes its streams, once the context has its other parts.
  void open();

  void retire(RetiredBlock block);
  /// To be told of each stream that a caller names, before it is used: it exists, and is `ready`.
  void named(cudaStream_t stream, StreamId id) {
    if (parked_blocks_.load(std::memory_order_relaxed) > 0) settle(stream, id);
  }
  /// Makes `stream` wait for blocks that are freed elsewhere, if too many bytes are on their way:
  /// so that an allocation there can have them, and a host that runs ahead of the device does not
  /// make the pool grow without bound.
  void make_room(cudaStream_t stream);
  /// For an allocation that failed: waits for all blocks that can be waited for.
  void reclaim_everything();

  /// Of blocks that wait for a stream to be named.
  std::int64_t parked_bytes() const;

 private:
  void settle(cudaStream_t stream, StreamId id);
  void free_now(const RetiredBlock& block, cudaStream_t stream);
  void free_after_its_uses(const RetiredBlock& block) noexcept;
  void mark_on_legacy(RetiredBlock& block) noexcept;
  void park(RetiredBlock block);
  void mark_on_context();
  /// Frees what needs no stream to be named.
  void free_marked(bool only_ended);

  struct OnItsWay {
    Event freed;
    std::int64_t bytes = 0;
  };

  Context& context_;
  mutable std::mutex mutex_;
  /// In turn, so that one slow stream's blocks do not hold up all others.
  std::array<cudaStream_t, 4> streams_{};
  std::size_t turn_ = 0;
  std::vector<RetiredBlock> parked_;
  std::atomic<std::size_t> parked_blocks_ = 0;
  std::int64_t parked_bytes_ = 0;
  std::deque<OnItsWay> on_their_way_;
  std::int64_t bytes_on_their_way_ = 0;
};

}  // namespace multibuffer::cuda
