#pragma once

#include <algorithm>
#include <cstdint>

/// Returns the least bytes that a gather moves for each row. Device memory is read in sectors of 32
/// bytes, of which a row that starts anywhere on multiples of `alignment` touches
/// 1 + (bytes - alignment) / 32 on average; it is written densely, and its table or index entry is
/// read. Divided by the time and by what a copy on the same device reaches in the same run, this is
/// the fraction of the limit.
namespace multibuffer::bench {

inline constexpr std::int64_t sector = 32;

/// The largest power of two that divides a row's size, up to a sector: how rows that lie one after
/// the other are aligned.
constexpr std::int64_t alignment_of(std::int64_t row_bytes) {
  return std::min(row_bytes & -row_bytes, sector);
}

constexpr double traffic(std::int64_t row_bytes, std::int64_t alignment, std::int64_t entry_bytes) {
  const std::int64_t read = sector + row_bytes - std::min(alignment, sector);
  return static_cast<double>(read + row_bytes + entry_bytes);
}

static_assert(traffic(4, 4, 8) == 44 && traffic(16, 16, 8) == 56 && traffic(64, 32, 8) == 136);

}  // namespace multibuffer::bench
