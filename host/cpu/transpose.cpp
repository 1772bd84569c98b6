#include "host/cpu/transpose.hpp"

#include "host/bytes/nontemporal_copy.hpp"
#include "host/bytes/simd.hpp"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <type_traits>
#include <utility>

// A plane is transposed by blocks, through a buffer in the L1 cache that is written in whole cache
// lines. Where strides are powers of two, all cache lines of a block compete for the same few sets
// of the caches: so nothing is read twice, and the next block is prefetched while this one is
// transposed.

namespace multibuffer {
namespace {

constexpr std::int64_t floor_to_power(std::int64_t number) {
  return static_cast<std::int64_t>(std::bit_floor(static_cast<std::uint64_t>(number)));
}

/// A block takes two cache lines of each row that it reads, since many processors fetch them in
/// pairs, and writes up to four at a time; of pixels, somewhat less.
constexpr std::int64_t block_outer(std::int64_t item_bytes) {
  return floor_to_power(2 * cache_line_bytes / item_bytes);
}
constexpr std::int64_t block_rows(std::int64_t item_bytes) {
  return std::min<std::int64_t>(floor_to_power(4 * cache_line_bytes / item_bytes), 128);
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

  /// The bytes of a lane beyond its item, and of a vector beyond its items, may be any.
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

/// Transposes a square of items, as many each way as a vector holds. Interleaving the
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
  for (std::int64_t l = 0; l < part.outer; ++l)
    for (std::int64_t r = 0; r < part.rows; ++r)
      std::memcpy(part.to + l * part.outer_out_stride + r * part.out_stride,
                  part.from + l * part.outer_stride + r * part.stride, Bytes);
}

/// Returns the plane with its outer indices in reverse order.
Plane from_last_outer(Plane plane) {
  plane.to += (plane.outer - 1) * plane.outer_out_stride;
  plane.from += (plane.outer - 1) * plane.outer_stride;
  plane.outer_out_stride = -plane.outer_out_stride;
  plane.outer_stride = -plane.outer_stride;
  return plane;
}

Plane part_of(const Plane& plane, std::int64_t first, std::int64_t outer, std::int64_t row,
              std::int64_t rows) {
  Plane part = plane;
  part.to += first * plane.outer_out_stride + row * plane.out_stride;
  part.from += first * plane.outer_stride + row * plane.stride;
  part.outer = outer;
  part.rows = rows;
  return part;
}

/// Prefetches all cache lines of `bytes` bytes to the L2 cache.
void prefetch_all(const std::byte* from, std::int64_t bytes) {
  for (std::int64_t at = -offset_in_cache_line(from); at < bytes; at += cache_line_bytes)
    prefetch_from(from, at);
}

/// Transposes a block, and prefetches the block of the next outer indices, of which `left` exist.
template <std::size_t Bytes>
void transpose_block(const Plane& block, std::int64_t left) {
  constexpr auto square = static_cast<std::int64_t>(Items<Bytes>::per_vector);
  const std::int64_t rows = block.rows - block.rows % square;
  const std::int64_t outer = block.outer - block.outer % square;
  const std::int64_t next = block.outer * block.outer_stride;
  const std::int64_t next_bytes = std::min(left, block.outer) * block.outer_stride;
  for (std::int64_t r = 0; r < rows; r += square) {
    for (std::int64_t i = r; i < r + square; ++i)
      prefetch_all(block.from + i * block.stride + next, next_bytes);
    for (std::int64_t l = 0; l < outer; l += square) {
      const Plane corner = part_of(block, l, square, r, square);
      transpose_square<Bytes>(corner.to, block.outer_out_stride, corner.from, block.stride);
    }
  }
  transpose_edge<Bytes>(part_of(block, 0, outer, rows, block.rows - rows));
  transpose_edge<Bytes>(part_of(block, outer, block.outer - outer, 0, block.rows));
}

template <std::size_t Bytes>
void transpose_items(const Plane& plane, bool nontemporal) {
  constexpr std::int64_t most_rows = block_rows(Bytes);
  constexpr std::int64_t most_outer = block_outer(Bytes);
  constexpr std::int64_t block_row_bytes = most_rows * std::int64_t{Bytes};
  alignas(cache_line_bytes)
      std::byte buffer[static_cast<std::size_t>(most_outer * block_row_bytes)];
  for (std::int64_t r = 0; r < plane.rows; r += most_rows) {
    for (std::int64_t l = 0; l < plane.outer; l += most_outer) {
      const Plane block = part_of(plane, l, std::min(most_outer, plane.outer - l), r,
                                  std::min(most_rows, plane.rows - r));
      Plane turned = block;
      turned.to = buffer;
      turned.outer_out_stride = block_row_bytes;
      transpose_block<Bytes>(turned, plane.outer - l - block.outer);
      const std::int64_t bytes = block.rows * plane.out_stride;
      for (std::int64_t i = 0; i < block.outer; ++i) {
        std::byte* to = block.to + i * plane.outer_out_stride;
        const std::byte* from = buffer + i * block_row_bytes;
        if (nontemporal) {
          nontemporal_copy(to, from, bytes);
        } else {
          std::memcpy(to, from, static_cast<std::size_t>(bytes));
        }
      }
    }
  }
}

MULTIBUFFER_SHUFFLES void transpose_pixels(const Plane& plane, bool nontemporal) {
  if (plane.row_bytes == 3) return transpose_items<3>(plane, nontemporal);
  transpose_items<6>(plane, nontemporal);
}

}  // namespace

bool can_transpose(const Plane& plane) {
  const std::int64_t size = plane.row_bytes;
  const bool is_item = size == 1 || size == 2 || size == 4 || size == 8;
  const bool is_pixel = has_shuffles() && (size == 3 || size == 6);
  return (is_item || is_pixel) && std::abs(plane.outer_stride) == size &&
         plane.out_stride == size && plane.outer > 1;
}

std::int64_t transposed_rows(std::int64_t item_bytes) { return block_rows(item_bytes); }

std::int64_t least_transposed_rows(std::int64_t item_bytes) {
  return static_cast<std::int64_t>(vector_bytes /
                                   std::bit_ceil(static_cast<std::uint64_t>(item_bytes)));
}

void transpose(const Plane& given, bool nontemporal) {
  const Plane plane = given.outer_stride < 0 ? from_last_outer(given) : given;
  switch (plane.row_bytes) {
    case 1:
      return transpose_items<1>(plane, nontemporal);
    case 2:
      return transpose_items<2>(plane, nontemporal);
    case 4:
      return transpose_items<4>(plane, nontemporal);
    case 8:
      return transpose_items<8>(plane, nontemporal);
    default:
      return transpose_pixels(plane, nontemporal);
  }
}

}  // namespace multibuffer
