#pragma once

#include "cuda/memory/event_pool.hpp"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <list>
#include <mutex>
#include <vector>

namespace multibuffer::cuda {

class Context;

/// The streams on which others read a block, with work that this library does not see.
struct Consumers {
  /// Someone reads on the legacy stream, or on one that synchronizes with it. It always exists.
  bool legacy = false;
  /// Someone reads on a stream that was being captured, and had no id meanwhile.
  bool unnamed = false;
  std::vector<StreamId> streams;  ///< distinct

  bool any() const noexcept { return legacy || unnamed || !streams.empty(); }
  bool uses(StreamId stream) const noexcept;
  void add(StreamId stream);
};

/// A block of memory that nobody holds any more, and the work that may still use it.
struct RetiredBlock {
  std::byte* data = nullptr;
  std::int64_t bytes = 0;
  std::vector<LastUse> uses;  ///< the library's own, at most one a stream
  Consumers consumers;
};

/// Lists move their elements from one to another without an allocation.
using RetiredBlocks = std::list<RetiredBlock>;

/// Frees a device's blocks after the last work on them, and never by the handle of a stream that
/// may be gone. If the last work on a block is
///
///  - on one stream of the library's own, the block is freed there, and the next allocation there
///    has it;
///  - on several streams, and all of it is marked by events, the block is freed on a stream that
///    waits for them;
///  - on one stream of the caller's, and not done yet, it is freed on that stream when the caller
///    names it again, so that a loop of gathers there does not grow;
///  - a consumer's on the legacy stream, it is freed after an event that is recorded there now;
///  - a consumer's on another stream, it is freed after an event that is recorded when that stream
///    is named again, since then it exists.
///
/// The last two are for memory that was handed to a consumer, whose work the library does not see.
/// A handle must not be used once its stream may have been destroyed, and a destroyed stream's work
/// goes on. So such blocks wait until a caller names the stream; in a loop every turn names it, and
/// one result waits. If a sixteenth of the device's memory waits, or more than a thousand blocks,
/// or an allocation fails, an event of the whole context is recorded instead (CUDA 12.5), which
/// covers every stream. It would end a capture that is under way on the device, so it is left out
/// while the library knows of one. The library cannot know of a capture on a stream that it has
/// never seen.
///
/// A block that CUDA does not free waits with them, and is tried again.
///
/// Thread-safe. The current device must be the context's.
class Reclaimer {
 public:
  explicit Reclaimer(Context& context) : context_(context) {}
  Reclaimer(const Reclaimer&) = delete;
  Reclaimer& operator=(const Reclaimer&) = delete;
  /// Makes its streams. Called once the context's other parts exist.
  void open();
  /// Destroys its streams, on which nothing has been enqueued.
  void close() noexcept;

  /// Takes the one block of `block`. Never fails: a destructor asks.
  void retire(RetiredBlocks block) noexcept;
  /// Does so where CUDA cannot be called now.
  void keep(RetiredBlocks block) noexcept;
  /// Must be called with each stream that a caller names, before it is used: it then exists, and is
  /// `ready`.
  void named(cudaStream_t stream, StreamId id) {
    if (parked_blocks_.load(std::memory_order_relaxed) > 0) settle(stream, id);
  }
  /// Makes `stream` wait for blocks that are being freed on other streams, if these have too many
  /// bytes. An allocation on `stream` can then reuse them, so that a host that runs ahead of the
  /// device does not make the pool grow without bound.
  void make_room(cudaStream_t stream);
  /// Waits for all blocks that can be waited for, after an allocation on `stream` that failed:
  /// those that are freed on it, on the library's own streams, or after events. Other streams of
  /// callers may be gone, and are not waited for.
  void reclaim_everything(cudaStream_t stream);

  /// Returns the bytes of the blocks that wait for a stream to be named.
  std::int64_t parked_bytes() const;

 private:
  void settle(cudaStream_t stream, StreamId id);
  bool is_freed_now(const RetiredBlock& block, cudaStream_t stream) noexcept;
  bool is_freed_after_its_uses(const RetiredBlock& block) noexcept;
  void mark_on_legacy(RetiredBlock& block) noexcept;
  void add_parked(RetiredBlocks block) noexcept;
  /// Adds a block, and frees others if too many wait.
  void park(RetiredBlocks block) noexcept;
  void keep_few();
  void mark_on_context();
  /// Removes the parked blocks of which `is_freed` says so, and may throw.
  template <class IsFreed>
  void remove_if(const IsFreed& is_freed);
  /// Frees the blocks that wait for no stream to be named.
  void free_marked(bool only_ended);

  struct OnItsWay {
    Event freed;
    std::int64_t bytes = 0;
  };

  Context& context_;
  mutable std::mutex mutex_;
  /// Used in turn, so that blocks which wait for a slow stream do not hold up all others.
  std::array<cudaStream_t, 4> streams_{};
  std::size_t turn_ = 0;
  RetiredBlocks parked_;
  std::atomic<std::size_t> parked_blocks_ = 0;
  std::int64_t parked_bytes_ = 0;
  std::deque<OnItsWay> on_their_way_;
  std::int64_t bytes_on_their_way_ = 0;
};

}  // namespace multibuffer::cuda
