#include "tests/testing/failing_allocation.hpp"

#include "tests/testing/own_work.hpp"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>

namespace multibuffer::testing {
namespace {

std::atomic<std::int64_t> live_blocks = 0, live_bytes = 0;
std::atomic<std::int64_t> seen_allocations = 0;
constexpr std::int64_t none = -1;
std::atomic<std::int64_t> failing = none;

/// Lies in front of each block.
struct alignas(16) Tag {
  std::size_t bytes = 0;
  bool is_counted = false;
};

std::size_t room_in_front(std::size_t alignment) { return std::max(alignment, sizeof(Tag)); }

Tag* tag_of(void* block) { return reinterpret_cast<Tag*>(static_cast<std::byte*>(block)) - 1; }

/// Returns null if the allocation fails.
void* allocate(std::size_t bytes, std::size_t alignment) noexcept {
  const bool is_counted = !OwnWork::is_under_way();
  if (is_counted && failing >= 0 && seen_allocations++ == failing) return nullptr;
  const std::size_t front = room_in_front(alignment);
  const std::size_t size = (front + bytes + alignment - 1) / alignment * alignment;
  if (size < bytes) return nullptr;
  void* const memory = std::aligned_alloc(std::max<std::size_t>(alignment, 16), size);
  if (!memory) return nullptr;
  void* const block = static_cast<std::byte*>(memory) + front;
  new (tag_of(block)) Tag{bytes, is_counted};
  if (is_counted) {
    ++live_blocks;
    live_bytes += static_cast<std::int64_t>(bytes);
  }
  return block;
}

void* allocate_or_throw(std::size_t bytes, std::size_t alignment) {
  void* const block = allocate(bytes, alignment);
  if (!block) throw std::bad_alloc();
  return block;
}

void deallocate(void* block, std::size_t alignment) noexcept {
  if (!block) return;
  const Tag tag = *tag_of(block);
  if (tag.is_counted) {
    --live_blocks;
    live_bytes -= static_cast<std::int64_t>(tag.bytes);
  }
  std::free(static_cast<std::byte*>(block) - room_in_front(alignment));
}

constexpr std::size_t usual = __STDCPP_DEFAULT_NEW_ALIGNMENT__;
std::size_t size_of(std::align_val_t alignment) { return static_cast<std::size_t>(alignment); }

}  // namespace

LiveAllocations live_allocations() { return {live_blocks, live_bytes}; }

FailingAllocation::FailingAllocation(std::int64_t number) : number_(number) {
  seen_allocations = 0;
  failing = number;
}

FailingAllocation::~FailingAllocation() { failing = none; }

std::int64_t FailingAllocation::seen() const { return seen_allocations; }

}  // namespace multibuffer::testing

using multibuffer::testing::allocate;
using multibuffer::testing::allocate_or_throw;
using multibuffer::testing::deallocate;
using multibuffer::testing::size_of;
using multibuffer::testing::usual;

// All forms, since the library's own would call some of these and not others.
void* operator new(std::size_t bytes) { return allocate_or_throw(bytes, usual); }
void* operator new[](std::size_t bytes) { return allocate_or_throw(bytes, usual); }
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
  return allocate(bytes, usual);
}
void* operator new[](std::size_t bytes, const std::nothrow_t&) noexcept {
  return allocate(bytes, usual);
}
void* operator new(std::size_t bytes, std::align_val_t alignment) {
  return allocate_or_throw(bytes, size_of(alignment));
}
void* operator new[](std::size_t bytes, std::align_val_t alignment) {
  return allocate_or_throw(bytes, size_of(alignment));
}
void* operator new(std::size_t bytes, std::align_val_t alignment, const std::nothrow_t&) noexcept {
  return allocate(bytes, size_of(alignment));
}
void* operator new[](std::size_t bytes, std::align_val_t alignment,
                     const std::nothrow_t&) noexcept {
  return allocate(bytes, size_of(alignment));
}

void operator delete(void* block) noexcept { deallocate(block, usual); }
void operator delete[](void* block) noexcept { deallocate(block, usual); }
void operator delete(void* block, std::size_t) noexcept { deallocate(block, usual); }
void operator delete[](void* block, std::size_t) noexcept { deallocate(block, usual); }
void operator delete(void* block, const std::nothrow_t&) noexcept { deallocate(block, usual); }
void operator delete[](void* block, const std::nothrow_t&) noexcept { deallocate(block, usual); }
void operator delete(void* block, std::align_val_t alignment) noexcept {
  deallocate(block, size_of(alignment));
}
void operator delete[](void* block, std::align_val_t alignment) noexcept {
  deallocate(block, size_of(alignment));
}
void operator delete(void* block, std::size_t, std::align_val_t alignment) noexcept {
  deallocate(block, size_of(alignment));
}
void operator delete[](void* block, std::size_t, std::align_val_t alignment) noexcept {
  deallocate(block, size_of(alignment));
}
void operator delete(void* block, std::align_val_t alignment, const std::nothrow_t&) noexcept {
  deallocate(block, size_of(alignment));
}
void operator delete[](void* block, std::align_val_t alignment, const std::nothrow_t&) noexcept {
  deallocate(block, size_of(alignment));
}
