#pragma once

#include "host/bytes/short_copy.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace multibuffer {

// Ways to copy one row, beside `NarrowMoves` and `WideMoves`, by the size of the row.

/// The size from which the C library's memcpy is faster than loops of ours.
inline constexpr std::int64_t large_row_bytes = 2048;

/// Copies rows of a size that is known when this is compiled.
template <std::int64_t Bytes>
struct FixedRow {
  static void copy(std::byte* to, const std::byte* from, std::int64_t /*bytes*/) {
    std::memcpy(to, from, std::size_t{Bytes});
  }
};
/// Copies rows of up to 16 bytes.
struct ShortRow {
  static void copy(std::byte* to, const std::byte* from, std::int64_t bytes) {
    copy_short(to, from, bytes);
  }
};
/// Copies rows of `large_row_bytes` or more.
struct LargeRow {
  static void copy(std::byte* to, const std::byte* from, std::int64_t bytes) {
    std::memcpy(to, from, static_cast<std::size_t>(bytes));
  }
};

}  // namespace multibuffer
