#pragma once

#include <algorithm>
#include <cstddef>
#include <initializer_list>
#include <iterator>
#include <memory>
#include <span>
#include <utility>

namespace multibuffer {

/// A vector whose first `N` elements lie in the object itself, so that few elements need no
/// allocation. Made for lists with one element per axis, level or index array. Its members behave
/// like std::vector's, except that moving a vector moves its elements and invalidates pointers to
/// them.
template <class T, std::size_t N>
class SmallVector {
 public:
  using value_type = T;
  using iterator = T*;
  using const_iterator = const T*;

  SmallVector() noexcept = default;
  // Delegates to the default constructor, so that the destructor runs if an element throws.
  explicit SmallVector(std::size_t count, const T& value = T()) : SmallVector() {
    resize(count, value);
  }
  explicit SmallVector(std::span<const T> values) : SmallVector() {
    assign(values.begin(), values.end());
  }
  SmallVector(std::initializer_list<T> values) : SmallVector() {
    assign(values.begin(), values.end());
  }
  SmallVector(const SmallVector& other) : SmallVector() { assign(other.begin(), other.end()); }
  SmallVector(SmallVector&& other) noexcept { take(other); }
  ~SmallVector() { release(); }

  SmallVector& operator=(const SmallVector& other) {
    if (this != &other) assign(other.begin(), other.end());
    return *this;
  }
  SmallVector& operator=(SmallVector&& other) noexcept {
    if (this == &other) return *this;
    release();
    take(other);
    return *this;
  }
  SmallVector& operator=(std::initializer_list<T> values) {
    assign(values.begin(), values.end());
    return *this;
  }

  T* data() noexcept { return data_; }
  const T* data() const noexcept { return data_; }
  std::size_t size() const noexcept { return size_; }
  bool empty() const noexcept { return size_ == 0; }
  T* begin() noexcept { return data_; }
  T* end() noexcept { return data_ + size_; }
  const T* begin() const noexcept { return data_; }
  const T* end() const noexcept { return data_ + size_; }
  T& operator[](std::size_t i) noexcept { return data_[i]; }
  const T& operator[](std::size_t i) const noexcept { return data_[i]; }
  T& back() noexcept { return data_[size_ - 1]; }
  const T& back() const noexcept { return data_[size_ - 1]; }

  void reserve(std::size_t count) {
    if (count > capacity_) grow(count);
  }
  void clear() noexcept {
    std::destroy_n(data_, size_);
    size_ = 0;
  }
  void resize(std::size_t count, T value = T()) {
    if (count < size_) {
      std::destroy(data_ + count, end());
    } else {
      reserve(count);
      std::uninitialized_fill(end(), data_ + count, value);
    }
    size_ = count;
  }
  /// Appends a range, which must not be part of this vector.
  template <std::forward_iterator Iterator>
  void assign(Iterator first, Iterator last) {
    clear();
    const auto count = static_cast<std::size_t>(std::distance(first, last));
    reserve(count);
    std::uninitialized_copy(first, last, data_);
    size_ = count;
  }
  void assign(std::size_t count, T value) {
    clear();
    resize(count, value);
  }
  void push_back(T value) {
    if (size_ == capacity_) grow(2 * size_ + 1);
    std::construct_at(end(), std::move(value));
    ++size_;
  }
  T* insert(const T* position, T value) {
    const auto at = position - data_;
    push_back(std::move(value));
    std::rotate(data_ + at, end() - 1, end());
    return data_ + at;
  }
  T* erase(const T* position) {
    T* const at = data_ + (position - data_);
    std::move(at + 1, end(), at);
    std::destroy_at(end() - 1);
    --size_;
    return at;
  }

  friend bool operator==(const SmallVector& a, const SmallVector& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end());
  }

 private:
  T* own() noexcept { return reinterpret_cast<T*>(own_); }

  void grow(std::size_t capacity) {
    // The size is read first: as far as the compiler knows, the allocation could change it, and GCC
    // 14 then warns of elements that do not fit in an assign() that has just cleared them.
    const std::size_t size = size_;
    T* const larger = std::allocator<T>().allocate(capacity);
    std::uninitialized_move_n(begin(), size, larger);
    release();
    data_ = larger;
    size_ = size;
    capacity_ = capacity;
  }
  /// Destroys all elements, frees the memory, and leaves an empty vector.
  void release() noexcept {
    clear();
    if (data_ != own()) std::allocator<T>().deallocate(data_, capacity_);
    data_ = own();
    capacity_ = N;
  }
  /// Takes the elements of `other` and leaves it empty. This vector must be empty.
  void take(SmallVector& other) noexcept {
    if (other.data_ != other.own()) {
      data_ = std::exchange(other.data_, other.own());
      size_ = std::exchange(other.size_, 0);
      capacity_ = std::exchange(other.capacity_, N);
      return;
    }
    std::uninitialized_move(other.begin(), other.end(), data_);
    size_ = other.size_;
    other.clear();
  }

  alignas(T) std::byte own_[N * sizeof(T)];  // NOLINT(bugprone-sizeof-expression): of any T
  T* data_ = own();
  std::size_t size_ = 0;
  std::size_t capacity_ = N;
};

}  // namespace multibuffer
