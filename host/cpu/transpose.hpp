#pragma once

#include "host/cpu/copy_plane.hpp"

#include <cstdint>

namespace multibuffer {

/// Whether a plane of 1, 2, 4 or 8 byte items (of 3 or 6 bytes where the processor has shuffles) is
/// contiguous along its lines where it is read, in either direction, and along its rows where it is
/// written.
bool is_transpose(const Plane& plane);

/// How many rows of such items are copied on all lines before the next are begun.
std::int64_t transposed_rows(std::int64_t item_bytes);

/// With fewer rows, no square of such items is whole.
std::int64_t least_transposed_rows(std::int64_t item_bytes);

/// Copies such a plane; what it writes goes past the caches if `streaming`.
void transpose(const Plane& plane, bool streaming);

}  // namespace multibuffer
