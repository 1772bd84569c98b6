#include <multibuffer/stages/large_vector.hpp>

#include <sys/mman.h>

#include <new>

namespace multibuffer {
namespace {

constexpr std::size_t huge_page = std::size_t{2} << 20;

/// Only blocks that contain whole huge pages gain by them.
bool is_large(std::size_t bytes) { return bytes >= 2 * huge_page; }

std::align_val_t alignment_of(std::size_t bytes) {
  return std::align_val_t(is_large(bytes) ? huge_page : large_alignment);
}

}  // namespace

void* allocate_large(std::size_t bytes) {
  void* memory = ::operator new(bytes, alignment_of(bytes), std::nothrow);
  if (!memory) throw std::bad_alloc();
  if (is_large(bytes)) madvise(memory, bytes, MADV_HUGEPAGE);  // a hint; failure does no harm
  return memory;
}

void deallocate_large(void* memory, std::size_t bytes) noexcept {
  ::operator delete(memory, alignment_of(bytes));
}

}  // namespace multibuffer
