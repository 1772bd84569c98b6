#pragma once

#include "host/bytes/simd.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace multibuffer {

/// Copies bytes by vectors of 16 bytes and, for functions with MULTIBUFFER_WIDE, by wide ones. No
/// byte outside of the copy is accessed: it may lie in another cache line, which would be fetched.
struct NarrowMoves {
  static void nontemporal_store_line(std::byte* to, const std::byte* from) {
    multibuffer::nontemporal_store_line(to, from);
  }
  static void copy_line(std::byte* to, const std::byte* from) {
    constexpr auto vector = static_cast<std::int64_t>(vector_bytes);
    for (std::int64_t at = 0; at < cache_line_bytes; at += vector)
      std::memcpy(to + at, from + at, vector_bytes);
  }
  /// Copies `bytes` bytes, at least the size of a vector.
  static void copy(std::byte* to, const std::byte* from, std::int64_t bytes) {
    constexpr auto vector = static_cast<std::int64_t>(vector_bytes);
    for (std::int64_t at = 0; at + vector < bytes; at += vector)
      std::memcpy(to + at, from + at, vector_bytes);
    std::memcpy(to + bytes - vector, from + bytes - vector, vector_bytes);
  }
};
struct WideMoves {
  static void nontemporal_store_line(std::byte* to, const std::byte* from) {
    multibuffer::nontemporal_store_wide_line(to, from);
  }
  static void copy_line(std::byte* to, const std::byte* from) { copy_wide_line(to, from); }
  static void copy(std::byte* to, const std::byte* from, std::int64_t bytes) {
    if (bytes < cache_line_bytes) return NarrowMoves::copy(to, from, bytes);
    for (std::int64_t at = 0; at + cache_line_bytes < bytes; at += cache_line_bytes)
      copy_wide_line(to + at, from + at);
    copy_wide_line(to + bytes - cache_line_bytes, from + bytes - cache_line_bytes);
  }
};

/// Copies a row of `bytes` bytes, at least the size of a vector, and prefetches one of as many from
/// `later` on: a line in turn with each that is copied, since a processor that has many lines to
/// ask for at once copies none meanwhile.
template <class Moves, class Prefetch>
void copy_and_prefetch(std::byte* to, const std::byte* from, std::int64_t bytes,
                       const std::byte* later, const Prefetch& prefetch_line) {
  if (bytes < cache_line_bytes) {
    prefetch_line(later);
    prefetch_line(later + bytes - 1);
    return NarrowMoves::copy(to, from, bytes);
  }
  std::int64_t at = 0;
  for (; at + cache_line_bytes < bytes; at += cache_line_bytes) {
    prefetch_line(later + at);
    Moves::copy_line(to + at, from + at);
  }
  prefetch_line(later + at);
  prefetch_line(later + bytes - 1);  // often in another line
  Moves::copy_line(to + bytes - cache_line_bytes, from + bytes - cache_line_bytes);
}

}  // namespace multibuffer
