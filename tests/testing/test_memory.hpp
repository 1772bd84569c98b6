#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace multibuffer::testing {

class Random;

/// The memory that rows, leaves and tables lie in.
enum class MemoryMode {
  ordinary,  ///< a heap block each, of exactly the bytes needed: a sanitizer sees what lies outside
  guarded,   ///< flush with the start or the end of pages between pages that cannot be touched
};

/// Blocks of memory of exactly the bytes that are asked for, at any alignment.
class TestMemory {
 public:
  /// Larger blocks are pages of zeros, which take no memory until they are written.
  static constexpr std::int64_t sparse_from = 1 << 18;

  explicit TestMemory(MemoryMode mode) : mode_(mode) {}
  ~TestMemory();
  TestMemory(const TestMemory&) = delete;
  TestMemory& operator=(const TestMemory&) = delete;

  std::byte* allocate(Random& random, std::int64_t bytes);
  MemoryMode mode() const noexcept { return mode_; }
  /// Returns true if some block is of `sparse_from` bytes or more.
  bool has_maps() const noexcept { return !maps_.empty(); }

 private:
  MemoryMode mode_;
  std::vector<std::unique_ptr<std::byte[]>> heap_;
  std::vector<std::byte*> regions_;
  std::vector<std::pair<std::byte*, std::size_t>> maps_;
};

}  // namespace multibuffer::testing
