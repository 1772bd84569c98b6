#pragma once

#include "host/cpu/plane.hpp"

#include <cstdint>

namespace multibuffer {

/// Copies a plane in the way that `choose_way` picks (see way.hpp). If `nontemporal`, contiguous
/// output is written by non-temporal stores.
void copy_plane(const Plane& plane, bool nontemporal);

/// Returns how many rows are best copied for all outer indices before the next rows are begun:
/// where the rows of neighbouring outer indices share cache lines of the source. 0 means all.
std::int64_t rows_at_once(const Plane& plane);

/// Returns how many rows lie before the first that begins a cache line of the output; 0 if that is
/// not the same row for all outer indices.
std::int64_t rows_to_cache_line(const Plane& plane);

}  // namespace multibuffer
