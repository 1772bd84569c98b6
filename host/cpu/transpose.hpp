#pragma once

#include "host/cpu/plane.hpp"

#include <cstdint>

namespace multibuffer {

/// Returns true if a plane can be transposed by squares of items: items of 1, 2, 4 or 8 bytes (3 or
/// 6 where the processor has shuffles), contiguous along the outer axis where they are read, in
/// either direction, and along the inner axis where they are written.
bool can_transpose(const Plane& plane);

/// The rows of such items that are copied for all outer indices before the next are begun.
std::int64_t transposed_rows(std::int64_t item_bytes);

/// The fewest rows of such items that make a whole square.
std::int64_t least_transposed_rows(std::int64_t item_bytes);

/// Copies a plane that `can_transpose`, if `nontemporal` by non-temporal stores.
void transpose(const Plane& plane, bool nontemporal);

}  // namespace multibuffer
