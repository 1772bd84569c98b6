#pragma once

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

namespace multibuffer {

inline constexpr std::size_t large_alignment = 256;

/// Allocates `bytes` bytes at a multiple of `large_alignment`; throws `std::bad_alloc`. Large
/// blocks ask for huge pages: the first write to each page is a page fault, which costs more than
/// the writing.
void* allocate_large(std::size_t bytes);
void deallocate_large(void* memory, std::size_t bytes) noexcept;

/// Leaves new elements uninitialized, so that the thread that computes one is the first to touch
/// it, and nothing is written twice.
template <class T>
struct LargeAllocator {
  using value_type = T;

  LargeAllocator() = default;
  template <class U>
  LargeAllocator(const LargeAllocator<U>& /*other*/) noexcept {}  // NOLINT: as containers need it

  T* allocate(std::size_t count) { return static_cast<T*>(allocate_large(count * sizeof(T))); }
  void deallocate(T* memory, std::size_t count) noexcept {
    deallocate_large(memory, count * sizeof(T));
  }
  template <class U>
  void construct(U* at) noexcept {
    ::new (static_cast<void*>(at)) U;
  }
  template <class U, class... Args>
  void construct(U* at, Args&&... args) {
    std::construct_at(at, std::forward<Args>(args)...);
  }
  bool operator==(const LargeAllocator&) const = default;
};

/// A vector that may be as long as an array has rows. `resize` leaves new elements unspecified.
template <class T>
using LargeVector = std::vector<T, LargeAllocator<T>>;

}  // namespace multibuffer
