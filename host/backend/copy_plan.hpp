#pragma once

#include <multibuffer/gather_modes.hpp>

#include "host/backend/number.hpp"
#include "host/support/small_vector.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>

namespace multibuffer {

/// One index array of a plan, at `data` in the backend's memory (or in host memory for the host
/// backend). At each output element it yields a value that `mode` turns into an index of its axis,
/// which is added, times `stride`, to the position at `level`.
struct PlanIndices {
  const void* data = nullptr;
  int bytes_each = 8;       ///< 4 or 8, signed
  int axis = 0;             ///< of the array, for messages
  std::int64_t extent = 0;  ///< of that axis
  int level = 0;
  std::int64_t stride = 0;
  SmallVector<std::int64_t, 4> shape;  ///< of the index array, for messages
  /// How far to move in `data` (in values) along each plan axis.
  SmallVector<std::int64_t, 4> steps;
};

/// One axis of the walk over both sides; contributes index * stride at `level` of the indexed side.
struct PlanAxis {
  std::int64_t extent = 0;
  std::int64_t dense_stride = 0;  ///< bytes, on the dense side
  int level = 0;
  std::int64_t stride = 0;  ///< 0 for the axes of index arrays
};

/// One offset array in the backend's memory.
struct PlanTable {
  const void* data = nullptr;
  bool wide = false;  ///< std::int64_t entries, else std::uint32_t
};

/// The factors and terms of a plan that scales, in the backend's memory. Number k of a run (of
/// float32, as converted) becomes fma(number, factors[place], terms[place]), where
///
///     place = (first + sum(index * steps[axis]) + k * run_step) modulo `period`
///
/// Since places repeat, so do axes that continue each other: channels that lie innermost on both
/// sides become part of the run.
struct PlanScaling {
  const float* factors = nullptr;  ///< `period`, and `scaling_spare` more, which repeat the first
  const float* terms = nullptr;    ///< likewise
  std::int64_t period = 1;
  std::int64_t first = 0;
  SmallVector<std::int64_t, 4> steps;  ///< one for each plan axis
  std::int64_t run_step = 0;           ///< 0 or 1
};
/// As many places can be read from any place on without a look at where the period ends.
inline constexpr std::int64_t scaling_spare = 512;

/// The side of a plan that indices and offset arrays lead to: an array's leaves.
struct IndexedSide {
  const std::byte* base = nullptr;  ///< null for arrays in place, whose offsets are addresses
  std::int64_t unit = 1;            ///< bytes that the last table's entries count in
  SmallVector<PlanTable, 2> tables;
  SmallVector<std::int64_t, 4> origins;  ///< tables.size() + 1
};

/// The side of a plan whose elements lie at strides alone: a result.
struct DenseSide {
  std::byte* base = nullptr;
};

/// Which side of a plan is read, and which is written. A scatter, from the dense side to the
/// indexed one, will be the other direction; the switches over this type are what it must extend.
enum class Direction { gather };

/// A copy between memory that is indexed and memory that is dense, with every choice made: for each
/// index of `axes`, outermost first,
///
///     position = origins[0] + contributions of level 0        (axes, then index arrays)
///     for level 1 ... tables.size():
///         position = tables[level - 1][position] * (level == tables.size() ? unit : 1)
///                    + origins[level] + contributions of that level
///     copy `run_bytes` bytes from indexed.base + position to dense.base + sum(index *
///     dense_stride)
///
/// Where there is a conversion, a run is so many bytes of whole numbers, and each is converted.
///
/// Axes that continue each other are merged, extents of 1 are gone, and contiguous inner axes are
/// part of the run. Axes are in order of descending dense_stride, so a result is written in order.
struct CopyPlan {
  Direction direction = Direction::gather;
  IndexedSide indexed;
  DenseSide dense;
  SmallVector<PlanAxis, 4> axes;
  SmallVector<PlanIndices, 2> indices;
  IndexMode mode = IndexMode::raise;
  std::optional<Conversion> conversion;  ///< from what is read to what is written
  std::optional<PlanScaling> scaling;    ///< where the conversion says so
  std::int64_t run_bytes = 0;            ///< on the indexed side
  std::int64_t rows = 0;  ///< product of the axes' extents; 0 when there is nothing to do

  /// Returns the bytes on the dense side of `indexed_bytes` of a run.
  std::int64_t dense_bytes(std::int64_t indexed_bytes) const {
    return conversion ? converted_bytes(*conversion, indexed_bytes) : indexed_bytes;
  }

  /// Returns how many times as wide a conversion makes numbers; 1 if it does not.
  std::int64_t widening() const {
    if (!conversion) return 1;
    const std::int64_t from = bytes_of(conversion->from), to = bytes_of(conversion->to);
    return to > from ? to / from : 1;
  }
};

/// Returns true if an index array moves along an axis.
bool is_indexed(const CopyPlan& plan, std::size_t axis);

/// Returns true if index * stride, within the leaves, is all that tells the rows of an axis apart.
bool is_strided(const CopyPlan& plan, std::size_t axis);

/// Adds an axis before axis `at`, along which no index array moves. `scaling_step` is the axis's
/// step in a scaling.
void insert_axis(CopyPlan& plan, std::size_t at, const PlanAxis& axis, std::int64_t scaling_step);

/// Brings the axes into the form that `CopyPlan` promises, and sets `rows`. Before, they may be
/// in any order and `run_bytes` is the itemsize.
void simplify(CopyPlan& plan);

/// The index that `value` means on an axis of `extent` > 0, or -1 if `mode` is raise and it is out
/// of range.
constexpr std::int64_t resolve_index(std::int64_t value, std::int64_t extent, IndexMode mode) {
  if (mode == IndexMode::raise)
    return value >= 0 ? (value < extent ? value : -1) : (value >= -extent ? value + extent : -1);
  if (mode == IndexMode::clip) return value < 0 ? 0 : (value < extent ? value : extent - 1);
  const std::int64_t rest = value % extent;
  return rest < 0 ? rest + extent : rest;
}

/// Reports the value at `position`, counted in C order, of an index array.
[[noreturn]] void throw_bad_index(const PlanIndices& indices, std::int64_t position,
                                  std::int64_t value);

}  // namespace multibuffer
