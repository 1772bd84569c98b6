#pragma once

#include <multibuffer/gather.hpp>

#include "host/backend/backend.hpp"
#include "host/backend/copy_plan.hpp"
#include "host/gather/result_axes.hpp"
#include "host/upload/internals.hpp"

#include <memory>
#include <vector>

namespace multibuffer {

/// A gather with everything decided, and memory for what it writes.
struct ReadyGather {
  CopyPlan plan;
  bool check_on_device = false;
  std::vector<UsedMemory> uses;
  BufferParts result;
  bool staged = false;  ///< the result goes on to host memory, in `strides`
  Shape strides;
};

/// Decides a gather, and allocates what it needs. Index arrays in host memory go to the device; the
/// host reads them where they are, unless it `keeps_indices`. Throws what `gather` throws.
ReadyGather make_ready(const DeviceArray& array, const Selection& selection,
                       const GatherOptions& options, bool keeps_indices);

}  // namespace multibuffer
