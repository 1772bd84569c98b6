#pragma once

#include <multibuffer/stages/place.hpp>

#include "host/backend/copy_plan.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace multibuffer::cuda {

/// A contiguous piece of an upload: `bytes` bytes at `source`, which go to `offset` in the arena.
using SourceRun = Segment;

/// Returns the contiguous pieces of a placement, in the order of the arena.
std::vector<SourceRun> source_runs(const Placement& placement);

/// Describes an upload as a gather: each leaf's address is an entry of `addresses`, which is the
/// gather's offset array once it is on the device.
struct PullPlan {
  OffsetArray addresses;    ///< 32 bits where they fit
  std::int64_t unit = 1;    ///< the bytes that entries count in
  std::int64_t origin = 0;  ///< the address that entries count from
  std::int64_t leaves = 0;
  std::int64_t leaf_bytes = 0;
  std::vector<PackAxis> packing;
  std::int64_t run_bytes = 0;

  std::span<const std::byte> table() const;
  /// Plans the gather of leaves [first, first + count) to `arena`, which starts with leaf 0.
  /// `table` is the device's copy of the addresses.
  CopyPlan gather(std::int64_t first, std::int64_t count, const std::byte* table,
                  std::byte* arena) const;
};

/// Makes the gather of a packed placement, which must have at least one leaf.
PullPlan pull_plan(const Placement& placement);

}  // namespace multibuffer::cuda
