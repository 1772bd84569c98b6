#pragma once

#include "cuda/plan/bytes16.hpp"

#include <cstddef>

namespace multibuffer::cuda {

/// How a gather is spread over threads. Each family but `copy` is a struct in the file of its name,
/// and kernel_families.hpp lists them in the order in which they are tried.
///
///     family   | when                                   | a thread produces   | it reads
///     ---------+----------------------------------------+---------------------+------------------
///     copy     | the plan is one contiguous run         | no kernel: cudaMemcpyAsync
///     convert  | scalars are converted; floats of 8     | vectors of scalars  | as many scalars
///              | bits by kernels of their own, as are   |                     |
///              | those that are scaled                  |                     |
///     tiles    | transposes of 16 rows and 32 B or more | words of columns    | words of rows
///     pixels   | small pixels at a small pitch          | 16-byte words       | the words around
///     strided  | other items at one stride              | 16-byte words       | item after item
///     shifted  | rows of 512 B or more, misaligned      | words of one row    | two words each
///     words    | shorter rows, misaligned, output dense | 16-byte words       | the rows in it
///     elements | all others                             | vectors             | the same vectors
///
/// Except for `tiles`, consecutive threads produce consecutive vectors of the output, and each
/// finds its own row in the tables. Sharing that cost among the threads of a long row leaves fewer
/// loads in flight, and was up to 5 % slower on an H200 from 4 KiB on.
enum class Family {
  copy,
  convert_scaled,
  convert_float8,
  convert,
  tiles,
  pixels,
  strided,
  shifted,
  words,
  elements
};

/// The compiler knows the number of levels up to `compiled_levels`, which keeps positions in
/// registers; `any_levels` stands for a run-time count.
inline constexpr int compiled_levels = 2;
inline constexpr int any_levels = -1;

/// The most axes and index arrays of a plan that is passed as a kernel parameter. Larger plans are
/// sent to device memory.
inline constexpr int small_axes = 9;
inline constexpr int small_indices = 4;

inline constexpr int threads_per_block = 128;
/// The rows or vectors that a thread has in flight: all are loaded before the first is stored. A
/// larger batch takes registers from other threads: on an H200, a batch of two reaches 96 % of a
/// copy, and four in fewer threads reached 82 %.
inline constexpr int batch = 2;
inline constexpr int warp_lanes = 32;

/// The shape of a transpose's tiles: squares of 32 words a side, as many at a time as fill 16 KiB.
/// A word is an item, or 4 bytes of items of 1 and 2 bytes.
struct TileShape {
  int word_bytes;
  int items_per_word;
  int side;      ///< items
  int per_turn;  ///< tiles that a block works on at a time
};
constexpr TileShape tile_shape(int item_bytes) {
  const int word = item_bytes < 4 ? 4 : item_bytes;
  const int side = warp_lanes * word / item_bytes;
  return {word, word / item_bytes, side, 16384 / (side * warp_lanes * word)};
}

/// The code that a gather runs: a family, and the variant of its kernel.
struct KernelChoice {
  Family family = Family::copy;
  /// Bytes of one load and store: 16, 8, 4, 2 or 1. For `pixels`, `strided` and `tiles` it is the
  /// size of an item, for `convert` that of a load.
  int vector_bytes = 1;
  bool wide = false;  ///< 64-bit index arithmetic
  int levels = 0;     ///< 0 ... compiled_levels, or any_levels

  bool operator==(const KernelChoice&) const = default;
};

}  // namespace multibuffer::cuda
