#pragma once

#include "host/bytes/simd.hpp"
#include "host/bytes/stream_bytes.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

namespace multibuffer {

/// The largest piece: two fit into the first cache beside what they are made from.
inline constexpr std::int64_t most_piece_bytes = 8192;

/// Makes `count` units of a result, of `bytes` each and one after the other from `to` on, and
/// writes them past the caches. make(out, begin, units) writes some of them to `out`, at most
/// `piece_bytes` at a time (no more than `most_piece_bytes`, at least a line and a unit). Each
/// piece is written after the next one is made: what is read back at once has to wait for the
/// stores to it, and all that comes after it waits as well. `finish_streaming` comes after a
/// thread's last.
template <class Make>
void stream_pieces(std::byte* to, std::int64_t count, std::int64_t bytes, std::int64_t piece_bytes,
                   const Make& make) {
  // Half a page apart: a load from the place in a page of an earlier store waits for that.
  constexpr std::size_t apart = most_piece_bytes + 2048;
  alignas(line_bytes) std::array<std::array<std::byte, apart>, 2> buffers;
  std::int64_t made_bytes = 0;
  std::size_t turn = 0;
  for (std::int64_t begin = 0; begin < count;) {
    // The first piece ends where a cache line does, as far as whole units can; then so do all.
    const std::int64_t units =
        std::min(count - begin, (piece_bytes - place_in_line(to + made_bytes)) / bytes);
    make(buffers[turn].data(), begin, units);
    turn ^= 1;
    if (made_bytes > 0) stream_bytes(to, buffers[turn].data(), made_bytes);
    to += made_bytes;
    made_bytes = units * bytes;
    begin += units;
  }
  stream_bytes(to, buffers[turn ^ 1].data(), made_bytes);
}

}  // namespace multibuffer
