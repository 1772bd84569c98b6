#pragma once

#include "host/cpu/row_walk.hpp"

#include <cstdint>
#include <span>

namespace multibuffer {

/// Copies rows of `row_bytes`; if `streaming`, past the caches where that pays (after a thread's
/// last comes `finish_streaming`). Asks for those in `ahead`, which are copied next, but for items,
/// for which the walk has asked.
void copy_rows(std::span<const RowCopy> rows, std::span<const RowCopy> ahead,
               std::int64_t row_bytes, bool streaming);

}  // namespace multibuffer
