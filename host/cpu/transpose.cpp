#include "host/cpu/transpose.hpp"

#include "host/bytes/simd.hpp"
#include "host/bytes/stream_bytes.hpp"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <type_traits>
#include <utility>

// A transpose goes by blocks, which are turned into a buffer in the first cache and leave it in
// whole lines. Where the strides are powers of two all lines of a block compete for the same few
// places in the caches: so nothing is left there that is needed twice, and the next block is asked
// for while this one is turned.

namespace multibuffer {
namespace {

constexpr std::int64_t floor_to_power(std::int64_t number) {
  return static_cast<std::int64_t>(std::bit_floor(static_cast<std::uint64_t>(number)));
}

/// A block takes two cache lines of each row that it reads, since many processors fetch them in
/// pairs, and writes up to four at a time; of pixels, somewhat less.
constexpr std::int64_t block_lines(std::int64_t item_bytes) {
  return floor_to_power(2 * line_bytes / item_bytes);
}
constexpr std::int64_t block_rows(std::int64_t item_bytes) {
  return std::min<std::int64_t>(floor_to_power(4 * line_bytes / item_bytes), 128);
}

/// Items of `Bytes` bytes in vectors: each in a lane of its own, which is wider than those of 3 and
/// 6 bytes, the pixels of images.
template <std::size_t Bytes>
struct Items {
  static constexpr std::size_t lane_bytes = std::bit_ceil(Bytes);
  using Lane = std::conditional_t<
      lane_bytes == 1, std::uint8_t,
      std::conditional_t<lane_bytes == 2, std::uint16_t,
                         std::conditional_t<lane_bytes == 4, std::uint32_t, std::uint64_t>>>;
  using Lanes = Vector<Lane>;
  static constexpr std::size_t per_vector = vector_bytes / sizeof(Lane);
  static constexpr std::size_t dense_bytes = per_vector * Bytes;

  static Lanes load(const std::byte* from) {
    if constexpr (Bytes == sizeof(Lane)) {
      return multibuffer::load<Lanes>(from);
    } else {
      // By way of registers: a vector read from where its parts were just stored has to wait.
      const Vector<std::uint64_t> dense{
          multibuffer::load<std::uint64_t>(from),
          multibuffer::load<std::uint32_t>(from + sizeof(std::uint64_t))};
      return Lanes(spread(Octets(dense), std::make_index_sequence<vector_bytes>()));
    }
  }
  static void store(std::byte* to, const Lanes& items) {
    if constexpr (Bytes == sizeof(Lane)) {
      multibuffer::store(to, items);
    } else {
      const auto dense =
          Vector<std::uint64_t>(joined(Octets(items), std::make_index_sequence<vector_bytes>()));
      multibuffer::store(to, std::uint64_t{dense[0]});
      multibuffer::store(to + sizeof(std::uint64_t), static_cast<std::uint32_t>(dense[1]));
    }
  }

 private:
  using Octets = Vector<std::uint8_t>;
  static_assert(Bytes == sizeof(Lane) || dense_bytes == 12);

