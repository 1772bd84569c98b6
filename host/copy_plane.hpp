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

/// Copies a plane: a transpose by tiles, reversed lines by words, anything else row by row. What is
/// long and contiguous goes past the caches if `streaming`.
void copy_plane(const Plane& plane, bool streaming);

}  // namespace multibuffer
