#include "copy_plane.hpp"

#include "copy_items.hpp"
#include "stream_bytes.hpp"
#include "stream_pieces.hpp"
#include "transpose.hpp"
#include "vector.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>

namespace multibuffer {
namespace {

/// How much is read for a piece of small items, so little that reading and streaming alternate
/// faster than the memory answers, and while either waits, the other is under way; and how much is
/// written.
constexpr std::int64_t piece_source_bytes = 1024;
constexpr std::int64_t least_item_piece = 2 * line_bytes, most_item_piece = 8 * line_bytes;

/// The piece of what is not small.
constexpr std::int64_t large_piece_bytes = 4096;

/// How far ahead of what is read the caches are asked for more: bytes of the source, and items.
constexpr std::int64_t ahead_bytes = 4096, least_items_ahead = 16;

/// Rows up to this size are worth a buffer: longer ones are streamed one by one.
constexpr std::int64_t most_buffered_bytes = 1024;

/// make(out, begin, count) with all of a result of `count` units of `bytes` each: to its place or,
/// if `streaming`, by pieces that go past the caches.
template <class Make>
void make_result(std::byte* to, std::int64_t count, std::int64_t bytes, bool streaming,
                 std::int64_t piece_bytes, const Make& make) {
  if (!streaming) return make(to, 0, count);
  stream_pieces(to, count, bytes, piece_bytes, make);
}

/// Asks the second cache for the lines of `count` items, some way beyond those at `from`. Where no
/// memory is, nothing happens.
void prefetch_items(const std::byte* from, std::int64_t stride, std::int64_t count) {
  const std::int64_t size = std::abs(stride);
  // Each line, or each item where not every line has one.
  const std::int64_t step = std::max(line_bytes, size);
  const std::int64_t ahead =
      size > line_bytes ? std::max(ahead_bytes / size, least_items_ahead) * size : ahead_bytes;
  for (std::int64_t at = ahead; at < ahead + count * size; at += step)
    prefetch_from(from, stride < 0 ? -at : at);
}

/// Rows of a size known when this is compiled, or of any size (Bytes = 0).
template <int Bytes>
void copy_strided(std::byte* to, std::int64_t out_stride, const std::byte* from,
                  std::int64_t stride, std::int64_t count, std::int64_t bytes) {
  for (std::int64_t i = 0; i < count; ++i) {
    std::memcpy(to, from, static_cast<std::size_t>(Bytes > 0 ? Bytes : bytes));
    to += out_stride;
    from += stride;
  }
}

void copy_line(std::byte* to, std::int64_t out_stride, const std::byte* from, std::int64_t stride,
               std::int64_t count, std::int64_t bytes) {
  const auto by = [&](const auto& copy) { copy(to, out_stride, from, stride, count, bytes); };
  if (out_stride == bytes && stride % bytes == 0 && is_small_step(stride / bytes, bytes))
    return copy_every(to, from, count, stride / bytes, bytes);
  switch (bytes) {
    case 1:
      return by(copy_strided<1>);
    case 2:
      return by(copy_strided<2>);
    case 3:
      return by(copy_strided<3>);
    case 4:
      return by(copy_strided<4>);
    case 8:
      return by(copy_strided<8>);
    case 12:
      return by(copy_strided<12>);
    case 16:
      return by(copy_strided<16>);
    case 24:
      return by(copy_strided<24>);
    case 32:
      return by(copy_strided<32>);
    case 64:
      return by(copy_strided<64>);
    default:
      return by(copy_strided<0>);
  }
}

/// Rows long enough to be streamed, each by itself.
void copy_long_rows(const Plane& plane) {
  for (std::int64_t l = 0; l < plane.lines; ++l)
    for (std::int64_t r = 0; r < plane.rows; ++r)
      copy_bytes(plane.to + l * plane.line_out_stride + r * plane.out_stride,
                 plane.from + l * plane.line_stride + r * plane.stride, plane.row_bytes, true);
}

std::int64_t item_piece_bytes(const Plane& plane) {
  const std::int64_t items = piece_source_bytes / std::max(std::abs(plane.stride), plane.row_bytes);
  return std::clamp(items * plane.row_bytes / line_bytes * line_bytes, least_item_piece,
                    most_item_piece);
}

void copy_lines(const Plane& plane, bool streaming) {
  const bool buffered = streaming && plane.out_stride == plane.row_bytes;
  const std::int64_t piece =
      plane.row_bytes < line_bytes ? item_piece_bytes(plane) : large_piece_bytes;
  for (std::int64_t l = 0; l < plane.lines; ++l) {
    std::byte* to = plane.to + l * plane.line_out_stride;
    const std::byte* from = plane.from + l * plane.line_stride;
    const auto make = [&](std::byte* out, std::int64_t begin, std::int64_t count) {
      if (buffered) prefetch_items(from + begin * plane.stride, plane.stride, count);
      copy_line(out, plane.out_stride, from + begin * plane.stride, plane.stride, count,
                plane.row_bytes);
    };
    make_result(to, plane.rows, plane.row_bytes, buffered, piece, make);
  }
}

/// Whether each line is made of one item from each of a few sequences.
bool is_interleaving(const Plane& plane) {
  return plane.out_stride == plane.row_bytes && plane.line_stride == plane.row_bytes &&
         plane.line_out_stride == plane.rows * plane.row_bytes &&
         is_interleaved(plane.rows, plane.row_bytes);
}

void interleave_lines(const Plane& plane, bool streaming) {
  const auto make = [&](std::byte* out, std::int64_t begin, std::int64_t count) {
    interleave(out, plane.from + begin * plane.line_stride, count, plane.rows, plane.stride,
               plane.row_bytes);
  };
  make_result(plane.to, plane.lines, plane.line_out_stride, streaming, large_piece_bytes, make);
}

/// Few lines are copied item by item, and more by tiles.
constexpr std::int64_t least_tiled_lines = 8;

bool is_tiled(const Plane& plane) {
  return is_transpose(plane) && plane.lines >= least_tiled_lines;
}

}  // namespace

void copy_plane(const Plane& plane, bool streaming) {
  if (is_interleaving(plane)) return interleave_lines(plane, streaming);
  if (is_tiled(plane)) return transpose(plane, streaming);
  if (streaming && plane.row_bytes > most_buffered_bytes) return copy_long_rows(plane);
  copy_lines(plane, streaming);
}

std::int64_t rows_at_once(const Plane& plane) {
  if (plane.lines == 1 || std::abs(plane.line_stride) >= line_bytes || is_interleaving(plane) ||
      plane.row_bytes >= line_bytes)
    return 0;
  // Of many lines, a few cache lines each, so that what is read for one is there for the next.
  if (is_tiled(plane)) return transposed_rows(plane.row_bytes);
  const std::int64_t line = (plane.lines >= line_bytes ? 4 : 64) * line_bytes;
  return std::max<std::int64_t>(1, line / plane.row_bytes);
}

std::int64_t rows_to_cache_line(const Plane& plane) {
  const std::int64_t left = bytes_to_line(plane.to);
  const bool on_all_lines = plane.out_stride > 0 && plane.line_out_stride % line_bytes == 0;
  return on_all_lines && left % plane.out_stride == 0 ? left / plane.out_stride : 0;
}

}  // namespace multibuffer
