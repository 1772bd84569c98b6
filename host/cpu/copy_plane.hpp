#pragma once

#include <cstddef>
#include <cstdint>

namespace multibuffer {

/// Rows of `row_bytes` on lines: row r of line l is copied from
/// from + l * line_stride + r * stride to to + l * line_out_stride + r * out_stride.
struct Plane {
  std::byte* to = nullptr;
  const std::byte* from = nullptr;
  std::int64_t lines = 0;
  std::int64_t line_out_stride = 0;
  std::int64_t line_stride = 0;
  std::int64_t rows = 0;
  std::int64_t out_stride = 0;
  std::int64_t stride = 0;
  std::int64_t row_bytes = 0;
};

/// Copies a plane: a transpose by tiles, items that lie close to each other and short lines by
/// vectors, anything else row by row. What is contiguous where it is written goes past the caches
/// if `streaming`.
void copy_plane(const Plane& plane, bool streaming);

/// How many rows of a plane are best copied on all of its lines before the next are begun: where
/// neighbouring lines share cache lines of the source. 0 means all.
std::int64_t rows_at_once(const Plane& plane);

/// How many rows lie before the first that begins a cache line of the output; 0 if that is not the
/// same row on all lines.
std::int64_t rows_to_cache_line(const Plane& plane);

}  // namespace multibuffer
