#pragma once

#include "tests/cuda/kernel_grid/run_block.hpp"
#include "tests/testing/random_plan.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <utility>
#include <vector>

/// Memory as kernels' bodies access it, on the CPU.
namespace multibuffer::testing {

/// Allows aligned reads of the memory that was allowed, and one write of each byte.
class CheckedMemory final : public KernelMemory {
 public:
  void allow_reads(Address begin, std::int64_t bytes) {
    // One range, or more that overlap or touch it, become one.
    Address end = begin + static_cast<Address>(bytes);
    auto next = readable_.upper_bound(begin);
    if (next != readable_.begin() && std::prev(next)->second >= begin) --next;
    while (next != readable_.end() && next->first <= end) {
      begin = std::min(begin, next->first);
      end = std::max(end, next->second);
      next = readable_.erase(next);
    }
    readable_[begin] = end;
  }
  void allow_writes(std::byte* begin, std::int64_t bytes) {
    out_ = address_of(begin);
    written_.assign(static_cast<std::size_t>(bytes), false);
  }

  void atomic_min(Address at, std::uint64_t value) override {
    auto& word = *reinterpret_cast<std::uint64_t*>(at);
    word = std::min(word, value);
  }

  int failures() const { return failures_; }

 private:
  void read(Address at, std::size_t bytes, void* value) override {
    if (at % bytes != 0 || readable_from(at) < at + bytes) return fail("load", at, bytes);
    std::memcpy(value, reinterpret_cast<const void*>(at), bytes);
  }

  /// At least one byte must be allowed. The others read as a value that no case has.
  void read_beyond(Address at, std::size_t bytes, void* value) override {
    int wanted = 0;
    for (std::size_t i = 0; i < bytes; ++i) {
      const bool named = readable_from(at + i) > at + i;
      static_cast<std::byte*>(value)[i] =
          named ? *reinterpret_cast<const std::byte*>(at + i) : std::byte{0xee};
      wanted += named;
    }
    if (at % bytes != 0 || wanted == 0) fail("over-read load", at, bytes);
  }

  void write(Address at, std::size_t bytes, const void* value) override {
    if (at % bytes != 0 || at < out_ || at + bytes > out_ + written_.size())
      return fail("store", at, bytes);
    for (std::size_t i = at - out_; i < at - out_ + bytes; ++i) {
      if (written_[i]) fail("second store", at, bytes);
      written_[i] = true;
    }
    std::memcpy(reinterpret_cast<void*>(at), value, bytes);
  }

  /// The end of the range that `at` lies in, or `at`.
  Address readable_from(Address at) const {
    const auto next = readable_.upper_bound(at);
    return next == readable_.begin() ? at : std::max(at, std::prev(next)->second);
  }
  void fail(const char* what, Address at, std::size_t bytes) {
    if (failures_++ == 0)
      ADD_FAILURE() << what << " of " << bytes << " bytes at " << std::hex << at;
  }

  std::map<Address, Address> readable_;  ///< begin to end
  Address out_ = 0;
  std::vector<bool> written_;
  int failures_ = 0;
};

/// The far ends of large arrays, which no memory holds: the value of a byte follows from its
/// address, and bytes written are recorded.
class PatternMemory final : public KernelMemory {
 public:
  static std::byte at(Address address) {
    return static_cast<std::byte>((address * 0x9e3779b97f4a7c15) >> 56);
  }
  void atomic_min(Address, std::uint64_t) override {}

  std::map<Address, std::byte> written;

 private:
  void read(Address address, std::size_t bytes, void* value) override {
    for (std::size_t i = 0; i < bytes; ++i) static_cast<std::byte*>(value)[i] = at(address + i);
  }
  void read_beyond(Address address, std::size_t bytes, void* value) override {
    read(address, bytes, value);
  }
  void write(Address address, std::size_t bytes, const void* value) override {
    for (std::size_t i = 0; i < bytes; ++i)
      written[address + i] = static_cast<const std::byte*>(value)[i];
  }
};

/// Runs the named blocks of a whole grid, as the backend would.
inline void run_blocks(const CopyPlan& gather, const KernelChoice& choice, KernelMemory& memory,
                       const Grid& grid, const std::vector<std::uint32_t>& blocks,
                       std::uint64_t* bad_index = nullptr) {
  const Address word = address_of(bad_index);
  const cuda::PlanFacts facts(gather);
  const auto run = [&](const cuda::KernelPlan& plan) {
    for (const std::uint32_t block : blocks) run_block(plan, choice, memory, block, grid);
  };
  if (choice.levels != any_levels) return run(cuda::small_plan(facts, choice, word));
  const auto parts = cuda::plan_parts<std::int64_t>(facts, choice, word);
  Block lists_memory(static_cast<std::int64_t>(cuda::large_plan_bytes(parts)));
  std::vector<std::byte> lists;
  const cuda::LargePlan large = cuda::large_plan(parts, lists_memory.data(), lists);
  ASSERT_EQ(static_cast<std::int64_t>(lists.size()), lists_memory.bytes());
  std::ranges::copy(lists, lists_memory.data());
  run(large);
}

inline void run_kernel(const CopyPlan& plan, const KernelChoice& choice, KernelMemory& memory,
                       const Grid& grid, std::uint64_t* bad_index = nullptr) {
  std::vector<std::uint32_t> all(grid.blocks);
  for (std::uint32_t block = 0; block < grid.blocks; ++block) all[block] = block;
  run_blocks(plan, choice, memory, grid, all, bad_index);
}

/// Names the tables, and of the leaves only the rows that a plan reads.
inline CheckedMemory checked_memory(Case& c) {
  CheckedMemory memory;
  for (std::vector<Block>* blocks : {&c.tables, &c.index_arrays, &c.scaling_tables})
    for (Block& block : *blocks) memory.allow_reads(address_of(block.data()), block.bytes());
  for_each_row(c.plan, [&](const Row& row) {
    if (row.bad.empty()) memory.allow_reads(row.source, c.plan.run_bytes);
  });
  memory.allow_writes(c.out[0].data(), c.out[0].bytes());
  return memory;
}

}  // namespace multibuffer::testing
