#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace multibuffer {

/// Copies Bytes to 2 * Bytes bytes by two copies of `Bytes` that overlap in the middle.
template <std::size_t Bytes>
void copy_ends(std::byte* to, const std::byte* from, std::int64_t bytes) {
  std::byte first[Bytes], last[Bytes];
  std::memcpy(first, from, Bytes);
  std::memcpy(last, from + bytes - Bytes, Bytes);
  std::memcpy(to, first, Bytes);
  std::memcpy(to + bytes - Bytes, last, Bytes);
}

/// Copies 0 to 16 bytes, and touches no others: a call of memcpy would take longer than the copy.
inline void copy_short(std::byte* to, const std::byte* from, std::int64_t bytes) {
  if (bytes >= 8) return copy_ends<8>(to, from, bytes);
  if (bytes >= 4) return copy_ends<4>(to, from, bytes);
  if (bytes >= 2) return copy_ends<2>(to, from, bytes);
  if (bytes == 1) *to = *from;
}

}  // namespace multibuffer
