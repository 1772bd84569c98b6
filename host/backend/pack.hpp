#pragma once

#include <multibuffer/stages/place.hpp>

#include <cstddef>
#include <cstdint>

namespace multibuffer {

/// Writes bytes [begin, end) of the arena that `placement` describes to `out`, from the host memory
/// that its segments name. Fills an arena, a slot of a staging ring, or a thread's share of either.
/// Bytes between segments become 0. `placement` must not be in place.
void pack(const Placement& placement, std::int64_t begin, std::int64_t end, std::byte* out);

}  // namespace multibuffer
