#include "tests/testing/test_memory.hpp"

#include "tests/testing/random_array.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <stdexcept>

namespace multibuffer::testing {
namespace {

std::byte* map_pages(std::size_t bytes, int protection) {
  void* const pages =
      mmap(nullptr, bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (pages == MAP_FAILED) throw std::runtime_error("mmap failed");
  return static_cast<std::byte*>(pages);
}

/// Pages between pages that nobody may touch. They are mapped once and lent to one array after
/// another, since mapping them anew would take longer than all else.
class GuardedPages {
 public:
  static constexpr std::size_t regions = 64;

  GuardedPages() : page_(static_cast<std::size_t>(sysconf(_SC_PAGESIZE))) {
    const std::size_t pitch = usable() + page_;
    std::byte* const all = map_pages(pitch * regions + page_, PROT_NONE);
    for (std::size_t i = 0; i < regions; ++i) {
      std::byte* const region = all + page_ + i * pitch;
      if (mprotect(region, usable(), PROT_READ | PROT_WRITE) != 0) {
        throw std::runtime_error("mprotect failed");
      }
      free_.push_back(region);
    }
  }
  std::size_t usable() const { return 2 * page_; }
  /// nullptr if none is left.
  std::byte* borrow() {
    if (free_.empty()) return nullptr;
    std::byte* const region = free_.back();
    free_.pop_back();
    return region;
  }
  void give_back(std::byte* region) { free_.push_back(region); }

 private:
  std::size_t page_;
  std::vector<std::byte*> free_;
};

GuardedPages& guarded_pages() {
  static GuardedPages pages;
  return pages;
}

}  // namespace

TestMemory::~TestMemory() {
  for (std::byte* region : regions_) guarded_pages().give_back(region);
  for (const auto& [pages, bytes] : maps_) munmap(pages, bytes);
}

std::byte* TestMemory::allocate(Random& random, std::int64_t bytes) {
  const auto size = static_cast<std::size_t>(bytes);
  if (bytes >= sparse_from) {
    maps_.emplace_back(map_pages(size, PROT_READ | PROT_WRITE), size);
    return maps_.back().first;
  }
  if (mode_ == MemoryMode::guarded && size <= guarded_pages().usable()) {
    if (std::byte* const region = guarded_pages().borrow()) {
      regions_.push_back(region);
      return random.chance(50) ? region : region + guarded_pages().usable() - size;
    }
  }
  const std::size_t lead = random.chance(50) ? 0 : static_cast<std::size_t>(random.between(0, 15));
  heap_.push_back(std::make_unique_for_overwrite<std::byte[]>(lead + size));
  return heap_.back().get() + lead;
}

}  // namespace multibuffer::testing
