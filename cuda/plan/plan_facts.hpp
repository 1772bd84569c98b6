#pragma once

#include "cuda/plan/bytes16.hpp"
#include "host/backend/copy_plan.hpp"

#include <cstddef>
#include <cstdint>

namespace multibuffer::cuda {

/// The powers of two, up to 16, that divide every address that a plan reads, and writes.
int source_alignment(const CopyPlan& plan);
int output_alignment(const CopyPlan& plan);
/// The widest vector to which every address is aligned and that divides a run.
int common_vector(const CopyPlan& plan);

/// The output as contiguous stretches of the same shape, of `rows` rows each.
struct Spans {
  std::int64_t rows = 1;
  std::size_t outer_axes = 0;  ///< the plan's axes that tell spans apart; the others fill them
};

/// The axes of a transpose: the last axis, dense in the output, and `source_axis`, dense in the
/// leaves (in either direction).
struct Transpose {
  bool possible = false;
  std::size_t source_axis = 0;
};

/// Output rows whose items are dense in the output and lie at one stride in the leaves, each by
/// itself or a few as a pixel. Strides are in bytes.
struct StridedRows {
  std::int64_t items = 0;        ///< of a row; 0 where a plan has no such rows
  std::int64_t parts = 1;        ///< items of a pixel
  std::int64_t stride = 0;       ///< from pixel to pixel
  std::int64_t part_stride = 0;  ///< from item to item of a pixel
  std::size_t outer_axes = 0;    ///< the plan's axes that tell rows apart
  int out_alignment = 1;         ///< of where rows begin in the output
};

/// A pixel of `bytes` bytes, with the next one `pitch` bytes away.
struct PixelShape {
  int bytes = 0;
  int pitch = 0;

  bool operator==(const PixelShape&) const = default;
};
inline constexpr PixelShape pixel_shapes[] = {{1, 1}, {1, 2}, {1, 3}, {1, 4}, {2, 2},
                                              {2, 3}, {2, 4}, {2, 6}, {2, 8}, {3, 3},
                                              {3, 4}, {3, 6}, {4, 4}};

/// Strided rows whose pixels have one of `pixel_shapes`, with pixels and the bytes of a pixel in
/// ascending or in descending order.
struct PixelRows {
  int shape = -1;          ///< index into `pixel_shapes`, or -1
  bool backwards = false;  ///< each pixel lies below the one before it
  bool reversed = false;   ///< each byte of a pixel does
};

/// The facts of a plan that kernel families ask about, each worked out once. Keeps a reference to
/// the plan. Of a plan that converts, no transpose and no strided rows are looked for.
struct PlanFacts {
  explicit PlanFacts(const CopyPlan& gather);
  explicit PlanFacts(CopyPlan&&) = delete;

  const CopyPlan& plan;
  int leaf_level;  ///< the level whose positions are in the leaves: the last one
  int source_alignment;
  int output_alignment;
  int common_vector;
  Spans spans;
  Transpose transpose;
  StridedRows strided;
  PixelRows pixels;
};

/// The alignment of the addresses read, with `origin_shift` added to them, and that of the
/// addresses written, with `out_shift`, where the steps along one axis are known to be aligned.
int source_alignment_without(const CopyPlan& plan, std::size_t axis, std::int64_t origin_shift);
int output_alignment_without(const CopyPlan& plan, std::size_t axis, std::int64_t out_shift);

}  // namespace multibuffer::cuda
