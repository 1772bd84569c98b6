#pragma once

#include <multibuffer/array_view.hpp>
#include <multibuffer/gather.hpp>

#include "host/gather/result_axes.hpp"

#include <cstdint>
#include <vector>

namespace multibuffer {

/// An index array in host memory, each value a valid index of its axis.
struct HostIndices {
  std::vector<std::int64_t> values;
  Shape shape;
};
using HostGroups = std::vector<std::vector<HostIndices>>;  ///< by group, then by axis of it

/// A gather that can be cut into boxes of its result.
struct Whole {
  ArrayView view;
  Result result;  ///< its axes, and where each comes from
  HostGroups groups;
  std::int64_t result_itemsize = 1;
};

struct Range {
  std::int64_t begin = 0;
  std::int64_t end = 0;
  std::int64_t size() const { return end - begin; }
  bool operator==(const Range&) const = default;
};

/// A range of each axis of a result.
using Box = std::vector<Range>;
Box whole_box(const Whole& whole);

/// The source of a box: the part of the view that its indices span, and indices into that part.
struct Part {
  ArrayView view;
  HostGroups groups;
};
Part part_of(const Whole& whole, const Box& box);

/// Bytes that a box takes on a device, at most: what travels, offset arrays, and the result. Less
/// where rows share memory.
struct BoxBytes {
  std::int64_t travels = 0;
  std::int64_t tables = 0;
  std::int64_t result = 0;
  std::int64_t all() const;
};
BoxBytes bytes_of(const Whole& whole, const Box& box);

/// Which axes of the result a box may be cut along: any, or those of its index arrays, which alone
/// make it bring less.
enum class CutAlong { any_axis, indices };

/// The two halves of a box, cut along the axis where that saves most; none if it cannot be cut.
std::vector<Box> halves(const Whole& whole, const Box& box, CutAlong along = CutAlong::any_axis);

/// Returns whether a box brings far more than it needs, so that a piece for each of its indices, at
/// worst, is better.
bool is_sparse(const Whole& whole, const Box& box);

/// Cuts the result into boxes of at most `limit` bytes, in the order of the result; boxes of one
/// element may take more.
std::vector<Box> cut(const Whole& whole, std::int64_t limit);

}  // namespace multibuffer
