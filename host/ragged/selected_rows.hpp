#pragma once

#include <multibuffer/ragged.hpp>
#include <multibuffer/stages/large_vector.hpp>

#include "host/backend/ragged_plan.hpp"

#include <cstdint>
#include <optional>

namespace multibuffer {

/// The rows that a selection names, as far as the host knows them.
struct SelectedRows {
  std::int64_t count = 0;
  /// The entry of each, where index arrays select; empty where they are those of the view.
  LargeVector<std::int64_t> entries;
  std::int64_t first = 0;  ///< of the view
  std::int64_t step = 1;
  /// Given: the indices are on a device, and their entries not known here.
  std::optional<PlanIndices> indices;

  std::int64_t entry(std::int64_t row) const {
    return entries.empty() ? first + row * step : entries[static_cast<std::size_t>(row)];
  }
};

/// Reads a selection's indices. Those on a CUDA device stay there unless `fetches`, which waits for
/// them. Throws `index_out_of_range`, and `invalid_argument` for indices that have not one axis or
/// are on another device.
SelectedRows selected_rows(const RaggedArray& array, const RowSelection& rows, bool fetches);

}  // namespace multibuffer
