#include "host/cpu/copy_plane.hpp"

#include "host/bytes/simd.hpp"
#include "host/bytes/stream_bytes.hpp"
#include "host/bytes/stream_pieces.hpp"
#include "host/cpu/copy_items.hpp"
#include "host/cpu/copy_pixels.hpp"
#include "host/cpu/permute_items.hpp"
#include "host/cpu/transpose.hpp"

#include <algorithm>
#include <cstdlib>
#include <numeric>

namespace multibuffer {
namespace {

/// How much is read for a piece of small items, so little that reading and streaming alternate
/// faster than the memory answers, and while either waits, the other is under way; and how much is
/// written.
constexpr std::int64_t piece_source_bytes = 2048;
constexpr std::int64_t least_item_piece = 2 * line_bytes, most_item_piece = 24 * line_bytes;
constexpr std::int64_t most_common_piece = 16 * line_bytes;

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

/// Rows long enough to be streamed, each by itself.
void copy_long_rows(const Plane& plane) {
  for (std::int64_t l = 0; l < plane.lines; ++l)
    for (std::int64_t r = 0; r < plane.rows; ++r)
      copy_bytes(plane.to + l * plane.line_out_stride + r * plane.out_stride,
                 plane.from + l * plane.line_stride + r * plane.stride, plane.row_bytes, true);
}

/// What is made of units of so many bytes that lie `stride` apart before it is streamed: whole
/// units and whole cache lines, if that is not too much. Lines that two pieces share are no
/// streams.
std::int64_t piece_bytes_for(std::int64_t stride, std::int64_t bytes) {
  if (bytes >= line_bytes) return large_piece_bytes;
  const std::int64_t units = piece_source_bytes / std::max(std::abs(stride), bytes);
  const std::int64_t wanted = std::clamp(units * bytes, least_item_piece, most_item_piece);
  const std::int64_t common = std::lcm(bytes, line_bytes);
  const std::int64_t step = common <= most_common_piece ? common : line_bytes;
  return std::max(wanted / step, std::int64_t{1}) * step;
}

/// Copies rows of a plane's lines in the way that is best for them.
class CopyRows {
 public:
  explicit CopyRows(const Plane& plane)
      : stride_(plane.stride),
        out_stride_(plane.out_stride),
        row_bytes_(plane.row_bytes),
        by_steps_(out_stride_ == row_bytes_ && stride_ % row_bytes_ == 0 &&
                  is_small_step(stride_ / row_bytes_, row_bytes_)),
        pixels_({stride_, 1, 0, row_bytes_}),
        by_pixels_(out_stride_ == row_bytes_ && pixels_.is_fast()) {}

  /// Whether vectors do it.
  bool is_fast() const { return by_steps_ || by_pixels_; }

  /// `count` rows of one line.
  void operator()(std::byte* to, const std::byte* from, std::int64_t count) const {
    if (by_steps_)
      copy_every(to, from, count, stride_ / row_bytes_, row_bytes_);
    else if (by_pixels_)
      pixels_(to, from, count);
    else
      copy_strided(to, out_stride_, from, stride_, count, row_bytes_);
  }

 private:
  std::int64_t stride_, out_stride_, row_bytes_;
  bool by_steps_;
  CopyPixels pixels_;
  bool by_pixels_;
};

/// Lines that follow each other without holes: what is made of them at a time may end within one.
void stream_dense_lines(const Plane& plane, const CopyRows& copy) {
  const auto make = [&](std::byte* out, std::int64_t begin, std::int64_t count) {
    for (std::int64_t line = begin / plane.rows, row = begin % plane.rows; count > 0; ++line) {
      const std::byte* from = plane.from + line * plane.line_stride + row * plane.stride;
      const std::int64_t rows = std::min(count, plane.rows - row);
      prefetch_items(from, plane.stride, rows);
      copy(out, from, rows);
      out += rows * plane.row_bytes;
      count -= rows;
      row = 0;
    }
  };
  stream_pieces(plane.to, plane.lines * plane.rows, plane.row_bytes,
                piece_bytes_for(plane.stride, plane.row_bytes), make);
}

void copy_lines(const Plane& plane, const CopyRows& copy, bool streaming) {
  const bool is_dense_line = plane.out_stride == plane.row_bytes;
  if (streaming && is_dense_line && plane.line_out_stride == plane.rows * plane.row_bytes)
    return stream_dense_lines(plane, copy);
  for (std::int64_t l = 0; l < plane.lines; ++l) {
    Plane line = plane;
    line.to += l * plane.line_out_stride;
    line.from += l * plane.line_stride;
    line.lines = 1;
    if (streaming && is_dense_line)
      stream_dense_lines(line, copy);
    else
      copy(line.to, line.from, line.rows);
  }
}

/// Of shorter lines too many bytes are in cache lines that are not whole.
constexpr std::int64_t least_item_line = 64 * line_bytes;

/// Whether each line is long, and cache lines of it are made of whole items.
bool has_item_lines(const Plane& plane) {
  const std::int64_t size = plane.row_bytes;
  return plane.out_stride == size && plane.rows * size >= least_item_line &&
         place_in_line(plane.to) % size == 0 && plane.line_out_stride % size == 0;
}

void copy_item_lines(const Plane& plane, const PermuteItems& copy, bool streaming) {
  for (std::int64_t l = 0; l < plane.lines; ++l)
    copy(plane.to + l * plane.line_out_stride, plane.from + l * plane.line_stride, plane.rows,
         streaming);
}

/// Lines up to this size, of few rows, are made together, row by row of all of them.
constexpr std::int64_t most_pixel_bytes = line_bytes;

bool are_pixels(const Plane& plane) {
  return plane.lines > 1 && plane.out_stride == plane.row_bytes &&
         plane.line_out_stride == plane.rows * plane.row_bytes &&
         plane.line_out_stride <= most_pixel_bytes;
}

void copy_pixel_lines(const Plane& plane, const CopyPixels& copy, bool streaming) {
  const auto make = [&](std::byte* out, std::int64_t begin, std::int64_t count) {
    const std::byte* from = plane.from + begin * plane.line_stride;
    if (streaming) prefetch_items(from, plane.line_stride, count);
    copy(out, from, count);
  };
  make_result(plane.to, plane.lines, plane.line_out_stride, streaming,
              piece_bytes_for(plane.line_stride, plane.line_out_stride), make);
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
  return is_transpose(plane) && plane.lines >= least_tiled_lines &&
         plane.rows >= least_transposed_rows(plane.row_bytes);
}

}  // namespace

void copy_plane(const Plane& plane, bool streaming) {
  if (is_interleaving(plane)) return interleave_lines(plane, streaming);
  if (is_tiled(plane)) return transpose(plane, streaming);
  if (streaming && plane.row_bytes > most_buffered_bytes) return copy_long_rows(plane);
  if (has_item_lines(plane)) {
    const PermuteItems items(plane.stride, plane.row_bytes);
    if (items.is_fast()) return copy_item_lines(plane, items, streaming);
  }
  const CopyRows rows(plane);
  if (are_pixels(plane)) {
    const CopyPixels pixels({plane.line_stride, plane.rows, plane.stride, plane.row_bytes});
    if (pixels.is_fast() || !rows.is_fast()) return copy_pixel_lines(plane, pixels, streaming);
  }
  copy_lines(plane, rows, streaming);
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
