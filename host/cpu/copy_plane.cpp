#include "host/cpu/copy_plane.hpp"

#include "host/bytes/nontemporal_copy.hpp"
#include "host/bytes/nontemporal_pieces.hpp"
#include "host/bytes/simd.hpp"
#include "host/cpu/copy_items.hpp"
#include "host/cpu/copy_pixels.hpp"
#include "host/cpu/permute_items.hpp"
#include "host/cpu/transpose.hpp"
#include "host/cpu/way.hpp"
#include "host/support/threshold.hpp"

#include <algorithm>
#include <cstdlib>
#include <numeric>

namespace multibuffer {
namespace {

/// How much is read for a piece of small items, so little that reading and nontemporal alternate
/// faster than the memory answers, and while either waits, the other is under way; and how much is
/// written.
constexpr Threshold piece_source_bytes{2048, cache_line_bytes};
constexpr std::int64_t least_item_piece = 2 * cache_line_bytes,
                       most_item_piece = 24 * cache_line_bytes;
constexpr std::int64_t most_common_piece = 16 * cache_line_bytes;

/// The output bytes of a piece of larger units.
constexpr std::int64_t large_piece_bytes = 4096;

/// How far ahead of the reads the source is prefetched: in bytes, and in items at least.
constexpr std::int64_t ahead_bytes = 4096, least_items_ahead = 16;

/// Calls make(out, begin, count) for a result of `count` units of `bytes` each: once, in place, or,
/// if `nontemporal`, for pieces that are then written by non-temporal stores.
template <class Make>
void make_result(std::byte* to, std::int64_t count, std::int64_t bytes, bool nontemporal,
                 std::int64_t piece_bytes, const Make& make) {
  if (!nontemporal) return make(to, 0, count);
  write_nontemporal_pieces(to, count, bytes, piece_bytes, make);
}

/// Prefetches the cache lines of `count` items, some way beyond those at `from`, to the L2 cache.
/// Addresses without memory are ignored.
void prefetch_items(const std::byte* from, std::int64_t stride, std::int64_t count) {
  const std::int64_t size = std::abs(stride);
  // Each line, or each item where not every line has one.
  const std::int64_t step = std::max(cache_line_bytes, size);
  const std::int64_t ahead = size > cache_line_bytes
                                 ? std::max(ahead_bytes / size, least_items_ahead) * size
                                 : ahead_bytes;
  for (std::int64_t at = ahead; at < ahead + count * size; at += step)
    prefetch_from(from, stride < 0 ? -at : at);
}

/// Copies rows that are each long enough for non-temporal stores.
void copy_long_rows(const Plane& plane) {
  for (std::int64_t l = 0; l < plane.outer; ++l)
    for (std::int64_t r = 0; r < plane.rows; ++r)
      copy_bytes(plane.to + l * plane.outer_out_stride + r * plane.out_stride,
                 plane.from + l * plane.outer_stride + r * plane.stride, plane.row_bytes, true);
}

/// Returns the bytes of a piece of units of `bytes` bytes that lie `stride` apart: whole units and
/// whole cache lines, if that is not too much. Cache lines that two pieces share are not written by
/// non-temporal stores.
std::int64_t piece_bytes_for(std::int64_t stride, std::int64_t bytes) {
  if (bytes >= cache_line_bytes) return large_piece_bytes;
  const std::int64_t units = piece_source_bytes / std::max(std::abs(stride), bytes);
  const std::int64_t wanted = std::clamp(units * bytes, least_item_piece, most_item_piece);
  const std::int64_t common = std::lcm(bytes, cache_line_bytes);
  const std::int64_t step = common <= most_common_piece ? common : cache_line_bytes;
  return std::max(wanted / step, std::int64_t{1}) * step;
}

/// Writes the rows of a dense output by pieces, which may end within an outer index.
template <class CopyRows>
void write_dense_rows(const Plane& plane, const CopyRows& copy) {
  const auto make = [&](std::byte* out, std::int64_t begin, std::int64_t count) {
    for (std::int64_t i = begin / plane.rows, row = begin % plane.rows; count > 0; ++i) {
      const std::byte* from = plane.from + i * plane.outer_stride + row * plane.stride;
      const std::int64_t rows = std::min(count, plane.rows - row);
      prefetch_items(from, plane.stride, rows);
      copy(out, from, rows);
      out += rows * plane.row_bytes;
      count -= rows;
      row = 0;
    }
  };
  write_nontemporal_pieces(plane.to, plane.outer * plane.rows, plane.row_bytes,
                           piece_bytes_for(plane.stride, plane.row_bytes), make);
}

/// Calls copy(to, from, count) for the rows of each outer index or, if `nontemporal`, of each
/// piece.
template <class CopyRows>
void copy_each_outer(const Plane& plane, bool nontemporal, const CopyRows& copy) {
  const bool by_pieces = nontemporal && plane.out_stride == plane.row_bytes;
  if (by_pieces && plane.outer_out_stride == plane.rows * plane.row_bytes)
    return write_dense_rows(plane, copy);
  for (std::int64_t i = 0; i < plane.outer; ++i) {
    Plane part = plane;
    part.to += i * plane.outer_out_stride;
    part.from += i * plane.outer_stride;
    part.outer = 1;
    if (by_pieces)
      write_dense_rows(part, copy);
    else
      copy(part.to, part.from, part.rows);
  }
}

void permute_rows(const Plane& plane, bool nontemporal) {
  const PermuteItems copy(plane.stride, plane.row_bytes);
  for (std::int64_t i = 0; i < plane.outer; ++i)
    copy(plane.to + i * plane.outer_out_stride, plane.from + i * plane.outer_stride, plane.rows,
         nontemporal);
}

void copy_outer_pixels(const Plane& plane, bool nontemporal) {
  const CopyPixels copy(outer_pixels(plane));
  const auto make = [&](std::byte* out, std::int64_t begin, std::int64_t count) {
    const std::byte* from = plane.from + begin * plane.outer_stride;
    if (nontemporal) prefetch_items(from, plane.outer_stride, count);
    copy(out, from, count);
  };
  make_result(plane.to, plane.outer, plane.outer_out_stride, nontemporal,
              piece_bytes_for(plane.outer_stride, plane.outer_out_stride), make);
}

void interleave_rows(const Plane& plane, bool nontemporal) {
  const auto make = [&](std::byte* out, std::int64_t begin, std::int64_t count) {
    interleave(out, plane.from + begin * plane.outer_stride, count, plane.rows, plane.stride,
               plane.row_bytes);
  };
  make_result(plane.to, plane.outer, plane.outer_out_stride, nontemporal, large_piece_bytes, make);
}

}  // namespace

void copy_plane(const Plane& plane, bool nontemporal) {
  const std::int64_t stride = plane.stride;
  const std::int64_t out_stride = plane.out_stride;
  const std::int64_t bytes = plane.row_bytes;
  switch (choose_way(plane, nontemporal)) {
    case PlaneWay::interleave:
      return interleave_rows(plane, nontemporal);
    case PlaneWay::transpose:
      return transpose(plane, nontemporal);
    case PlaneWay::long_rows:
      return copy_long_rows(plane);
    case PlaneWay::permute:
      return permute_rows(plane, nontemporal);
    case PlaneWay::pixels:
      return copy_outer_pixels(plane, nontemporal);
    case PlaneWay::shuffle:
      return copy_each_outer(plane, nontemporal, CopyPixels(inner_pixels(plane)));
    case PlaneWay::every:
      return copy_each_outer(plane, nontemporal,
                             [=](std::byte* to, const std::byte* from, std::int64_t count) {
                               copy_every(to, from, count, stride / bytes, bytes);
                             });
    case PlaneWay::strided:
      return copy_each_outer(plane, nontemporal,
                             [=](std::byte* to, const std::byte* from, std::int64_t count) {
                               copy_strided(to, out_stride, from, stride, count, bytes);
                             });
  }
}

std::int64_t rows_at_once(const Plane& plane) {
  if (plane.outer == 1 || std::abs(plane.outer_stride) >= cache_line_bytes ||
      plane.row_bytes >= cache_line_bytes)
    return 0;
  const PlaneWay way = choose_way(plane, false);
  if (way == PlaneWay::interleave) return 0;
  if (way == PlaneWay::transpose) return transposed_rows(plane.row_bytes);
  // Many outer indices take a few cache lines each, so that lines read for one are still in the
  // cache for the next.
  const Threshold lines{plane.outer >= cache_line_bytes ? 4 : 64, 1};
  const std::int64_t bytes = lines * cache_line_bytes;
  return std::max<std::int64_t>(1, bytes / plane.row_bytes);
}

std::int64_t rows_to_cache_line(const Plane& plane) {
  const std::int64_t left = bytes_to_cache_line(plane.to);
  const bool on_all_lines = plane.out_stride > 0 && plane.outer_out_stride % cache_line_bytes == 0;
  return on_all_lines && left % plane.out_stride == 0 ? left / plane.out_stride : 0;
}

}  // namespace multibuffer
