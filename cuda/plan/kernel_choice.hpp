#pragma once

#include "host/backend/gather_plan.hpp"

#include <cstddef>
#include <cstdint>

namespace multibuffer::cuda {

/// How a gather is spread over threads: but for `tiles`, consecutive threads take consecutive
/// vectors of the output, and each finds its own in the tables. Threads that share the cost of
/// finding a long row would have less in flight, and were up to 5 % slower on an H200 from 4 KiB
/// on.
enum class Family {
  copy,      ///< no kernel: one contiguous run, which the copy engine's own code does best
  elements,  ///< vectors that are aligned on both sides
  pixels,    ///< a few bytes each, close by: a thread picks 16 bytes from the words they lie in
  lines,     ///< stepped and reversed items and pixels: a thread puts 16 bytes together from them
  shifted,   ///< rows that are not aligned to vectors, 16 bytes of one at a time
  words,     ///< short ones: a thread puts 16 bytes of output together from the rows they lie in
  tiles,     ///< transposes: what is read along one axis and written along another
  convert,   ///< numbers that become others on their way
};

/// The number of levels is known to the compiler up to `compiled_levels`, which keeps positions in
/// registers; `any_levels` stands for a run-time count.
inline constexpr int compiled_levels = 2;
inline constexpr int any_levels = -1;

/// What a plan passed as a kernel parameter has room for. The others go through device memory.
inline constexpr int small_axes = 9;
inline constexpr int small_indices = 4;

inline constexpr int threads_per_block = 128;
/// How many rows or elements a thread has in flight: all are loaded before the first is stored.
/// More of them take registers from more threads: on an H200, two for each of many threads reach 96
/// % of a copy where four for each of few reached 82 %.
inline constexpr int batch = 2;
inline constexpr int warp_lanes = 32;
/// What `shifted`, `words` and `pixels` load and store, and what `lines` store.
inline constexpr int word_bytes = 16;

/// The tiles of a transpose: square, 32 words along either side, and as many at a time as fill
/// 16 KiB. A word is an item or, of items of 1 and 2 bytes, as many as make 4 bytes.
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

struct KernelChoice {
  Family family = Family::copy;
  /// Of one load and store: 16, 8, 4, 2 or 1; pixels, lines, tiles: of an item; convert: of a load.
  int vector_bytes = 1;
  bool wide = false;  ///< 64-bit index arithmetic
  int levels = 0;     ///< 0 ... compiled_levels, or any_levels

  bool operator==(const KernelChoice&) const = default;
};

/// Picks the kernel for a plan with rows to do.
KernelChoice choose_kernel(const GatherPlan& plan);

// What the choice is made from. -----------------------------------------------------------------

/// The powers of two, up to 16, that divide all addresses read, and all those written.
int source_alignment(const GatherPlan& plan);
int output_alignment(const GatherPlan& plan);
/// The widest vector at which every address is aligned and that divides a run.
int common_vector(const GatherPlan& plan);

/// What a thread of `convert` reads at once, in bytes: as many numbers as are at most 16 bytes on
/// either side, or a number where that is all of a run. A run's last vector may be a part of one,
/// and vectors need not be aligned.
int convert_vector(const GatherPlan& plan);

/// The output as stretches without holes, all alike: `rows` rows each, one after another.
struct Spans {
  std::int64_t count = 1;
  std::int64_t rows = 1;
  std::size_t outer_axes = 0;  ///< the plan's axes that tell spans apart; the others fill them
};
Spans spans_of(const GatherPlan& plan);
/// Whether every span starts at the same place within a word: what `words` asks for.
bool spans_are_alike(const GatherPlan& plan);

/// The axes of a transpose: the last axis, dense in the output, and one that is dense in the leaves
/// (either way around).
struct Transpose {
  bool possible = false;  ///< for `tiles`; whether it pays is for `choose_kernel` to say
  std::size_t source_axis = 0;
};
Transpose transpose_of(const GatherPlan& plan);

/// Items that are dense in the output and lie evenly in the leaves, each by itself or a few as a
/// pixel: what `lines` and `pixels` ask for. Strides are in bytes.
struct Lines {
  std::int64_t items = 0;        ///< of a line; 0 where there are none
  std::int64_t parts = 1;        ///< how many items make a pixel
  std::int64_t stride = 0;       ///< from pixel to pixel
  std::int64_t part_stride = 0;  ///< from item to item of one
  std::size_t outer_axes = 0;    ///< the plan's axes that tell lines apart
};
Lines lines_of(const GatherPlan& plan);

/// What `pixels` knows: so many bytes each, and from one pixel to the next, in memory.
struct PixelShape {
  int bytes = 0;
  int pitch = 0;

  bool operator==(const PixelShape&) const = default;
};
inline constexpr PixelShape pixel_shapes[] = {{1, 1}, {1, 2}, {1, 3}, {1, 4}, {2, 2},
                                              {2, 3}, {2, 4}, {2, 6}, {2, 8}, {3, 3},
                                              {3, 4}, {3, 6}, {4, 4}};

/// Lines whose pixels have one of these shapes, and lie one after another or the other way around,
/// as do their bytes.
struct PixelLines {
  int shape = -1;          ///< which of `pixel_shapes`, or -1
  bool backwards = false;  ///< each pixel lies below the one before it
  bool reversed = false;   ///< each byte of a pixel does
};
PixelLines pixels_of(const GatherPlan& plan);

/// How many vectors (pixels, lines, shifted: words, at most) a row, or line, has.
std::int64_t vectors_in_row(const GatherPlan& plan, const KernelChoice& choice);

/// The units in which a kernel counts positions in leaves and in the output.
int leaf_unit(const GatherPlan& plan, const KernelChoice& choice);
int output_unit(const GatherPlan& plan, const KernelChoice& choice);

/// The plan's number of levels, or `any_levels` if it is too large for the kernel's parameters.
int levels_for(const GatherPlan& plan, Family family);

/// Whether all counts and positions fit into 31 bits. For plans of at most `compiled_levels`
/// levels.
bool fits_31_bits(const GatherPlan& plan, const KernelChoice& choice);

/// Items of work: vectors, words or tiles.
std::int64_t work_items(const GatherPlan& plan, const KernelChoice& choice);
/// How many of them a block of `threads` takes at a time.
std::int64_t items_per_turn(const KernelChoice& choice, int threads);

}  // namespace multibuffer::cuda
