#pragma once

#include <multibuffer/ragged.hpp>

#include "host/backend/backend.hpp"
#include "host/backend/ragged_plan.hpp"
#include "host/upload/internals.hpp"

#include <optional>
#include <vector>

namespace multibuffer {

/// A pack or a pad with everything decided, and memory for what it writes.
struct ReadyRagged {
  RaggedPlan plan;
  bool check_on_device = false;
  std::vector<UsedMemory> uses;
  BufferParts values;
  std::optional<BufferParts> offsets;  ///< of a pack; written, unless the plan has indices
  bool staged = false;                 ///< the values go on to the output, in host memory
};

/// Decides a pack, allocates what it needs and, where the rows are known, writes the offsets. A
/// plan (`for_plan`) needs all that a run reads in memory of its own. Throws what `pack` throws.
ReadyRagged ready_pack(const RaggedArray& array, const RowSelection& rows,
                       const PackOptions& options, bool for_plan);

/// Decides a pad, and allocates what it needs. Throws what `pad` throws.
ReadyRagged ready_pad(const RaggedArray& array, const RowSelection& rows,
                      const PadOptions& options);

}  // namespace multibuffer
