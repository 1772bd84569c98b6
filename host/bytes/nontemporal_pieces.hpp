#pragma once

#include "host/bytes/nontemporal_copy.hpp"
#include "host/bytes/simd.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

namespace multibuffer {

/// The largest piece: two of them fit into the L1 cache beside their source.
inline constexpr std::int64_t most_piece_bytes = 8192;

/// Makes `count` units of a result, of `bytes` each and contiguous from `to`, and writes them by
/// non-temporal stores. make(out, begin, units) writes some of them to `out`, at most `piece_bytes`
/// at a time (no more than `most_piece_bytes`, at least a cache line and a unit). Each piece is
/// written after the next one is made: reading it back at once would wait for the stores to it, and
/// all later loads would wait as well. A thread must call `nontemporal_fence` after its last call.
template <class Make>
void write_nontemporal_pieces(std::byte* to, std::int64_t count, std::int64_t bytes,
                              std::int64_t piece_bytes, const Make& make) {
  // Half a page apart: a load waits for an earlier store to the same offset in a page.
  constexpr std::size_t apart = most_piece_bytes + 2048;
  alignas(cache_line_bytes) std::array<std::array<std::byte, apart>, 2> buffers;
  std::int64_t made_bytes = 0;
  std::size_t turn = 0;
  for (std::int64_t begin = 0; begin < count;) {
    // The first piece ends where a cache line does, as far as whole units can; then so do all.
    const std::int64_t units =
        std::min(count - begin, (piece_bytes - offset_in_cache_line(to + made_bytes)) / bytes);
    make(buffers[turn].data(), begin, units);
    turn ^= 1;
    if (made_bytes > 0) nontemporal_copy(to, buffers[turn].data(), made_bytes);
    to += made_bytes;
    made_bytes = units * bytes;
    begin += units;
  }
  nontemporal_copy(to, buffers[turn ^ 1].data(), made_bytes);
}

}  // namespace multibuffer
