#pragma once

#include <cstdint>

namespace multibuffer {

/// Tells whether any of `count` signed integers, of 4 or 8 bytes each, is no index of an axis of
/// `extent`: neither in [0, extent) nor, counted from the end, in [-extent, 0).
bool any_out_of_range(const void* values, int bytes_each, std::int64_t count, std::int64_t extent);

}  // namespace multibuffer
