#pragma once

#include <multibuffer/random_access.hpp>

namespace multibuffer {
inline namespace MULTIBUFFER_VIEWS {

/// Elements at one stride: 24 bytes that kernels take by value. It owns nothing, and is valid as
/// long as the array that it came from.
template <class T>
class RowView {
  using Int64 = device_code::Int64;
  static_assert(device_code::Readable<T>::ok);

 public:
  RowView() = default;
  /// `stride` is in bytes, of any sign.
  MULTIBUFFER_HOST_DEVICE constexpr RowView(T* first, Int64 stride, Int64 size)
      : first_(first), stride_(stride), size_(size) {}

  MULTIBUFFER_HOST_DEVICE constexpr Int64 size() const { return size_; }
  MULTIBUFFER_HOST_DEVICE constexpr bool empty() const { return size_ == 0; }
  MULTIBUFFER_HOST_DEVICE constexpr Int64 stride() const { return stride_; }  ///< bytes
  /// Where element 0 is, or would be.
  MULTIBUFFER_HOST_DEVICE constexpr T* data() const { return first_; }
  /// The element at 0 <= `index` < `size()`.
  MULTIBUFFER_HOST_DEVICE T& operator[](Int64 index) const {
    device_code::check_index(0, index, size_);
    return *device_code::element_after(first_, index * stride_);
  }
  /// Where the elements are, if they lie one after the other; else null. Of a loop over these,
  /// compilers make vectors.
  MULTIBUFFER_HOST_DEVICE constexpr T* contiguous() const {
    return stride_ == static_cast<Int64>(sizeof(T)) || size_ <= 1 ? first_ : nullptr;
  }

  /// A random access iterator, for the host and for kernels.
  class Iterator : public RandomAccess<Iterator> {
   public:
    using value_type = device_code::Value<T>;
    using pointer = T*;
    using reference = T&;

    Iterator() = default;
    MULTIBUFFER_HOST_DEVICE constexpr Iterator(T* first, Int64 stride, Int64 position)
        : first_(first), stride_(stride), position_(position) {}

    MULTIBUFFER_HOST_DEVICE T& operator*() const {
      return *device_code::element_after(first_, position_ * stride_);
    }
    MULTIBUFFER_HOST_DEVICE T* operator->() const { return &**this; }
    MULTIBUFFER_HOST_DEVICE constexpr Iterator& operator+=(Int64 n) {
      position_ += n;
      return *this;
    }
    MULTIBUFFER_HOST_DEVICE constexpr Int64 position() const { return position_; }

   private:
    T* first_ = nullptr;
    Int64 stride_ = 0;
    Int64 position_ = 0;
  };
  MULTIBUFFER_HOST_DEVICE constexpr Iterator begin() const { return {first_, stride_, 0}; }
  MULTIBUFFER_HOST_DEVICE constexpr Iterator end() const { return {first_, stride_, size_}; }

 private:
  T* first_ = nullptr;
  Int64 stride_ = 0;
  Int64 size_ = 0;
};

}  // namespace MULTIBUFFER_VIEWS
}  // namespace multibuffer
