#pragma once

#include <multibuffer/gather.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace multibuffer {

/// What a plan does, why so, how much it moves, and how fast that can be.
struct PlanExplanation {
  struct Way {
    std::string name;
    std::string needs;  ///< what is asked of a plan for this way to be taken
  };
  struct Fact {
    std::string name;
    std::string value;
  };
  /// Best of several runs, after one that was not counted.
  struct Measured {
    double copy_seconds = 0;  ///< of a plain copy that reads and writes as many bytes in all
    double run_seconds = 0;   ///< of the plan, until the result is there
    double reached = 0;       ///< of the speed of that copy
  };

  std::string device;
  Way taken;                     ///< the kernel's family, or the host's way
  std::vector<Way> passed_over;  ///< what is tried before it, in this order
  std::vector<Fact> facts;       ///< what else was chosen
  /// What is copied at a time: `rows` runs of contiguous bytes, `run_bytes` of each read.
  std::int64_t rows = 0;
  std::int64_t run_bytes = 0;
  bool differ = false;             ///< the runs have different lengths, and `run_bytes` on average
  std::int64_t bytes_read = 0;     ///< of elements
  std::int64_t bytes_written = 0;  ///< of elements
  std::int64_t bytes_of_tables = 0;   ///< entries of offset arrays that are looked up
  std::int64_t bytes_of_indices = 0;  ///< of index arrays
  /// What memory reads for the elements, in whole cache lines (on a GPU: sectors of 32 bytes).
  std::int64_t bytes_fetched = 0;
  /// The part of a plain copy's speed that this traffic allows: 1 where all that is fetched is
  /// used, and nothing is looked up. Ways have costs of their own beside it; rows that are read
  /// again may still be in a cache, and then more is reached.
  double expected = 1;
  std::optional<Measured> measured;
};

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
  /// Explains the plan. `measure` times a plain copy and the plan itself, on the plan's stream: it
  /// allocates as many bytes again, writes the result, and waits; throws what `run` and the
  /// result's synchronization throw. Not while the stream is being captured.
  PlanExplanation explain(bool measure = false) const;

  /// The array that runs read.
  const DeviceArray& array() const noexcept;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace multibuffer
