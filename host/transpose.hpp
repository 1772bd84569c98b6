#pragma once

#include "copy_plane.hpp"

namespace multibuffer {

/// Whether a plane of 1, 2, 4 or 8 byte items is contiguous along its lines where it is read, and
/// along its rows where it is written.
bool is_transpose(const Plane& plane);

/// Copies such a plane; what it writes goes past the caches if `streaming`.
void transpose(const Plane& plane, bool streaming);

}  // namespace multibuffer
