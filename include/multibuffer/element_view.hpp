#pragma once

#include <multibuffer/row_view.hpp>

namespace multibuffer {

/// Where rows are. Row i begins
///
///     (table ? table[i * step] * unit : 0) + i * distance
///
/// bytes from the base, and has lengths[i * length_step] elements or, without lengths, `length`.
struct RowsLayout {
  device_code::Int64 count;
  device_code::Int64 stride;    ///< bytes from one element of a row to the next
  device_code::Int64 distance;  ///< bytes; 0 for rows behind a table
  device_code::Int64 unit;
  const void* table;        ///< entry 0; null for rows at one distance
  device_code::Int64 step;  ///< entries
  const void* lengths;      ///< entry 0; null for rows of one length
  device_code::Int64 length_step;
  device_code::Int64 length;
  unsigned char wide;          ///< as in ElementLayout
  unsigned char wide_lengths;  ///< likewise
};

inline namespace MULTIBUFFER_VIEWS {

/// How an index leads to an element: the numbers of an array's layout, with the offset arrays at
/// hand, for at most `Levels` of them. An element lies
///
///     entry = 0
///     for each level 0 ... Levels - 1:
///         if tables[level]:  entry = tables[level][entry + sum(index * stride)]
///     entry * unit + sum(index * stride)
///
/// bytes from the base, where the sums are over the axes of that level, and the last one over those
/// of level `Levels`. Where index 0 is, is part of the pointers. An array with fewer tables has its
/// own in the last levels, and null before. (Rows that a vector allocated in order lie evenly, so
/// that strides replace their table: how many tables an array has depends on its addresses.)
///
/// The members and their order are for code that is given the bytes, in Python say. Arrays have at
/// least one entry, since C++ knows no empty ones.
template <int Rank, int Levels>
struct ElementLayout {
  static_assert(Rank >= 0 && Levels >= 0);
  using Int64 = device_code::Int64;
  static constexpr int axes = Rank > 0 ? Rank : 1;
  static constexpr int levels = Levels > 0 ? Levels : 1;
  using Index = Int64[device_code::slots(Rank)];

  Int64 unit;
  const void* tables[device_code::slots(Levels)];
  Int64 extents[device_code::slots(Rank)];
  Int64 strides[device_code::slots(Rank)];  ///< of level `Levels`, bytes; of the others, entries
  unsigned char level_of[device_code::slots(Rank)];  ///< the level at which an axis counts
  unsigned char wide[device_code::slots(Levels)];    ///< 1: std::int64_t entries; 0: std::uint32_t

  /// Follows each table once.
  MULTIBUFFER_HOST_DEVICE Int64 offset_of(const Index& index) const {
    Int64 sums[device_code::slots(Levels + 1)] = {};
    MULTIBUFFER_UNROLL
    for (int axis = 0; axis < Rank; ++axis) {
      const Int64 distance = index[axis] * strides[axis];
      if constexpr (Levels == 0) {
        sums[0] += distance;
      } else {
        MULTIBUFFER_UNROLL
        for (int level = 0; level <= Levels; ++level)
          sums[level] += level_of[axis] == level ? distance : 0;
      }
    }
    Int64 entry = 0;
    MULTIBUFFER_UNROLL
    for (int level = 0; level < Levels; ++level)
      if (tables[level])
        entry = device_code::entry_at(tables[level], wide[level] != 0, entry + sums[level]);
    return entry * unit + sums[Levels];
  }

  MULTIBUFFER_HOST_DEVICE constexpr Int64 size() const {
    Int64 size = 1;
    MULTIBUFFER_UNROLL
    for (int axis = 0; axis < Rank; ++axis) size *= extents[axis];
    return size;
  }
  /// Compares all numbers: equal layouts find equal offsets.
  MULTIBUFFER_HOST_DEVICE friend constexpr bool operator==(const ElementLayout& a,
                                                           const ElementLayout& b) {
    bool equal = a.unit == b.unit;
    for (int axis = 0; axis < axes; ++axis)
      equal = equal && a.extents[axis] == b.extents[axis] && a.strides[axis] == b.strides[axis] &&
              a.level_of[axis] == b.level_of[axis];
    for (int level = 0; level < levels; ++level)
      equal = equal && a.tables[level] == b.tables[level] && a.wide[level] == b.wide[level];
    return equal;
  }
  /// Returns true if the last axis lies at a stride behind all tables.
  MULTIBUFFER_HOST_DEVICE constexpr bool has_rows() const {
    return Rank > 0 && level_of[axes - 1] == Levels;
  }
};

/// Any element of an array on a device, behind tables or not, by its indices: a value that kernels
/// take as it is (64 bytes for two axes and one table). `elements(array)` in
/// <multibuffer/elements.hpp> makes it.
///
///     __global__ void kernel(multibuffer::ElementView<const float, 2> image, float* sums) {
///       const auto row = image.row(blockIdx.x);                 // follows the table once
///       for (const float pixel : row) sums[blockIdx.x] += pixel;
///     }
///
/// It borrows: it is valid as long as the array or a view of it, and names memory of the array's
/// device. Work on it is not ordered with the library's; <multibuffer/access.hpp> does that.
/// Reading is thread-safe.
///
/// `T` is const: elements are read. `Levels` is the most tables that the array may have. Indices
/// are not checked, unless MULTIBUFFER_CHECKED is defined (<multibuffer/host_device.hpp>).
template <class T, int Rank, int Levels = 1>
class ElementView {
  using Int64 = device_code::Int64;
  using Bytes = device_code::Bytes<T>;
  static_assert(device_code::Readable<T>::ok);

 public:
  using Layout = ElementLayout<Rank, Levels>;
  static constexpr int rank = Rank;

  ElementView() = default;
  MULTIBUFFER_HOST_DEVICE constexpr ElementView(Bytes* base, const Layout& layout)
      : base_(base), layout_(layout) {}

  MULTIBUFFER_HOST_DEVICE constexpr Int64 extent(int axis) const { return layout_.extents[axis]; }
  MULTIBUFFER_HOST_DEVICE constexpr Int64 size() const { return layout_.size(); }
  MULTIBUFFER_HOST_DEVICE constexpr const Layout& layout() const { return layout_; }
  /// What offsets count from; it may be null.
  MULTIBUFFER_HOST_DEVICE constexpr Bytes* base() const { return base_; }

  /// One index for each axis, 0 <= index < extent. Follows the tables each time: in a loop, and in
  /// any that stores, `row` is faster.
  template <class... Indices>
  MULTIBUFFER_HOST_DEVICE T& operator()(Indices... indices) const {
    static_assert(sizeof...(Indices) == Rank, "one index for each axis");
    const typename Layout::Index index = {static_cast<Int64>(indices)...};
    return element(index);
  }
  /// The element at `position`, 0 <= position < size(), in C order. Divides for each axis but the
  /// first; the iterators of <multibuffer/element_iterator.hpp> do better.
  MULTIBUFFER_HOST_DEVICE T& at_linear(Int64 position) const {
    typename Layout::Index index = {};
    split(position, Rank, index);
    return element(index);
  }

  /// Returns false for an array whose last axis counts entries of a table, as that of a transposed
  /// one: it has no rows.
  MULTIBUFFER_HOST_DEVICE constexpr bool has_rows() const { return layout_.has_rows(); }
  /// The elements along the last axis, by an index for each other axis. Follows each table once.
  /// The array must have rows.
  template <class... Indices>
  MULTIBUFFER_HOST_DEVICE RowView<T> row(Indices... indices) const {
    static_assert(Rank > 0 && sizeof...(Indices) == Rank - 1,
                  "an index for each axis but the last");
    const typename Layout::Index index = {static_cast<Int64>(indices)...};
    return row_at(index);
  }
  /// Row `number`, counted in C order of the other axes. Divides for each of these but the first.
  MULTIBUFFER_HOST_DEVICE RowView<T> row_linear(Int64 number) const {
    typename Layout::Index index = {};
    split(number, Rank - 1, index);
    return row_at(index);
  }
  /// The same by an array of indices, of which the last one is 0.
  MULTIBUFFER_HOST_DEVICE RowView<T> row_at(const typename Layout::Index& index) const {
    device_code::check_rows(has_rows(), Rank - 1);
    check(index, Rank - 1);
    return {device_code::element_at<T>(base_, layout_.offset_of(index)), layout_.strides[Rank - 1],
            layout_.extents[Rank - 1]};
  }
  /// The element by an array of indices.
  MULTIBUFFER_HOST_DEVICE T& element(const typename Layout::Index& index) const {
    check(index, Rank);
    return *device_code::element_at<T>(base_, layout_.offset_of(index));
  }

 private:
  /// Splits a position in C order of the first `axes` axes into their indices.
  MULTIBUFFER_HOST_DEVICE constexpr void split(Int64 position, int axes,
                                               typename Layout::Index& index) const {
    MULTIBUFFER_UNROLL
    for (int axis = Rank - 1; axis > 0; --axis) {
      if (axis >= axes) continue;
      const Int64 quotient = position / layout_.extents[axis];
      index[axis] = position - quotient * layout_.extents[axis];
      position = quotient;
    }
    if (axes > 0) index[0] = position;
  }
  MULTIBUFFER_HOST_DEVICE constexpr void check(const typename Layout::Index& index,
                                               int axes) const {
    MULTIBUFFER_UNROLL
    for (int axis = 0; axis < Rank; ++axis)
      if (axis < axes) device_code::check_index(axis, index[axis], layout_.extents[axis]);
  }

  Bytes* base_;
  Layout layout_;
};

template <class T>
class RowsIterator;

/// The rows of an array of two axes, or rows of unequal length: a value for kernels, as
/// `ElementView` is. `rows(array)` in <multibuffer/elements.hpp> makes it. It borrows likewise.
template <class T>
class RowsView {
  using Int64 = device_code::Int64;
  using Bytes = device_code::Bytes<T>;
  static_assert(device_code::Readable<T>::ok);

 public:
  RowsView() = default;
  MULTIBUFFER_HOST_DEVICE constexpr RowsView(Bytes* base, const RowsLayout& layout)
      : base_(base), layout_(layout) {}

  MULTIBUFFER_HOST_DEVICE constexpr Int64 size() const { return layout_.count; }
  MULTIBUFFER_HOST_DEVICE constexpr bool empty() const { return layout_.count == 0; }
  MULTIBUFFER_HOST_DEVICE constexpr const RowsLayout& layout() const { return layout_; }
  MULTIBUFFER_HOST_DEVICE constexpr Bytes* base() const { return base_; }

  /// Row 0 <= `index` < `size()`.
  MULTIBUFFER_HOST_DEVICE RowView<T> operator[](Int64 index) const {
    device_code::check_index(0, index, layout_.count);
    Int64 offset = index * layout_.distance;
    if (layout_.table)
      offset += layout_.unit *
                device_code::entry_at(layout_.table, layout_.wide != 0, index * layout_.step);
    const Int64 length = layout_.lengths
                             ? device_code::entry_at(layout_.lengths, layout_.wide_lengths != 0,
                                                     index * layout_.length_step)
                             : layout_.length;
    return {device_code::element_at<T>(base_, offset), layout_.stride, length};
  }

  /// Iterators over the rows, for the host and for kernels.
  MULTIBUFFER_HOST_DEVICE constexpr RowsIterator<T> begin() const { return {*this, 0}; }
  MULTIBUFFER_HOST_DEVICE constexpr RowsIterator<T> end() const { return {*this, layout_.count}; }

 private:
  Bytes* base_;
  RowsLayout layout_;
};

/// A random access iterator over rows. Each is a value, made when it is asked for.
template <class T>
class RowsIterator : public RandomAccess<RowsIterator<T>> {
 public:
  using value_type = RowView<T>;
  using pointer = void;
  using reference = RowView<T>;

  RowsIterator() = default;
  MULTIBUFFER_HOST_DEVICE constexpr RowsIterator(const RowsView<T>& rows,
                                                 device_code::Int64 position)
      : rows_(rows), position_(position) {}

  MULTIBUFFER_HOST_DEVICE RowView<T> operator*() const { return rows_[position_]; }
  MULTIBUFFER_HOST_DEVICE constexpr RowsIterator& operator+=(device_code::Int64 n) {
    position_ += n;
    return *this;
  }
  MULTIBUFFER_HOST_DEVICE constexpr device_code::Int64 position() const { return position_; }

 private:
  RowsView<T> rows_;
  device_code::Int64 position_;
};

}  // namespace MULTIBUFFER_VIEWS
}  // namespace multibuffer
