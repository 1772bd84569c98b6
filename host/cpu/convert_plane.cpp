#include "host/cpu/convert_plane.hpp"

#include "host/bytes/simd.hpp"
#include "host/bytes/stream_pieces.hpp"
#include "host/cpu/copy_rows.hpp"
#include "host/support/rounding.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>

// Numbers are converted where they lie one after the other. Those that do not are first copied
// together, or afterwards apart, by way of small buffers: copying has its own ways with strides.

namespace multibuffer {
namespace {

/// A piece of work before it is converted and, at most twice that, after.
constexpr std::int64_t buffer_bytes = 8192;
using Buffer = std::array<std::byte, static_cast<std::size_t>(buffer_bytes)>;

/// Shorter rows are converted together.
constexpr std::int64_t least_run_bytes = 512;

/// What of a transposed plane is worked on at a time, along either axis: some cache lines.
constexpr std::int64_t tile_lines = 32;

/// What of a run is read for a piece of the result, and how far ahead the caches are asked.
constexpr std::int64_t piece_source_bytes = 2048, ahead_bytes = 4096;

/// `bytes` source bytes of numbers that follow each other on both sides.
void convert_run(std::byte* to, const std::byte* from, std::int64_t bytes,
                 const ConvertItems& convert, bool streaming) {
  const std::int64_t count = bytes / convert.from_bytes(), out_bytes = convert.to_bytes();
  if (!streaming || count * out_bytes < most_piece_bytes) return convert(to, from, count);
  const std::int64_t piece_bytes =
      std::clamp(convert.out_bytes(piece_source_bytes), 4 * line_bytes, most_piece_bytes);
  stream_pieces(to, count, out_bytes, piece_bytes,
                [&](std::byte* out, std::int64_t begin, std::int64_t items) {
                  const std::byte* const source = from + begin * convert.from_bytes();
                  const std::int64_t source_bytes = items * convert.from_bytes();
                  for (std::int64_t at = 0; at < source_bytes; at += line_bytes)
                    prefetch_from(source, ahead_bytes + at);
                  convert(out, source, items);
                });
}

/// A plane that fits into the buffers.
void convert_tile(const Plane& tile, const ConvertItems& convert, bool streaming) {
  alignas(line_bytes) Buffer gathered;
  alignas(line_bytes) std::array<std::byte, 2 * sizeof(Buffer)> converted;
  const std::int64_t line_bytes_in = tile.rows * tile.row_bytes;
  const std::int64_t out_row_bytes = convert.out_bytes(tile.row_bytes);
  const std::int64_t out_line_bytes = tile.rows * out_row_bytes;

  Plane together = tile;
  together.to = gathered.data();
  together.line_out_stride = line_bytes_in;
  together.out_stride = tile.row_bytes;
  const bool is_dense_in = tile.lines == 1 && tile.stride == tile.row_bytes;
  if (!is_dense_in) copy_plane(together, false);
  const std::byte* from = is_dense_in ? tile.from : gathered.data();

  const bool is_dense_out = tile.out_stride == out_row_bytes || tile.rows == 1;
  const bool is_one_run =
      is_dense_out && (tile.lines == 1 || tile.line_out_stride == out_line_bytes);
  if (is_one_run) return convert_run(tile.to, from, tile.lines * line_bytes_in, convert, streaming);
  if (is_dense_out) {
    for (std::int64_t l = 0; l < tile.lines; ++l)
      convert_run(tile.to + l * tile.line_out_stride, from + l * line_bytes_in, line_bytes_in,
                  convert, streaming);
    return;
  }
  convert(converted.data(), from, tile.lines * line_bytes_in / convert.from_bytes());
  Plane apart = tile;
  apart.from = converted.data();
  apart.line_stride = out_line_bytes;
  apart.stride = out_row_bytes;
  apart.row_bytes = out_row_bytes;
  copy_plane(apart, false);
}

/// How many rows, on how many lines, fit into the buffers.
struct TileShape {
  std::int64_t lines;
  std::int64_t rows;
};
TileShape tile_shape(const Plane& plane, const ConvertItems& convert) {
  // Half a buffer before, so that numbers eight times as wide stay within the two after.
  const std::int64_t grown =
      std::max<std::int64_t>(1, ceil_divide(convert.to_bytes(), 2 * convert.from_bytes()));
  const std::int64_t fitting = std::max<std::int64_t>(1, buffer_bytes / grown / plane.row_bytes);
  const bool is_transposed =
      plane.lines > 1 && std::abs(plane.line_stride) < std::abs(plane.stride);
  if (is_transposed) {
    const std::int64_t lines = std::min({plane.lines, tile_lines, fitting});
    return {lines, std::min(plane.rows, fitting / lines)};
  }
  const std::int64_t rows = std::min(plane.rows, fitting);
  return {rows < plane.rows ? 1 : std::min(plane.lines, fitting / rows), rows};
}

}  // namespace

void convert_plane(const Plane& plane, const ConvertItems& convert, bool streaming) {
  const bool long_rows = plane.row_bytes >= least_run_bytes;
  const TileShape shape = long_rows ? TileShape{1, 1} : tile_shape(plane, convert);
  for (std::int64_t l = 0; l < plane.lines; l += shape.lines)
    for (std::int64_t r = 0; r < plane.rows; r += shape.rows) {
      Plane tile = plane;
      tile.to += l * plane.line_out_stride + r * plane.out_stride;
      tile.from += l * plane.line_stride + r * plane.stride;
      tile.lines = std::min(shape.lines, plane.lines - l);
      tile.rows = std::min(shape.rows, plane.rows - r);
      if (long_rows) {
        convert_run(tile.to, tile.from, plane.row_bytes, convert, streaming);
      } else {
        convert_tile(tile, convert, streaming);
      }
    }
}

namespace {

constexpr std::size_t most_rows = 64;

/// Rows short enough to be converted together: they are copied into one buffer, with the caches
/// asked for those ahead.
void convert_short_rows(std::span<const RowCopy> rows, std::span<const RowCopy> ahead,
                        std::int64_t row_bytes, const ConvertItems& convert, bool streaming) {
  alignas(line_bytes) std::array<std::byte, most_rows * least_run_bytes> gathered;
  std::array<RowCopy, most_rows> together;
  const std::int64_t out_row_bytes = convert.out_bytes(row_bytes);
  bool is_dense_out = true;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const auto n = static_cast<std::int64_t>(i);
    together[i] = {rows[i].from, gathered.data() + n * row_bytes};
    is_dense_out = is_dense_out && rows[i].to == rows[0].to + n * out_row_bytes;
  }
  copy_rows(std::span(together).first(rows.size()), ahead, row_bytes, false);
  if (is_dense_out)
    return convert_run(rows[0].to, gathered.data(),
                       static_cast<std::int64_t>(rows.size()) * row_bytes, convert, streaming);
  for (const RowCopy& row : std::span(together).first(rows.size()))
    convert(rows[static_cast<std::size_t>(&row - together.data())].to, row.to,
            row_bytes / convert.from_bytes());
}

}  // namespace

void convert_rows(std::span<const RowCopy> rows, std::span<const RowCopy> ahead,
                  std::int64_t row_bytes, const ConvertItems& convert, bool streaming) {
  if (rows.empty()) return;
  if (row_bytes < least_run_bytes)
    return convert_short_rows(rows, ahead, row_bytes, convert, streaming);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (i < ahead.size()) prefetch_row(ahead[i].from, row_bytes);
    convert_run(rows[i].to, rows[i].from, row_bytes, convert, streaming);
  }
}

}  // namespace multibuffer
