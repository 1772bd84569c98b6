#include "transpose.hpp"

#include "stream_bytes.hpp"
#include "vector.hpp"

#include <algorithm>
#include <cstring>

// A transpose goes by blocks, which are turned into a buffer in the first cache and leave it in
// whole lines. Where the strides are powers of two all lines of a block compete for the same few
// places in the caches: so nothing is left there that is needed twice, and the next block is asked
// for while this one is turned.

namespace multibuffer {
namespace {

/// A block takes two cache lines of each row that it reads, since many processors fetch them in
/// pairs, and writes up to four at a time.
template <class Item>
constexpr std::int64_t block_lines = 2 * line_bytes / std::int64_t{sizeof(Item)};
constexpr std::int64_t block_rows(std::int64_t item_bytes) {
  return std::min<std::int64_t>(4 * line_bytes / item_bytes, 128);
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

/// Items one by one: what is left at the edges of squares.
template <class Item>
void transpose_edge(const Plane& part) {
  for (std::int64_t l = 0; l < part.lines; ++l)
    for (std::int64_t r = 0; r < part.rows; ++r)
      std::memcpy(part.to + l * part.line_out_stride + r * part.out_stride,
                  part.from + l * part.line_stride + r * part.stride, sizeof(Item));
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
template <class Item>
void transpose_block(const Plane& block, std::int64_t left) {
  constexpr auto square = static_cast<std::int64_t>(vector_bytes / sizeof(Item));
  const std::int64_t rows = block.rows - block.rows % square;
  const std::int64_t lines = block.lines - block.lines % square;
  const std::int64_t next = block.lines * block.line_stride;
  const std::int64_t next_bytes = std::min(left, block.lines) * block.line_stride;
  for (std::int64_t r = 0; r < rows; r += square) {
    for (std::int64_t i = r; i < r + square; ++i)
      prefetch_all(block.from + i * block.stride + next, next_bytes);
    for (std::int64_t l = 0; l < lines; l += square) {
      const Plane corner = part_of(block, l, square, r, square);
      transpose_square<Item>(corner.to, block.line_out_stride, corner.from, block.stride);
    }
  }
  transpose_edge<Item>(part_of(block, 0, lines, rows, block.rows - rows));
  transpose_edge<Item>(part_of(block, lines, block.lines - lines, 0, block.rows));
}

template <class Item>
void transpose_items(const Plane& plane, bool streaming) {
  constexpr std::int64_t most_rows = block_rows(sizeof(Item));
  constexpr std::int64_t most_lines = block_lines<Item>;
  constexpr std::int64_t block_row_bytes = most_rows * std::int64_t{sizeof(Item)};
  alignas(line_bytes) std::byte buffer[static_cast<std::size_t>(most_lines * block_row_bytes)];
  for (std::int64_t r = 0; r < plane.rows; r += most_rows) {
    for (std::int64_t l = 0; l < plane.lines; l += most_lines) {
      const Plane block = part_of(plane, l, std::min(most_lines, plane.lines - l), r,
                                  std::min(most_rows, plane.rows - r));
      Plane turned = block;
      turned.to = buffer;
      turned.line_out_stride = block_row_bytes;
      transpose_block<Item>(turned, plane.lines - l - block.lines);
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

}  // namespace

bool is_transpose(const Plane& plane) {
  const std::int64_t size = plane.row_bytes;
  const bool is_item = size == 1 || size == 2 || size == 4 || size == 8;
  return is_item && plane.line_stride == size && plane.out_stride == size && plane.lines > 1;
}

std::int64_t transposed_rows(std::int64_t item_bytes) { return block_rows(item_bytes); }

void transpose(const Plane& plane, bool streaming) {
  switch (plane.row_bytes) {
    case 1:
      return transpose_items<std::uint8_t>(plane, streaming);
    case 2:
      return transpose_items<std::uint16_t>(plane, streaming);
    case 4:
      return transpose_items<std::uint32_t>(plane, streaming);
    default:
      return transpose_items<std::uint64_t>(plane, streaming);
  }
}

}  // namespace multibuffer
