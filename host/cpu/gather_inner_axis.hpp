#pragma once

#include "host/cpu/row_walk.hpp"

#include <cstdint>

namespace multibuffer {

/// Copies the next `rows` rows of the inner axis that a walk is on, of `row_bytes` bytes each: one
/// loop looks rows up and prefetches them some rows before they are copied. If `nontemporal`, they
/// are written by non-temporal stores, and a thread must call `nontemporal_fence` after its last
/// call. The walk does not move. Only for plans that `RowWalk::can_look_up_ahead`.
void gather_inner_axis(const RowWalk& walk, std::int64_t rows, std::int64_t row_bytes,
                       bool nontemporal);

}  // namespace multibuffer
