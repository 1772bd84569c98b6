#pragma once

#include <multibuffer/watch.hpp>

#include "context.hpp"

#include <cuda_runtime_api.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>

namespace multibuffer::cuda {

/// A ring of page-locked slots through which pageable memory travels: while one slot is copied by
/// the device, the next is filled by the host. It is allocated on first use. Calls may come from
/// several threads, which take turns slot by slot.
class StagingRing {
 public:
  static constexpr std::int64_t slot_bytes = std::int64_t{4} << 20;
  static constexpr int slots = 4;

  explicit StagingRing(EventPool& events) : events_(events) {}
  StagingRing(const StagingRing&) = delete;
  StagingRing& operator=(const StagingRing&) = delete;

  /// Writes bytes [begin, end) of what is sent to a slot.
  using Fill = std::function<void(std::int64_t begin, std::int64_t end, std::byte* slot)>;

  /// Enqueues the transfer of `bytes` bytes to device memory; returns after the last call to
  /// `fill`.
  void send(std::byte* to, std::int64_t bytes, const Fill& fill, cudaStream_t stream,
            const Watch& watch);

  /// Copies device memory to host memory; returns when it is there.
  void receive(std::byte* to, const std::byte* from, std::int64_t bytes, cudaStream_t stream);

 private:
  struct Slot {
    std::byte* data = nullptr;
    Event busy;  ///< until then; null if it never was
  };
  Slot& next_idle_slot();
  void allocate();

  EventPool& events_;
  std::mutex mutex_;
  std::array<Slot, slots> ring_;
  std::size_t next_ = 0;
};

/// How many bytes go into each slot: small transfers in one piece, larger ones in enough pieces
/// that filling and copying overlap.
std::int64_t piece_bytes(std::int64_t bytes);

/// Throws `cancelled` if asked to stop.
void stop_if_asked(const Watch& watch);

}  // namespace multibuffer::cuda
