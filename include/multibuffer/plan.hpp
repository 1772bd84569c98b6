#pragma once

#include <multibuffer/gather.hpp>

#include <memory>

namespace multibuffer {

/// Runs one gather any number of times. Kernel, addresses and output are fixed. Index arrays in
/// host memory are copied; those on the device are read again by every run, so that new indices may
/// be written there. Copies are the same plan, which keeps the array, the output and the indices
/// alive.
///
/// On a CUDA device a run is one launch, or one copy, on the stream of its options: no allocation,
/// no synchronization. It may be captured into a CUDA graph. A graph's launches are unknown to the
/// library: it is for you to order them with other work on the same memory, to keep the plan until
/// the last of them has ended, and to have synchronized their stream before `result()` is asked.
///
/// Several threads may run one plan at a time. On a CUDA device their runs queue up on the plan's
/// stream; on the host all write the same memory at once, so read it when the last has returned. A
/// plan is a handle, and its constness is shallow.
class Plan {
 public:
  /// Throws what `gather` throws, and `invalid_argument` for an array on a CUDA device and an
  /// output in host memory. Returns when all that a run reads is in place.
  Plan(const DeviceArray& array, const Selection& selection, const GatherOptions& options = {});

  /// Gathers once more, into the same memory. On the host it is done on return.
  const DeviceBuffer& run() const;
  /// Returns the buffer that runs write to. Synchronizing it throws `index_out_of_range` if a run
  /// since the last synchronization met a bad index on the device.
  const DeviceBuffer& result() const noexcept;
  /// The array that runs read.
  const DeviceArray& array() const noexcept;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace multibuffer
