#pragma once

#include "host/cpu/row_walk.hpp"

#include <cstdint>
#include <span>

namespace multibuffer {

/// Copies rows of `row_bytes`, if `nontemporal` by non-temporal stores where that pays (a thread
/// must then call `nontemporal_fence` after its last call). Prefetches the rows in `ahead`, which
/// come next, except for items, which the walk has prefetched.
void copy_rows(std::span<const RowCopy> rows, std::span<const RowCopy> ahead,
               std::int64_t row_bytes, bool nontemporal);

}  // namespace multibuffer
