#pragma once

#include "cuda/gather_body.hpp"
#include "cuda/tiles_body.hpp"
#include "cuda/words_body.hpp"
#include "tests/random_plan.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <utility>
#include <vector>

/// Memory as kernels' bodies touch it, on the CPU; and grids that run them there.
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

  template <class T>
  T stream(Address at) {
    return load<T>(at);
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
  T stream(Address address) {
    return load<T>(address);
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

/// A block's shared memory.
template <class Word, class Access>
class PlainTiles {
 public:
  PlainTiles(Access& access, int slots)
      : access_(access), words_(static_cast<std::size_t>(slots)) {}
  void fetch(int slot, Address at) { put(slot, access_.template load<Word>(at)); }
  void put(int slot, const Word& word) { words_.at(static_cast<std::size_t>(slot)) = word; }
  Word take(int slot) const { return words_.at(static_cast<std::size_t>(slot)); }

 private:
  Access& access_;
  std::vector<Word> words_;
};

// Launches. ---------------------------------------------------------------------------------------

struct Grid {
  std::uint32_t blocks = 1;
  std::uint32_t threads = cuda::threads_per_block;
};

template <class Visit>
void for_each_thread(std::uint32_t block, const Grid& grid, Visit&& visit) {
  for (std::uint32_t thread = 0; thread < grid.threads; ++thread)
    visit(cuda::Place{block, grid.blocks, thread, grid.threads});
}

/// A block of a transpose: all threads come to its barriers before one goes on.
template <int ItemBytes, int Levels, class Plan, class Access>
void run_tiles(const Plan& plan, Access& memory, std::uint32_t block, const Grid& grid) {
  using Shape = cuda::TilesOf<ItemBytes>;
  using Count = cuda::CountOf<typename Plan::Offset>;
  PlainTiles<typename Shape::Word, Access> tiles(memory, Shape::slots);
  constexpr Count turn = Shape::shape.per_turn;
  for (Count first = block * turn; first < plan.items; first += grid.blocks * turn) {
    for_each_thread(block, grid, [&](const cuda::Place& place) {
      cuda::read_tiles<ItemBytes, Levels>(plan, memory, tiles, place, first);
    });
    for_each_thread(block, grid, [&](const cuda::Place& place) {
      cuda::write_tiles<ItemBytes>(plan, memory, tiles, place, first);
    });
  }
}

template <int VectorBytes, int Levels, class Plan, class Access>
void run_block(const Plan& plan, const KernelChoice& choice, Access& memory, std::uint32_t block,
               const Grid& grid) {
  if (choice.family == Family::tiles)
    return run_tiles<VectorBytes, Levels>(plan, memory, block, grid);
  for_each_thread(block, grid, [&](const cuda::Place& place) {
    switch (choice.family) {
      case Family::rows:
        return cuda::gather_rows<cuda::Bytes16, Levels>(plan, memory, place);
      case Family::shifted:
        return cuda::gather_shifted<Levels>(plan, memory, place);
      case Family::words:
        return cuda::gather_words<Levels>(plan, memory, place);
      default:
        return cuda::gather_elements<cuda::Unsigned<VectorBytes>, Levels>(plan, memory, place);
    }
  });
}

template <int Levels, class Plan, class Access>
void run_vectors(const Plan& plan, const KernelChoice& choice, Access& memory, std::uint32_t block,
                 const Grid& grid) {
  switch (choice.vector_bytes) {
    case 16:
      return run_block<16, Levels>(plan, choice, memory, block, grid);
    case 8:
      return run_block<8, Levels>(plan, choice, memory, block, grid);
    case 4:
      return run_block<4, Levels>(plan, choice, memory, block, grid);
    case 2:
      return run_block<2, Levels>(plan, choice, memory, block, grid);
    default:
      return run_block<1, Levels>(plan, choice, memory, block, grid);
  }
}

template <class Plan, class Access>
void run_small(const Plan& plan, const KernelChoice& choice, Access& memory, std::uint32_t block,
               const Grid& grid) {
  switch (choice.levels) {
    case 0:
      return run_vectors<0>(plan, choice, memory, block, grid);
    case 1:
      return run_vectors<1>(plan, choice, memory, block, grid);
    default:
      return run_vectors<2>(plan, choice, memory, block, grid);
  }
}

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
