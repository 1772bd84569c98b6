#pragma once

#include <multibuffer/device_buffer.hpp>
#include <multibuffer/gather.hpp>
#include <multibuffer/gather_modes.hpp>
#include <multibuffer/layout.hpp>

#include "host/support/small_vector.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace multibuffer {

using Shape = std::vector<std::int64_t>;

/// An axis of the result: one of the array, or one of a group's common index shape.
struct ResultAxis {
  std::int64_t extent = 0;
  std::optional<std::size_t> array_axis;
  std::size_t group = 0;       ///< else, the group
  std::size_t group_axis = 0;  ///< and which axis of its common shape
};

/// A group with its axes counted from the front, its common shape and its place worked out.
struct ReadyGroup {
  SmallVector<int, 4> axes;
  SmallVector<std::int64_t, 4> shape;
  int position = 0;
};

/// The axes that a selection makes of an array's.
struct Result {
  SmallVector<ReadyGroup, 1> groups;
  SmallVector<ResultAxis, 4> axes;
  Shape shape() const {
    Shape shape;
    shape.reserve(axes.size());
    for (const ResultAxis& axis : axes) shape.push_back(axis.extent);
    return shape;
  }
};

/// Works out the axes of a selection's result, and where each comes from. Throws `invalid_argument`
/// for groups that make no sense for the layout.
Result result_of(const Layout& layout, const Selection& selection);

/// Returns how far an index array of `shape`, of a group, moves in C order along each axis of the
/// result: 0 where it is broadcast, and along axes that are not the group's.
SmallVector<std::int64_t, 4> index_steps(const Result& result, std::size_t group,
                                         const Shape& shape);

/// Dense strides in `order`. Throws `size_overflow` if the result has elements and their size in
/// bytes does not fit.
Shape dense_strides(const Shape& shape, std::int64_t itemsize, Order order);

/// Throws unless the strides are usable for an output: one per axis, none negative, no two elements
/// overlapping, all inside of the memory.
void check_output(const Output& out, const Shape& shape, const Shape& strides,
                  std::int64_t itemsize);

/// Copies a dense host result into the caller's host memory, whose strides may be any.
void copy_out(const DeviceBuffer& result, const Output& out, const Shape& strides);

}  // namespace multibuffer
