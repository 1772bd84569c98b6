#pragma once

#include <multibuffer/divisor.hpp>
#include <multibuffer/element_view.hpp>

namespace multibuffer {
inline namespace MULTIBUFFER_VIEWS {

/// Walks over the elements of a view in C order and keeps the row that it is in: a step within one
/// is an addition. For the host: `std`'s algorithms, and Thrust's CPP, OMP and TBB. A random access
/// iterator that holds the view, which may go.
template <class T, int Rank, int Levels>
class ElementIterator : public RandomAccess<ElementIterator<T, Rank, Levels>> {
  using Int64 = device_code::Int64;
  using View = ElementView<T, Rank, Levels>;

 public:
  using value_type = device_code::Value<T>;
  using pointer = T*;
  using reference = T&;

  ElementIterator() = default;
  /// Position 0 <= `position` <= view.size().
  MULTIBUFFER_HOST_DEVICE ElementIterator(const View& view, Int64 position)
      : view_(view), size_(view.size()) {
    // An array without rows is one of rows of one element.
    if constexpr (Rank > 0) {
      if (view.has_rows()) {
        length_ = view.extent(Rank - 1);
        stride_ = view.layout().strides[Rank - 1];
      }
    }
    go_to(position);
  }

  MULTIBUFFER_HOST_DEVICE T& operator*() const { return *reinterpret_cast<T*>(address_); }
  MULTIBUFFER_HOST_DEVICE T* operator->() const { return &**this; }
  MULTIBUFFER_HOST_DEVICE Int64 position() const { return position_; }

  MULTIBUFFER_HOST_DEVICE ElementIterator& operator++() {
    ++position_;
    move(1);
    if (position_ == row_end_) enter(row_ + 1);
    return *this;
  }
  MULTIBUFFER_HOST_DEVICE ElementIterator& operator--() {
    if (position_ == row_begin_) {
      enter(row_ - 1);
      move(length_);
    }
    --position_;
    move(-1);
    return *this;
  }
  using RandomAccess<ElementIterator>::operator++;
  using RandomAccess<ElementIterator>::operator--;
  MULTIBUFFER_HOST_DEVICE ElementIterator& operator+=(Int64 n) {
    const Int64 to = position_ + n;
    if (row_begin_ <= to && to < row_end_) {
      position_ = to;
      move(n);
    } else {
      go_to(to);
    }
    return *this;
  }

 private:
  /// Addresses are numbers, since one behind the end of a strided row is nowhere.
  MULTIBUFFER_HOST_DEVICE void move(Int64 n) {
    address_ += static_cast<device_code::UInt64>(n * stride_);
  }
  MULTIBUFFER_HOST_DEVICE void go_to(Int64 position) {
    position_ = position;
    enter(length_ > 0 ? position / length_ : 0);
    move(position - row_begin_);
  }
  /// Goes to the first element of a row. Behind the last one is an empty row, for which no table is
  /// followed.
  MULTIBUFFER_HOST_DEVICE void enter(Int64 row) {
    row_ = row;
    row_begin_ = row * length_;
    row_end_ = row_begin_;
    if (row_begin_ < 0 || row_begin_ >= size_) return;
    row_end_ += length_;
    address_ = reinterpret_cast<device_code::UInt64>(first_of(row));
  }
  MULTIBUFFER_HOST_DEVICE T* first_of(Int64 row) const {
    if constexpr (Rank > 0)
      if (view_.has_rows()) return view_.row_linear(row).data();
    return &view_.at_linear(row);
  }

  View view_;
  Int64 size_;
  Int64 length_ = 1;
  Int64 stride_ = 0;
  Int64 row_ = 0;
  Int64 row_begin_ = 0;
  Int64 row_end_ = 0;
  Int64 position_ = 0;
  device_code::UInt64 address_ = 0;
};

/// Walks over the elements of a view in C order, each found by itself: divisions are
/// multiplications, one for each axis but the first. For devices, where consecutive elements are
/// the work of different threads: Thrust with an execution policy of a device, CUB. A random access
/// iterator that holds the view. Made on the host.
template <class T, int Rank, int Levels>
class DeviceElementIterator : public RandomAccess<DeviceElementIterator<T, Rank, Levels>> {
  using Int64 = device_code::Int64;
  using UInt64 = device_code::UInt64;
  using View = ElementView<T, Rank, Levels>;

 public:
  using value_type = device_code::Value<T>;
  using pointer = T*;
  using reference = T&;

  DeviceElementIterator() = default;
  DeviceElementIterator(const View& view, Int64 position) : view_(view), position_(position) {
    for (int axis = 1; axis < Rank; ++axis)
      if (const auto extent = static_cast<UInt64>(view.extent(axis)); extent > 0)
        extents_[axis - 1] = make_divisor(extent);
  }

  MULTIBUFFER_HOST_DEVICE T& operator*() const {
    typename View::Layout::Index index = {};
    auto rest = static_cast<UInt64>(position_);
    MULTIBUFFER_UNROLL
    for (int axis = Rank - 1; axis > 0; --axis) {
      const Divisor<UInt64>& extent = extents_[axis - 1];
      const UInt64 quotient = extent.divide(rest);
      index[axis] = static_cast<Int64>(rest - quotient * extent.divisor);
      rest = quotient;
    }
    if (Rank > 0) index[0] = static_cast<Int64>(rest);
    return view_.element(index);
  }
  MULTIBUFFER_HOST_DEVICE T* operator->() const { return &**this; }
  MULTIBUFFER_HOST_DEVICE DeviceElementIterator& operator+=(Int64 n) {
    position_ += n;
    return *this;
  }
  MULTIBUFFER_HOST_DEVICE Int64 position() const { return position_; }

 private:
  View view_;
  Divisor<UInt64> extents_[device_code::slots(Rank - 1)];  ///< of the axes from 1 on
  Int64 position_ = 0;
};

/// The elements of a view on the host, in C order: `for (const float element : view)`.
template <class T, int Rank, int Levels>
MULTIBUFFER_HOST_DEVICE ElementIterator<T, Rank, Levels> begin(
    const ElementView<T, Rank, Levels>& view) {
  return {view, 0};
}
template <class T, int Rank, int Levels>
MULTIBUFFER_HOST_DEVICE ElementIterator<T, Rank, Levels> end(
    const ElementView<T, Rank, Levels>& view) {
  return {view, view.size()};
}

/// The elements of a view, in C order, for algorithms on its device:
/// `thrust::reduce(thrust::device, device_begin(view), device_end(view))`.
template <class T, int Rank, int Levels>
DeviceElementIterator<T, Rank, Levels> device_begin(const ElementView<T, Rank, Levels>& view) {
  return {view, 0};
}
template <class T, int Rank, int Levels>
DeviceElementIterator<T, Rank, Levels> device_end(const ElementView<T, Rank, Levels>& view) {
  return {view, view.size()};
}

}  // namespace MULTIBUFFER_VIEWS
}  // namespace multibuffer
