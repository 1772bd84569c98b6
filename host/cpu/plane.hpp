#pragma once

#include <cstddef>
#include <cstdint>

namespace multibuffer {

/// Two axes of rows: `outer` times `rows` rows of `row_bytes` bytes. Row r of outer index i is
/// copied from from + i * outer_stride + r * stride to to + i * outer_out_stride + r * out_stride.
struct Plane {
  std::byte* to = nullptr;
  const std::byte* from = nullptr;
  std::int64_t outer = 0;
  std::int64_t outer_out_stride = 0;
  std::int64_t outer_stride = 0;
  std::int64_t rows = 0;
  std::int64_t out_stride = 0;
  std::int64_t stride = 0;
  std::int64_t row_bytes = 0;
};

}  // namespace multibuffer
