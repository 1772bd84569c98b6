#pragma once

#include "host/cpu/row_walk.hpp"

#include <cstdint>

namespace multibuffer {

/// Copies the next `rows` rows of the inner axis that a walk is on, of `row_bytes` bytes each,
/// where they are in the caches: one loop a size of a row. The walk does not move. Only for plans
/// that `RowWalk::can_look_up_ahead`.
void gather_cached_rows(const RowWalk& walk, std::int64_t rows, std::int64_t row_bytes);

}  // namespace multibuffer
