#include "host/bytes/nontemporal_copy.hpp"

#include "host/bytes/simd.hpp"
#include "host/bytes/wide_copy.hpp"
#include "host/support/threshold.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstring>

namespace multibuffer {
namespace {

/// Shorter ones are over before nontemporal could pay. Each row asks for it, so it is a number.
const std::int64_t least_nontemporal_bytes = Threshold{2048, 1};

/// The hardware prefetches the lines after those that are read, but none of the next page, so that
/// it starts again with each page. With four pages in turn, it is always prefetching some.
constexpr std::int64_t page_bytes = 4096, pages_in_turn = 4;
constexpr std::int64_t block_bytes = pages_in_turn * page_bytes;

template <class Moves>
void copy_lines(std::byte* to, const std::byte* from, std::int64_t bytes) {
  std::int64_t at = std::min(bytes, bytes_to_cache_line(to));
  std::memcpy(to, from, static_cast<std::size_t>(at));
  for (; at + 2 * block_bytes <= bytes; at += block_bytes)
    for (std::int64_t in_page = at; in_page < at + page_bytes; in_page += cache_line_bytes)
      for (std::int64_t line = in_page; line < in_page + block_bytes; line += page_bytes) {
        prefetch_to_second_cache(from + line + block_bytes);
        Moves::nontemporal_store_line(to + line, from + line);
      }
  for (; at + cache_line_bytes <= bytes; at += cache_line_bytes)
    Moves::nontemporal_store_line(to + at, from + at);
  std::memcpy(to + at, from + at, static_cast<std::size_t>(bytes - at));
}
MULTIBUFFER_WIDE void copy_lines_wide(std::byte* to, const std::byte* from, std::int64_t bytes) {
  copy_lines<WideMoves>(to, from, bytes);
}

}  // namespace

bool worth_nontemporal(std::int64_t bytes) {
  if (!has_nontemporal_stores) return false;
  // The last cache that is reported may be shared with others: a virtual machine sees all of its
  // host's. Few processors have more than 16 MiB for each of their cores.
  constexpr std::int64_t most_a_core = std::int64_t{16} << 20;
  static const std::int64_t cache = [] {
    const std::int64_t size = sysconf(_SC_LEVEL3_CACHE_SIZE);
    const std::int64_t cores = std::max<std::int64_t>(1, sysconf(_SC_NPROCESSORS_ONLN));
    return size > 0 ? std::min(size, cores * most_a_core) : std::int64_t{32} << 20;
  }();
  return bytes > Threshold(cache / 2, 0);
}

void nontemporal_copy(std::byte* to, const std::byte* from, std::int64_t bytes) {
  // Without non-temporal stores, the C library's copy is the fastest.
  if (!has_nontemporal_stores) {
    std::memcpy(to, from, static_cast<std::size_t>(bytes));
    return;
  }
  static const auto copy_all = has_wide_vectors() ? copy_lines_wide : copy_lines<NarrowMoves>;
  copy_all(to, from, bytes);
}

void copy_bytes(std::byte* to, const std::byte* from, std::int64_t bytes, bool nontemporal) {
  if (nontemporal && bytes >= least_nontemporal_bytes) return nontemporal_copy(to, from, bytes);
  std::memcpy(to, from, static_cast<std::size_t>(bytes));
}

}  // namespace multibuffer
