#pragma once

#include <multibuffer/watch.hpp>

#include "cuda/memory/context.hpp"
#include "cuda/memory/slot_queue.hpp"

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <vector>

namespace multibuffer::cuda {

/// Transfers pageable memory through page-locked slots: host threads fill some while the device
/// copies others. Slots are allocated on first use and shared by all threads that call.
class StagingRing {
 public:
  explicit StagingRing(Context& context);
  StagingRing(const StagingRing&) = delete;
  StagingRing& operator=(const StagingRing&) = delete;

  /// Writes bytes [begin, end) of the transfer to a slot. Called by several threads at once; must
  /// not throw.
  using Fill = std::function<void(std::int64_t begin, std::int64_t end, std::byte* slot)>;

  /// Enqueues the transfer of `bytes` bytes to device memory; returns after the last call to
  /// `fill`.
  void send(std::byte* to, std::int64_t bytes, const Fill& fill, cudaStream_t stream,
            const Watch& watch);

  /// Copies device memory to host memory; returns when the copy is done.
  void receive(std::byte* to, const std::byte* from, std::int64_t bytes, cudaStream_t stream);

 private:
  struct Slot {
    std::byte* data = nullptr;
    Event busy;  ///< behind the slot's last copy; null if there was none
  };
  /// A slot that is lent to this thread until the end of the scope.
  class Loan;

  void allocate();
  void fill_and_send(std::byte* to, std::int64_t begin, std::int64_t end, const Fill& fill,
                     cudaStream_t stream);

  Context& context_;
  std::once_flag allocated_;
  std::vector<Slot> slots_;
  SlotQueue idle_;
};

/// Throws `cancelled` if asked to stop.
void stop_if_asked(const Watch& watch);

}  // namespace multibuffer::cuda
