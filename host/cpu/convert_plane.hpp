#pragma once

#include "host/cpu/convert_items.hpp"
#include "host/cpu/plane.hpp"
#include "host/cpu/row_walk.hpp"

#include <span>

namespace multibuffer {

/// Converts a plane, whose `row_bytes` are those of the source. If `nontemporal`, contiguous output
/// is written by non-temporal stores.
void convert_plane(const Plane& plane, const ConvertItems& convert, bool nontemporal);

/// Converts rows of `row_bytes` source bytes and prefetches the rows in `ahead`, which come next.
void convert_rows(std::span<const RowCopy> rows, std::span<const RowCopy> ahead,
                  std::int64_t row_bytes, const ConvertItems& convert, bool nontemporal);

}  // namespace multibuffer
