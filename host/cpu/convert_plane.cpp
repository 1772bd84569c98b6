#include "host/cpu/convert_plane.hpp"

#include "host/bytes/nontemporal_pieces.hpp"
#include "host/bytes/simd.hpp"
#include "host/cpu/copy_plane.hpp"
#include "host/cpu/copy_rows.hpp"
#include "host/support/rounding.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>

// Scalars are converted where they are contiguous. Others are first gathered into a small buffer,
// or afterwards scattered from one: copying has its own ways for strides (see way.hpp).

namespace multibuffer {
namespace {

/// Scratch for one tile: this many source bytes, and up to twice as many converted ones.
constexpr std::int64_t buffer_bytes = 8192;
using Buffer = std::array<std::byte, static_cast<std::size_t>(buffer_bytes)>;

/// Shorter rows are converted together.
constexpr std::int64_t least_run_bytes = 512;

/// The outer indices of a transposed plane in one tile: some cache lines of it.
constexpr std::int64_t tile_outer = 32;

/// The source bytes of a piece of a run, and how far ahead the source is prefetched.
constexpr std::int64_t piece_source_bytes = 2048, ahead_bytes = 4096;

/// Converts `bytes` source bytes of scalars that are contiguous on both sides.
void convert_run(std::byte* to, const std::byte* from, std::int64_t bytes,
                 const ConvertItems& convert, bool nontemporal) {
  const std::int64_t count = bytes / convert.from_bytes(), out_bytes = convert.to_bytes();
  if (!nontemporal || count * out_bytes < most_piece_bytes) return convert(to, from, count);
  const std::int64_t piece_bytes =
      std::clamp(convert.out_bytes(piece_source_bytes), 4 * cache_line_bytes, most_piece_bytes);
  write_nontemporal_pieces(to, count, out_bytes, piece_bytes,
                           [&](std::byte* out, std::int64_t begin, std::int64_t items) {
                             const std::byte* const source = from + begin * convert.from_bytes();
                             const std::int64_t source_bytes = items * convert.from_bytes();
                             for (std::int64_t at = 0; at < source_bytes; at += cache_line_bytes)
                               prefetch_from(source, ahead_bytes + at);
                             convert(out, source, items);
                           });
}

/// Converts a plane that fits into the buffers.
void convert_tile(const Plane& tile, const ConvertItems& convert, bool nontemporal) {
  alignas(cache_line_bytes) Buffer gathered;
  alignas(cache_line_bytes) std::array<std::byte, 2 * sizeof(Buffer)> converted;
  const std::int64_t run_bytes = tile.rows * tile.row_bytes;
  const std::int64_t out_row_bytes = convert.out_bytes(tile.row_bytes);
  const std::int64_t out_run_bytes = tile.rows * out_row_bytes;

  Plane gather = tile;
  gather.to = gathered.data();
  gather.outer_out_stride = run_bytes;
  gather.out_stride = tile.row_bytes;
  const bool is_dense_in = tile.outer == 1 && tile.stride == tile.row_bytes;
  if (!is_dense_in) copy_plane(gather, false);
  const std::byte* from = is_dense_in ? tile.from : gathered.data();

  const bool is_dense_out = tile.out_stride == out_row_bytes || tile.rows == 1;
  const bool is_one_run =
      is_dense_out && (tile.outer == 1 || tile.outer_out_stride == out_run_bytes);
  if (is_one_run) return convert_run(tile.to, from, tile.outer * run_bytes, convert, nontemporal);
  if (is_dense_out) {
    for (std::int64_t l = 0; l < tile.outer; ++l)
      convert_run(tile.to + l * tile.outer_out_stride, from + l * run_bytes, run_bytes, convert,
                  nontemporal);
    return;
  }
  convert(converted.data(), from, tile.outer * run_bytes / convert.from_bytes());
  Plane scatter = tile;
  scatter.from = converted.data();
  scatter.outer_stride = out_run_bytes;
  scatter.stride = out_row_bytes;
  scatter.row_bytes = out_row_bytes;
  copy_plane(scatter, false);
}

/// The rows, and outer indices, that fit into the buffers.
struct TileShape {
  std::int64_t outer;
  std::int64_t rows;
};
TileShape tile_shape(const Plane& plane, const ConvertItems& convert) {
  // Half a source buffer, so that scalars eight times as wide stay within twice a buffer.
  const std::int64_t grown =
      std::max<std::int64_t>(1, ceil_divide(convert.to_bytes(), 2 * convert.from_bytes()));
  const std::int64_t fitting = std::max<std::int64_t>(1, buffer_bytes / grown / plane.row_bytes);
  const bool is_transposed =
      plane.outer > 1 && std::abs(plane.outer_stride) < std::abs(plane.stride);
  if (is_transposed) {
    const std::int64_t outer = std::min({plane.outer, tile_outer, fitting});
    return {outer, std::min(plane.rows, fitting / outer)};
  }
  const std::int64_t rows = std::min(plane.rows, fitting);
  return {rows < plane.rows ? 1 : std::min(plane.outer, fitting / rows), rows};
}

}  // namespace

void convert_plane(const Plane& plane, const ConvertItems& convert, bool nontemporal) {
  const bool long_rows = plane.row_bytes >= least_run_bytes;
  const TileShape shape = long_rows ? TileShape{1, 1} : tile_shape(plane, convert);
  for (std::int64_t l = 0; l < plane.outer; l += shape.outer)
    for (std::int64_t r = 0; r < plane.rows; r += shape.rows) {
      Plane tile = plane;
      tile.to += l * plane.outer_out_stride + r * plane.out_stride;
      tile.from += l * plane.outer_stride + r * plane.stride;
      tile.outer = std::min(shape.outer, plane.outer - l);
      tile.rows = std::min(shape.rows, plane.rows - r);
      if (long_rows) {
        convert_run(tile.to, tile.from, plane.row_bytes, convert, nontemporal);
      } else {
        convert_tile(tile, convert, nontemporal);
      }
    }
}

namespace {

constexpr std::size_t most_rows = 64;

/// Rows short enough to be converted together: they are copied into one buffer, with the caches
/// asked for those ahead.
void convert_short_rows(std::span<const RowCopy> rows, std::span<const RowCopy> ahead,
                        std::int64_t row_bytes, const ConvertItems& convert, bool nontemporal) {
  alignas(cache_line_bytes) std::array<std::byte, most_rows * least_run_bytes> gathered;
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
                       static_cast<std::int64_t>(rows.size()) * row_bytes, convert, nontemporal);
  for (const RowCopy& row : std::span(together).first(rows.size()))
    convert(rows[static_cast<std::size_t>(&row - together.data())].to, row.to,
            row_bytes / convert.from_bytes());
}

}  // namespace

void convert_rows(std::span<const RowCopy> rows, std::span<const RowCopy> ahead,
                  std::int64_t row_bytes, const ConvertItems& convert, bool nontemporal) {
  if (rows.empty()) return;
  if (row_bytes < least_run_bytes)
    return convert_short_rows(rows, ahead, row_bytes, convert, nontemporal);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (i < ahead.size()) prefetch_row(ahead[i].from, row_bytes);
    convert_run(rows[i].to, rows[i].from, row_bytes, convert, nontemporal);
  }
}

}  // namespace multibuffer
