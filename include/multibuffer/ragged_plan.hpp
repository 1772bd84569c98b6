#pragma once

#include <multibuffer/plan.hpp>
#include <multibuffer/ragged.hpp>

#include <memory>

namespace multibuffer {

/// Packs the rows of one array any number of times, into the same memory, as `Plan` gathers: no
/// allocation and no synchronization in a run, which a CUDA graph may capture. Indices in host
/// memory are copied; those on the device are read again by every run, so that other rows may be
/// named there. What `Plan` says of threads, streams and graphs holds here.
///
/// A run is one launch. Where indices on the device select, some come before it: the rows are
/// looked up, and their lengths summed.
class PackPlan {
 public:
  /// Throws what `pack` throws, and `invalid_argument` for indices on a CUDA device without
  /// `items`, and for an array on a CUDA device and an output in host memory.
  PackPlan(const RaggedArray& array, const RowSelection& rows = {},
           const PackOptions& options = {});

  /// Packs once more. On the host it is done on return.
  const PackedRows& run() const;
  /// Returns the buffers that runs write to. Where no indices on the device select, the offsets
  /// are written once, when the plan is made, and `readonly()`.
  const PackedRows& result() const noexcept;
  /// Explains the plan, as `Plan::explain` does. Of rows that indices on the device name, whose
  /// lengths the host does not know, the average length of the array's rows is assumed.
  PlanExplanation explain(bool measure = false) const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

/// Likewise for `pad`. A run is one launch, and the look-up of rows before it where indices on the
/// device select them.
class PadPlan {
 public:
  PadPlan(const RaggedArray& array, const RowSelection& rows = {}, const PadOptions& options = {});

  const DeviceBuffer& run() const;
  const DeviceBuffer& result() const noexcept;
  PlanExplanation explain(bool measure = false) const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace multibuffer
