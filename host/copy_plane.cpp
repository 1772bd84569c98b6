#include "copy_plane.hpp"

#include "copy_rows.hpp"
#include "vector.hpp"

#include <algorithm>
#include <cstring>

namespace multibuffer {
namespace {

constexpr std::int64_t line_bytes = 64;

/// Rows of a size known when this is compiled, or of any size (Bytes = 0).
template <int Bytes>
void copy_strided(const Plane& plane, bool streaming) {
  for (std::int64_t l = 0; l < plane.lines; ++l) {
    std::byte* to = plane.to + l * plane.line_out_stride;
    const std::byte* from = plane.from + l * plane.line_stride;
    for (std::int64_t r = 0; r < plane.rows; ++r) {
      if constexpr (Bytes > 0) {
        std::memcpy(to, from, Bytes);
      } else {
        copy_bytes(to, from, plane.row_bytes, streaming);
      }
      to += plane.out_stride;
      from += plane.stride;
    }
  }
}

/// The same eight bytes with their items of `Item` in reverse order.
template <class Item>
std::uint64_t reverse_items(std::uint64_t word) {
  if constexpr (sizeof(Item) == 1) return __builtin_bswap64(word);
  if constexpr (sizeof(Item) == 4) return word << 32 | word >> 32;
  if constexpr (sizeof(Item) == 2) {
    const std::uint64_t swapped = __builtin_bswap64(word);
    return (swapped & 0x00FF00FF00FF00FF) << 8 | (swapped >> 8 & 0x00FF00FF00FF00FF);
  }
  return word;
}

/// Lines whose rows, small items, lie in memory in the opposite order.
template <class Item>
void copy_reversed(const Plane& plane) {
  constexpr std::int64_t items_in_word = 8 / sizeof(Item);
  for (std::int64_t l = 0; l < plane.lines; ++l) {
    std::byte* to = plane.to + l * plane.line_out_stride;
    const std::byte* from = plane.from + l * plane.line_stride;  // of the last item in memory
    std::int64_t r = 0;
    for (; r + items_in_word <= plane.rows; r += items_in_word) {
      std::uint64_t word = 0;
      std::memcpy(&word, from - (r + items_in_word - 1) * static_cast<std::int64_t>(sizeof(Item)),
                  sizeof word);
      word = reverse_items<Item>(word);
      std::memcpy(to + r * static_cast<std::int64_t>(sizeof(Item)), &word, sizeof word);
    }
    for (; r < plane.rows; ++r)
      std::memcpy(to + r * static_cast<std::int64_t>(sizeof(Item)),
                  from - r * static_cast<std::int64_t>(sizeof(Item)), sizeof(Item));
  }
}

/// A square of items, as many each way as a vector holds, from lines to rows. Interleaving the
/// first half of the vectors with the second, as often as halves can be made, is a transpose.
template <class Item>
void transpose_square(std::byte* to, std::int64_t to_stride, const std::byte* from,
                      std::int64_t from_stride) {
  constexpr std::size_t n = vector_bytes / sizeof(Item);
  Vector<Item> a[n], b[n];
  for (std::size_t i = 0; i < n; ++i)
    a[i] = load<Vector<Item>>(from + static_cast<std::int64_t>(i) * from_stride);
  for (std::size_t halves = n; halves > 1; halves /= 2) {
    for (std::size_t i = 0; i < n / 2; ++i) {
      b[2 * i] = interleave_lower<Item>(a[i], a[i + n / 2]);
      b[2 * i + 1] = interleave_upper<Item>(a[i], a[i + n / 2]);
    }
    std::memcpy(a, b, sizeof a);
  }
  for (std::size_t i = 0; i < n; ++i) store(to + static_cast<std::int64_t>(i) * to_stride, a[i]);
}

Plane part(const Plane& plane, std::int64_t line, std::int64_t lines, std::int64_t row,
           std::int64_t rows) {
  Plane result = plane;
  result.to += line * plane.line_out_stride + row * plane.out_stride;
  result.from += line * plane.line_stride + row * plane.stride;
  result.lines = lines;
  result.rows = rows;
  return result;
}

/// A plane that is contiguous along its lines where it is read, and along its rows where it is
/// written. It goes by tiles of a cache line each way, so that each line of memory is touched once
/// on both sides, however far apart they lie.
template <class Item>
void copy_transposed(const Plane& plane) {
  constexpr auto square = static_cast<std::int64_t>(vector_bytes / sizeof(Item));
  constexpr auto tile = line_bytes / static_cast<std::int64_t>(sizeof(Item));
  const std::int64_t tiled_rows = plane.rows - plane.rows % tile;
  const std::int64_t tiled_lines = plane.lines - plane.lines % tile;
  for (std::int64_t r = 0; r < tiled_rows; r += tile) {
    for (std::int64_t l = 0; l < tiled_lines; l += tile) {
      const Plane at = part(plane, l, tile, r, tile);
      for (std::int64_t i = 0; i < tile; i += square) {
        for (std::int64_t j = 0; j < tile; j += square) {
          const Plane corner = part(at, i, square, j, square);
          transpose_square<Item>(corner.to, plane.line_out_stride, corner.from, plane.stride);
        }
      }
    }
  }
  copy_strided<sizeof(Item)>(part(plane, 0, tiled_lines, tiled_rows, plane.rows - tiled_rows),
                             false);
  copy_strided<sizeof(Item)>(part(plane, tiled_lines, plane.lines - tiled_lines, 0, plane.rows),
                             false);
}

template <class Item>
void copy_items(const Plane& plane) {
  constexpr auto size = static_cast<std::int64_t>(sizeof(Item));
  if (plane.out_stride == size && plane.line_stride == size && plane.lines > 1)
    return copy_transposed<Item>(plane);
  if (plane.out_stride == size && plane.stride == -size) return copy_reversed<Item>(plane);
  copy_strided<sizeof(Item)>(plane, false);
}

}  // namespace

void copy_plane(const Plane& plane, bool streaming) {
  switch (plane.row_bytes) {
    case 1:
      return copy_items<std::uint8_t>(plane);
    case 2:
      return copy_items<std::uint16_t>(plane);
    case 4:
      return copy_items<std::uint32_t>(plane);
    case 8:
      return copy_items<std::uint64_t>(plane);
    case 3:
      return copy_strided<3>(plane, streaming);
    case 12:
      return copy_strided<12>(plane, streaming);
    case 16:
      return copy_strided<16>(plane, streaming);
    case 24:
      return copy_strided<24>(plane, streaming);
    case 32:
      return copy_strided<32>(plane, streaming);
    case 64:
      return copy_strided<64>(plane, streaming);
    default:
      return copy_strided<0>(plane, streaming);
  }
}

}  // namespace multibuffer
