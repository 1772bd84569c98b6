#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace multibuffer {

/// A set of positions in a table, as bits. `spread` makes the set of all positions that strided
/// axes reach, in time that follows the table's length and not the product of the extents.
class SlotSet {
 public:
  explicit SlotSet(std::int64_t length)
      : length_(length), words_(static_cast<std::size_t>((length + 63) / 64)) {}

  void insert(std::int64_t position) { words_[word_of(position)] |= bit_of(position); }
  bool contains(std::int64_t position) const {
    return (words_[word_of(position)] & bit_of(position)) != 0;
  }

  /// Adds position + i * stride for every position in the set and every i in [0, extent). The
  /// stride is positive and everything reached lies within the length.
  void spread(std::int64_t extent, std::int64_t stride) {
    // Each union doubles the number of steps that the set has taken.
    std::int64_t taken = 1;
    for (; taken <= extent / 2; taken *= 2) add_shifted(taken * stride);
    if (taken < extent) add_shifted((extent - taken) * stride);
  }

  std::int64_t count() const {
    std::int64_t count = 0;
    for (const std::uint64_t word : words_) count += std::popcount(word);
    return count;
  }
  bool full() const { return count() == length_; }

  /// Calls `visit(first, count)` for every stretch of consecutive positions, ascending.
  template <class Visit>
  void for_each_run(Visit&& visit) const {
    std::int64_t first = 0, count = 0;  // the run that is growing
    for (std::size_t w = 0; w < words_.size(); ++w) {
      const auto base = static_cast<std::int64_t>(w * 64);
      std::uint64_t word = words_[w];
      while (word != 0) {
        const int skip = std::countr_zero(word);
        const int ones = std::countr_one(word >> skip);
        if (base + skip != first + count) {
          if (count != 0) visit(first, count);
          first = base + skip;
          count = 0;
        }
        count += ones;
        word = skip + ones == 64 ? 0 : word >> (skip + ones) << (skip + ones);
      }
    }
    if (count != 0) visit(first, count);
  }

  /// Calls `visit(position)` for every position, ascending.
  template <class Visit>
  void for_each(Visit&& visit) const {
    for_each_run([&](std::int64_t first, std::int64_t count) {
      for (std::int64_t i = first; i < first + count; ++i) visit(i);
    });
  }

 private:
  static std::size_t word_of(std::int64_t position) {
    return static_cast<std::size_t>(position) / 64;
  }
  static std::uint64_t bit_of(std::int64_t position) {
    return std::uint64_t{1} << (static_cast<std::uint64_t>(position) % 64);
  }

  void add_shifted(std::int64_t distance) {
    const std::size_t words = word_of(distance);
    const auto bits = static_cast<unsigned>(static_cast<std::uint64_t>(distance) % 64);
    // From the top down, so that every word is read before it is added to.
    for (std::size_t w = words_.size(); w-- > words;) {
      std::uint64_t shifted = words_[w - words] << bits;
      if (bits != 0 && w > words) shifted |= words_[w - words - 1] >> (64 - bits);
      words_[w] |= shifted;
    }
  }

  std::int64_t length_;
  std::vector<std::uint64_t> words_;
};

}  // namespace multibuffer
