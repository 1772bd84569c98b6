#include "host/bytes/stream_bytes.hpp"

#include "host/bytes/simd.hpp"
#include "host/bytes/wide_copy.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstring>

namespace multibuffer {
namespace {

/// Shorter ones are over before streaming could pay.
constexpr std::int64_t least_streamed_bytes = 2048;

/// The hardware asks for lines ahead of those that are read, but for none beyond their page, so
/// that at each page's begin it has to start anew. Of four pages in turn, it is at work on some.
constexpr std::int64_t page_bytes = 4096, pages_in_turn = 4;
constexpr std::int64_t block_bytes = pages_in_turn * page_bytes;

template <class Moves>
void stream(std::byte* to, const std::byte* from, std::int64_t bytes) {
  std::int64_t at = std::min(bytes, bytes_to_line(to));
  std::memcpy(to, from, static_cast<std::size_t>(at));
  for (; at + 2 * block_bytes <= bytes; at += block_bytes)
    for (std::int64_t in_page = at; in_page < at + page_bytes; in_page += line_bytes)
      for (std::int64_t line = in_page; line < in_page + block_bytes; line += page_bytes) {
        prefetch_first_line(from + line + block_bytes);
        Moves::stream(to + line, from + line);
      }
  for (; at + line_bytes <= bytes; at += line_bytes) Moves::stream(to + at, from + at);
  std::memcpy(to + at, from + at, static_cast<std::size_t>(bytes - at));
}
MULTIBUFFER_WIDE void stream_wide(std::byte* to, const std::byte* from, std::int64_t bytes) {
  stream<WideMoves>(to, from, bytes);
}

}  // namespace

bool worth_streaming(std::int64_t bytes) {
  if (!has_streaming) return false;
  // What is reported as the last cache may be shared with others: a virtual machine sees all of its
  // host's. Few processors have more than 16 MiB of it for each of their cores.
  constexpr std::int64_t most_a_core = std::int64_t{16} << 20;
  static const std::int64_t cache = [] {
    const std::int64_t size = sysconf(_SC_LEVEL3_CACHE_SIZE);
    const std::int64_t cores = std::max<std::int64_t>(1, sysconf(_SC_NPROCESSORS_ONLN));
    return size > 0 ? std::min(size, cores * most_a_core) : std::int64_t{32} << 20;
  }();
  return bytes > cache / 2;
}

void stream_bytes(std::byte* to, const std::byte* from, std::int64_t bytes) {
  // Where stores go by way of the caches all the same, the C library knows the order for them.
  if (!has_streaming) {
    std::memcpy(to, from, static_cast<std::size_t>(bytes));
    return;
  }
  static const auto stream_all = has_wide_vectors() ? stream_wide : stream<NarrowMoves>;
  stream_all(to, from, bytes);
}

void copy_bytes(std::byte* to, const std::byte* from, std::int64_t bytes, bool streaming) {
  if (streaming && bytes >= least_streamed_bytes) return stream_bytes(to, from, bytes);
  std::memcpy(to, from, static_cast<std::size_t>(bytes));
}

}  // namespace multibuffer
