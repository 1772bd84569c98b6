#pragma once

#include <multibuffer/stages/place.hpp>

#include <cstddef>
#include <cstdint>

namespace multibuffer {

/// Writes bytes [begin, end) of the arena that `placement` describes to `out`, from the host memory
/// that its segments name: what fills an arena, a slot of a staging ring, or a thread's share.
/// Bytes between segments are set to 0. Not for placements in place.
void pack(const Placement& placement, std::int64_t begin, std::int64_t end, std::byte* out);

}  // namespace multibuffer
