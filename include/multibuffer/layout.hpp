#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <variant>
#include <vector>

namespace multibuffer {

/// The buffer protocol's limit (PyBUF_MAX_NDIM).
inline constexpr int max_axes = 64;

/// One axis: its index, times `stride`, is added to the position at `level`.
struct Axis {
  std::int64_t extent = 0;
  std::int64_t stride = 0;
  int level = 0;
  bool operator==(const Axis&) const = default;
};

/// Python's slice: missing bounds default by the sign of the step, negative ones count from the
/// end, and what lies outside is cut off.
struct Slice {
  std::optional<std::int64_t> start;
  std::optional<std::int64_t> stop;
  std::int64_t step = 1;
};

/// The view operations. They move no data and compose in the order in which they are applied; each
/// counts its axes in the array that the previous one left. A negative axis counts from the end.
struct SliceAxis {
  int axis = 0;
  Slice slice;
};
struct IndexAxis {  ///< removes the axis; a negative index counts from the end
  int axis = 0;
  std::int64_t index = 0;
};
struct Permute {  ///< axis i of the result is axis `axes[i]` of the input
  std::vector<int> axes;
};
struct InsertAxis {  ///< a new axis of extent 1 before `axis` (NumPy's newaxis)
  int axis = 0;
};
struct Reshape {  ///< another shape for the same elements in C order
  std::vector<std::int64_t> shape;
};
using ViewOperation = std::variant<SliceAxis, IndexAxis, Permute, InsertAxis, Reshape>;

/// How indices become an address, in any number of dereferences:
///
///     position = origins[0] + sum of index * stride over the axes of level 0
///     for level 1 ... levels: position = follow(position) + origins[level] + the same sum there
///
/// For host memory positions are byte addresses and `follow` reads a pointer; this is PEP 3118's
/// rule with the order of evaluation (the level) told apart from the order of the axes, so that
/// every view operation on every axis, indirect or not, changes only numbers in here. For an array
/// on a device positions are entries of offset arrays, and bytes in the last level.
///
/// Source: PEP 3118, `get_item_pointer`.
class Layout {
 public:
  /// A single element without axes.
  Layout() : origins_(1, 0) {}
  /// `origins` has one more entry than there are levels of pointers. Throws `invalid_argument` for
  /// more than `max_axes` axes, `invalid_view` for a negative extent or a level that is not there.
  Layout(std::vector<Axis> axes, std::vector<std::int64_t> origins);

  std::span<const Axis> axes() const noexcept { return axes_; }
  std::span<const std::int64_t> origins() const noexcept { return origins_; }
  int ndim() const noexcept { return static_cast<int>(axes_.size()); }
  /// The number of dereferences.
  int levels() const noexcept { return static_cast<int>(origins_.size()) - 1; }
  std::vector<std::int64_t> shape() const;
  /// Product of the extents. Throws `size_overflow` if it does not fit.
  std::int64_t size() const;
  /// Returns true if some extent is zero: then nothing may be dereferenced.
  bool empty() const noexcept;

  /// These throw `invalid_argument` (no such axis, a step of 0, axes that are no permutation),
  /// `index_out_of_range`, or `size_overflow` where a position or a stride does not fit in 64 bits:
  /// those of an array always fit.
  Layout slice(int axis, const Slice& slice) const;
  Layout index(int axis, std::int64_t index) const;
  Layout permute(std::span<const int> axes) const;
  Layout transpose() const;  ///< the axes in reverse order
  Layout reverse(int axis) const { return slice(axis, Slice{{}, {}, -1}); }
  Layout insert_axis(int axis) const;
  /// Gives the elements, in C order of the axes, another shape: axes are split freely, and merged
  /// where they continue each other within a level. Returns nothing where that would move data.
  /// Throws `invalid_argument` unless `shape` has as many elements.
  std::optional<Layout> reshape(std::span<const std::int64_t> shape) const;
  /// Bytes [offset, offset + bytes) of each element, repeated along `axes`, for elements of
  /// `itemsize` bytes: `axes` are appended, their strides in bytes, their levels ignored. Throws
  /// `invalid_argument` if some of it lies outside of the element.
  Layout inside_elements(std::int64_t itemsize, std::int64_t offset, std::int64_t bytes,
                         std::span<const Axis> axes) const;
  /// Throws `invalid_argument` also for a reshape that would move data.
  Layout apply(const ViewOperation& operation) const;

  bool operator==(const Layout&) const = default;

 private:
  std::vector<Axis> axes_;
  std::vector<std::int64_t> origins_;
};

/// `axis` counted from the front, or `invalid_argument` naming `ndim`.
int normalize_axis(int axis, int ndim);

}  // namespace multibuffer
