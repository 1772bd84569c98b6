#pragma once

#include "tests/kernel_grid.hpp"
#include "tests/random_plan.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <utility>
#include <vector>

/// Memory as kernels' bodies touch it, on the CPU.
namespace multibuffer::testing {

/// Reads inside of what was named, aligned; every byte written at most once.
class CheckedMemory {
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

  template <class T>
  T load(Address at) {
    T value{};
    if (at % sizeof(T) != 0 || readable_from(at) < at + sizeof(T)) {
      fail("load", at, sizeof(T));
      return value;
    }
    std::memcpy(&value, reinterpret_cast<const void*>(at), sizeof(T));
    return value;
  }

  /// An aligned word of which at least one byte was named. The others are not looked at: they read
  /// as what nobody wrote.
  template <class T>
  T overhang(Address at) {
    T value{};
    std::byte bytes[sizeof(T)];
    std::ranges::fill(bytes, std::byte{0xee});
    int wanted = 0;
    for (std::size_t i = 0; i < sizeof(T); ++i)
      if (readable_from(at + i) > at + i) {
        bytes[i] = *reinterpret_cast<const std::byte*>(at + i);
        ++wanted;
      }
    if (at % sizeof(T) != 0 || wanted == 0) fail("overhanging load", at, sizeof(T));
    std::memcpy(&value, bytes, sizeof(T));
    return value;
  }

  template <class T>
  void store(Address at, T value) {
    if (at % sizeof(T) != 0 || at < out_ || at + sizeof(T) > out_ + written_.size()) {
      fail("store", at, sizeof(T));
      return;
    }
    for (std::size_t i = at - out_; i < at - out_ + sizeof(T); ++i) {
      if (written_[i]) fail("second store", at, sizeof(T));
      written_[i] = true;
    }
    std::memcpy(reinterpret_cast<void*>(at), &value, sizeof(T));
  }

  void lower(Address at, std::uint64_t value) {
    auto& word = *reinterpret_cast<std::uint64_t*>(at);
    word = std::min(word, value);
  }

  int failures() const { return failures_; }

 private:
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

/// The far ends of large arrays, where nothing lies: every byte read tells where it was read, and
/// what is written is remembered.
class PatternMemory {
 public:
  static std::byte at(Address address) {
    return static_cast<std::byte>((address * 0x9e3779b97f4a7c15) >> 56);
  }
  template <class T>
  T load(Address address) {
    T value{};
    std::byte bytes[sizeof(T)];
    for (std::size_t i = 0; i < sizeof(T); ++i) bytes[i] = at(address + i);
    std::memcpy(&value, bytes, sizeof(T));
    return value;
  }
  template <class T>
  T overhang(Address address) {
    return load<T>(address);
  }
  template <class T>
  void store(Address address, T value) {
    std::byte bytes[sizeof(T)];
    std::memcpy(bytes, &value, sizeof(T));
    for (std::size_t i = 0; i < sizeof(T); ++i) written[address + i] = bytes[i];
  }
  void lower(Address, std::uint64_t) {}

  std::map<Address, std::byte> written;
};

/// What the backend does, without a device: the blocks that are named, of a whole grid.
template <class Access>
void run_blocks(const GatherPlan& plan, const KernelChoice& choice, Access& memory,
                const Grid& grid, const std::vector<std::uint32_t>& blocks,
                std::uint64_t* bad_index = nullptr) {
  const Address word = address_of(bad_index);
  const auto for_each_block = [&](auto&& run) {
    for (const std::uint32_t block : blocks) run(block);
  };
  if (choice.levels == any_levels) {
    const auto parts = cuda::plan_parts<std::int64_t>(plan, choice, word);
    Block lists_memory(static_cast<std::int64_t>(cuda::large_plan_bytes(parts)));
    std::vector<std::byte> lists;
    const cuda::LargePlan large = cuda::large_plan(parts, lists_memory.data(), lists);
    ASSERT_EQ(static_cast<std::int64_t>(lists.size()), lists_memory.bytes());
    std::ranges::copy(lists, lists_memory.data());
    for_each_block(
        [&](std::uint32_t block) { run_vectors<any_levels>(large, choice, memory, block, grid); });
  } else if (choice.wide) {
    const auto small = cuda::small_plan(cuda::plan_parts<std::int64_t>(plan, choice, word));
    for_each_block([&](std::uint32_t block) { run_small(small, choice, memory, block, grid); });
  } else {
    const auto small = cuda::small_plan(cuda::plan_parts<std::int32_t>(plan, choice, word));
    for_each_block([&](std::uint32_t block) { run_small(small, choice, memory, block, grid); });
  }
}

template <class Access>
void run_kernel(const GatherPlan& plan, const KernelChoice& choice, Access& memory,
                const Grid& grid, std::uint64_t* bad_index = nullptr) {
  std::vector<std::uint32_t> all(grid.blocks);
  for (std::uint32_t block = 0; block < grid.blocks; ++block) all[block] = block;
  run_blocks(plan, choice, memory, grid, all, bad_index);
}

}  // namespace multibuffer::testing