  /// What a lane has beyond its item, and a vector beyond its items, may be anything.
  template <std::size_t... I>
  static Octets spread(const Octets& dense, std::index_sequence<I...> /*octets*/) {
    return __builtin_shufflevector(
        dense, dense, (I / sizeof(Lane) * Bytes + std::min(I % sizeof(Lane), Bytes - 1))...);
  }
  template <std::size_t... I>
  static Octets joined(const Octets& lanes, std::index_sequence<I...> /*octets*/) {
    return __builtin_shufflevector(lanes, lanes,
                                   (I < dense_bytes ? I / Bytes * sizeof(Lane) + I % Bytes : I)...);
  }
};

/// A square of items, as many each way as a vector holds, from lines to rows. Interleaving the
/// first half of the vectors with the second, as often as halves can be made, is a transpose.
template <std::size_t Bytes>
void transpose_square(std::byte* to, std::int64_t to_stride, const std::byte* from,
                      std::int64_t from_stride) {
  using Lane = typename Items<Bytes>::Lane;
  constexpr std::size_t n = Items<Bytes>::per_vector;
  Vector<Lane> a[n], b[n];
  for (std::size_t i = 0; i < n; ++i)
    a[i] = Items<Bytes>::load(from + static_cast<std::int64_t>(i) * from_stride);
  for (std::size_t halves = n; halves > 1; halves /= 2) {
    for (std::size_t i = 0; i < n / 2; ++i) {
      b[2 * i] = interleave_lower<Lane>(a[i], a[i + n / 2]);
      b[2 * i + 1] = interleave_upper<Lane>(a[i], a[i + n / 2]);
    }
    std::memcpy(a, b, sizeof a);
  }
  for (std::size_t i = 0; i < n; ++i)
    Items<Bytes>::store(to + static_cast<std::int64_t>(i) * to_stride, a[i]);
}

/// Items one by one: what is left at the edges of squares.
template <std::size_t Bytes>
void transpose_edge(const Plane& part) {
  for (std::int64_t l = 0; l < part.lines; ++l)
    for (std::int64_t r = 0; r < part.rows; ++r)
      std::memcpy(part.to + l * part.line_out_stride + r * part.out_stride,
                  part.from + l * part.line_stride + r * part.stride, Bytes);
}

/// The same lines in the other order.
Plane from_last_line(Plane plane) {
  plane.to += (plane.lines - 1) * plane.line_out_stride;
  plane.from += (plane.lines - 1) * plane.line_stride;
  plane.line_out_stride = -plane.line_out_stride;
  plane.line_stride = -plane.line_stride;
  return plane;
}

Plane part_of(const Plane& plane, std::int64_t line, std::int64_t lines, std::int64_t row,
              std::int64_t rows) {
  Plane part = plane;
  part.to += line * plane.line_out_stride + row * plane.out_stride;
  part.from += line * plane.line_stride + row * plane.stride;
  part.lines = lines;
  part.rows = rows;
  return part;
}

/// Asks the second cache for all lines that these bytes are in.
void prefetch_all(const std::byte* from, std::int64_t bytes) {
  for (std::int64_t at = -place_in_line(from); at < bytes; at += line_bytes)
    prefetch_from(from, at);
}

/// Turns a block, and asks for the block that follows along the lines, `left` of which there are.
template <std::size_t Bytes>
void transpose_block(const Plane& block, std::int64_t left) {
  constexpr auto square = static_cast<std::int64_t>(Items<Bytes>::per_vector);
  const std::int64_t rows = block.rows - block.rows % square;
  const std::int64_t lines = block.lines - block.lines % square;
  const std::int64_t next = block.lines * block.line_stride;
  const std::int64_t next_bytes = std::min(left, block.lines) * block.line_stride;
  for (std::int64_t r = 0; r < rows; r += square) {
    for (std::int64_t i = r; i < r + square; ++i)
      prefetch_all(block.from + i * block.stride + next, next_bytes);
    for (std::int64_t l = 0; l < lines; l += square) {
      const Plane corner = part_of(block, l, square, r, square);
      transpose_square<Bytes>(corner.to, block.line_out_stride, corner.from, block.stride);
    }
  }
  transpose_edge<Bytes>(part_of(block, 0, lines, rows, block.rows - rows));
  transpose_edge<Bytes>(part_of(block, lines, block.lines - lines, 0, block.rows));
}

template <std::size_t Bytes>
void transpose_items(const Plane& plane, bool streaming) {
  constexpr std::int64_t most_rows = block_rows(Bytes);
  constexpr std::int64_t most_lines = block_lines(Bytes);
  constexpr std::int64_t block_row_bytes = most_rows * std::int64_t{Bytes};
  alignas(line_bytes) std::byte buffer[static_cast<std::size_t>(most_lines * block_row_bytes)];
  for (std::int64_t r = 0; r < plane.rows; r += most_rows) {
    for (std::int64_t l = 0; l < plane.lines; l += most_lines) {
      const Plane block = part_of(plane, l, std::min(most_lines, plane.lines - l), r,
                                  std::min(most_rows, plane.rows - r));
      Plane turned = block;
      turned.to = buffer;
      turned.line_out_stride = block_row_bytes;
      transpose_block<Bytes>(turned, plane.lines - l - block.lines);
      const std::int64_t bytes = block.rows * plane.out_stride;
      for (std::int64_t i = 0; i < block.lines; ++i) {
        std::byte* to = block.to + i * plane.line_out_stride;
        const std::byte* from = buffer + i * block_row_bytes;
        if (streaming) {
          stream_bytes(to, from, bytes);
        } else {
          std::memcpy(to, from, static_cast<std::size_t>(bytes));
        }
      }
    }
  }
}

MULTIBUFFER_SHUFFLES void transpose_pixels(const Plane& plane, bool streaming) {
  if (plane.row_bytes == 3) return transpose_items<3>(plane, streaming);
  transpose_items<6>(plane, streaming);
}

}  // namespace

bool is_transpose(const Plane& plane) {
  const std::int64_t size = plane.row_bytes;
  const bool is_item = size == 1 || size == 2 || size == 4 || size == 8;
  const bool is_pixel = has_shuffles() && (size == 3 || size == 6);
  return (is_item || is_pixel) && std::abs(plane.line_stride) == size && plane.out_stride == size &&
         plane.lines > 1;
}

std::int64_t transposed_rows(std::int64_t item_bytes) { return block_rows(item_bytes); }

std::int64_t least_transposed_rows(std::int64_t item_bytes) {
  return static_cast<std::int64_t>(vector_bytes /
                                   std::bit_ceil(static_cast<std::uint64_t>(item_bytes)));
}

void transpose(const Plane& given, bool streaming) {
  const Plane plane = given.line_stride < 0 ? from_last_line(given) : given;
  switch (plane.row_bytes) {
    case 1:
      return transpose_items<1>(plane, streaming);
    case 2:
      return transpose_items<2>(plane, streaming);
    case 4:
      return transpose_items<4>(plane, streaming);
    case 8:
      return transpose_items<8>(plane, streaming);
    default:
      return transpose_pixels(plane, streaming);
  }
}

}  // namespace multibuffer
