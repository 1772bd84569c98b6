#pragma once

#include "cuda/plan/bytes16.hpp"
#include "cuda/plan/divisor.hpp"
#include "cuda/plan/kernel_choice.hpp"
#include "host/backend/gather_plan.hpp"

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <vector>

/// A `GatherPlan` as kernels read it. Differences to the plan:
///  - Addresses are integers: in place, a leaf's "base" is no pointer into anything.
///  - Origins are added to what they are relative to: a table's address, or the leaves'.
///  - Positions at the last level and in the output count units, vectors where the family has them
///    aligned, which keeps them within 31 bits for arrays of up to 32 GiB.
///  - For `lines` and `pixels`, the axes that make a line are none: a word's number tells where in
///    it the word is.
///  - For `words`, the axes that fill a span have no stride in the output: a word's number tells.
///  - For `tiles`, axes count tiles, and the rows of a tile are one more axis, the innermost.
namespace multibuffer::cuda {

using Address = std::uint64_t;

/// `Offset` is the signed word of the index arithmetic, std::int32_t or std::int64_t.
template <class Offset>
using CountOf = std::make_unsigned_t<Offset>;

template <class Offset>
struct KernelAxis {
  Divisor<CountOf<Offset>> extent;
  Offset stride = 0;
  Offset out_stride = 0;
  int level = 0;
};

struct KernelTable {
  Address data = 0;
  int bytes_each = 4;  ///< 4, unsigned, or 8
};

template <class Offset>
struct KernelIndices {
  Address data = 0;
  std::int64_t extent = 0;
  Divisor<std::uint64_t> modulus;  ///< division by the extent
  Offset stride = 0;
  int level = 0;
  int bytes_each = 8;
};

/// `lines`: how a line goes on, in units of its leaf.
template <class Offset>
struct KernelLine {
  CountOf<Offset> items = 0;
  Divisor<CountOf<Offset>> parts;  ///< items of a pixel
  Offset stride = 1;               ///< from pixel to pixel
  Offset part_stride = 1;          ///< from item to item of one
};

/// `pixels`: how a line goes on.
template <class Offset>
struct KernelPixels {
  CountOf<Offset> line_bytes = 0;
  int shape = 0;           ///< which of `pixel_shapes`
  bool backwards = false;  ///< each pixel lies below the one before it
  bool reversed = false;   ///< each byte of a pixel does
};

/// `words`: the output's stretches without holes.
template <class Offset>
struct KernelSpans {
  Divisor<CountOf<Offset>> words;  ///< in a span
  CountOf<Offset> rows = 0;        ///< in a span
  std::int64_t bytes = 0;          ///< of a span
  Divisor<std::uint64_t> run;      ///< division by run_bytes
  int head = 0;                    ///< bytes before the first in its word
};

/// `tiles`: rows are read along the axis that is dense in the leaves, columns are written.
template <class Offset>
struct KernelTiles {
  CountOf<Offset> rows = 0;
  CountOf<Offset> columns = 0;
  Divisor<CountOf<Offset>> along_rows;     ///< how many tiles
  Divisor<CountOf<Offset>> along_columns;  ///< how many tiles
  Offset column_out_stride = 0;
  bool reads_words = false;   ///< every row is aligned to the words of a tile
  bool writes_words = false;  ///< every column is
};

/// `convert`: what becomes of a vector.
struct KernelConversion {
  Conversion numbers;
  Float8Encoding from_float8;  ///< where numbers are floats of 8 bits
  Float8Encoding to_float8;
  int reversed_before = 0;  ///< see host/backend/number.hpp
  int reversed_after = 0;
  int count = 1;                ///< numbers in a vector
  int from_bytes = 1;           ///< of a vector
  int to_bytes = 1;             ///< of a vector
  bool aligned_source = false;  ///< every vector is aligned to its size
  int store_bytes = 1;          ///< what results are stored by, where not whole vectors
  bool aligned_output = false;  ///< every vector is aligned to its size
};

template <class Offset>
struct KernelScalars {
  Address leaf = 0;
  std::int64_t unit = 1;
  std::int64_t leaf_unit = 1;  ///< bytes that leaf positions count in
  Address out = 0;             ///< words: aligned downwards
  std::int64_t out_unit = 1;
  std::int64_t run_bytes = 0;
  Address bad_index = 0;  ///< of a 64-bit word (see BadIndex); 0 where nothing is checked
  CountOf<Offset> items = 0;
  Divisor<CountOf<Offset>> row_vectors;  ///< see `vectors_in_row`
  KernelLine<Offset> line;
  KernelPixels<Offset> pixels;
  KernelSpans<Offset> spans;
  KernelTiles<Offset> tiles;
  KernelConversion conversion;
  int axis_count = 0;
  int table_count = 0;
  int index_count = 0;
  IndexMode mode = IndexMode::raise;
};

/// A plan small enough to be passed to a kernel by value.
template <class Offset_>
struct SmallPlan : KernelScalars<Offset_> {
  using Offset = Offset_;
  KernelAxis<Offset> axes[small_axes];
  KernelTable tables[compiled_levels];
  KernelIndices<Offset> indices[small_indices];
  Offset steps[small_indices * small_axes];  ///< row by row, of axis_count each
};

/// A plan of any size, whose lists lie in device memory.
struct LargePlan : KernelScalars<std::int64_t> {
  using Offset = std::int64_t;
  const KernelAxis<Offset>* axes = nullptr;
  const KernelTable* tables = nullptr;
  const KernelIndices<Offset>* indices = nullptr;
  const Offset* steps = nullptr;
};

/// visit.operator()<Levels>() for the number of levels that a plan's kernel is compiled for.
template <class Plan, class Visit>
constexpr auto visit_levels(const Plan&, const KernelChoice& choice, Visit&& visit) {
  static_assert(compiled_levels == 2);
  if constexpr (std::is_same_v<Plan, LargePlan>) {
    return visit.template operator()<any_levels>();
  } else {
    switch (choice.levels) {
      case 0:
        return visit.template operator()<0>();
      case 1:
        return visit.template operator()<1>();
      default:
        return visit.template operator()<2>();
    }
  }
}

/// What both are made from.
template <class Offset>
struct PlanParts {
  KernelScalars<Offset> scalars;
  std::vector<KernelAxis<Offset>> axes;
  std::vector<KernelTable> tables;
  std::vector<KernelIndices<Offset>> indices;
  std::vector<Offset> steps;
};

template <class Offset>
PlanParts<Offset> plan_parts(const GatherPlan& plan, const KernelChoice& choice, Address bad_index);

template <class Offset>
SmallPlan<Offset> small_plan(const PlanParts<Offset>& parts);

/// The lists of a large plan one after another, and the plan for when they lie at `at` in memory
/// (which is aligned to 16 bytes).
std::size_t large_plan_bytes(const PlanParts<std::int64_t>& parts);
LargePlan large_plan(const PlanParts<std::int64_t>& parts, std::byte* at,
                     std::vector<std::byte>& lists);

/// The lowest bad index as one comparable word: index arrays are checked one after the other, so
/// the array counts before the position in it.
struct BadIndex {
  int array = 0;              ///< which of the plan's index arrays
  std::int64_t position = 0;  ///< in values from the array's start

  static constexpr std::uint64_t none = ~std::uint64_t{0};
  static constexpr int position_bits = 48;  // 2^48 indices take a petabyte

  constexpr std::uint64_t word() const {
    return (static_cast<std::uint64_t>(array) << position_bits) |
           static_cast<std::uint64_t>(position);
  }
  static constexpr BadIndex from_word(std::uint64_t word) {
    constexpr std::uint64_t mask = (std::uint64_t{1} << position_bits) - 1;
    return {static_cast<int>(word >> position_bits), static_cast<std::int64_t>(word & mask)};
  }
};

}  // namespace multibuffer::cuda
