#pragma once

#include "host/cpu/convert_items.hpp"
#include "host/cpu/copy_plane.hpp"
#include "host/cpu/row_walk.hpp"

#include <span>

namespace multibuffer {

/// Converts a plane, whose `row_bytes` are those of the source. What is contiguous where it is
/// written goes past the caches if `streaming`.
void convert_plane(const Plane& plane, const ConvertItems& convert, bool streaming);

/// Converts rows of `row_bytes` source bytes and asks the caches for the rows in `ahead`, which are
/// converted next.
void convert_rows(std::span<const RowCopy> rows, std::span<const RowCopy> ahead,
                  std::int64_t row_bytes, const ConvertItems& convert, bool streaming);

}  // namespace multibuffer
