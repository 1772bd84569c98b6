#pragma once

#include "host/bytes/simd.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace multibuffer {

/// How bytes are moved by processors without wide vectors, and, in functions with MULTIBUFFER_WIDE,
/// by those with. Nothing outside of what is copied is touched: it may be in another line, which
/// would have to be fetched.
struct NarrowMoves {
  static void stream(std::byte* to, const std::byte* from) { stream_line(to, from); }
  /// From a vector's size on.
  static void copy(std::byte* to, const std::byte* from, std::int64_t bytes) {
    constexpr auto vector = static_cast<std::int64_t>(vector_bytes);
    for (std::int64_t at = 0; at + vector < bytes; at += vector)
      std::memcpy(to + at, from + at, vector_bytes);
    std::memcpy(to + bytes - vector, from + bytes - vector, vector_bytes);
  }
};
struct WideMoves {
  static void stream(std::byte* to, const std::byte* from) { stream_wide_line(to, from); }
  static void copy(std::byte* to, const std::byte* from, std::int64_t bytes) {
    if (bytes < line_bytes) return NarrowMoves::copy(to, from, bytes);
    for (std::int64_t at = 0; at + line_bytes < bytes; at += line_bytes)
      copy_wide_line(to + at, from + at);
    copy_wide_line(to + bytes - line_bytes, from + bytes - line_bytes);
  }
};

}  // namespace multibuffer
