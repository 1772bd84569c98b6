#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace multibuffer {

/// A set of positions in a table. `spread` adds all positions that a strided axis reaches, in time
/// that grows with the table's length and not with the product of the extents. A set without gaps,
/// as that of most tables, is kept as its two ends; any other as bits.
class SlotSet {
 public:
  explicit SlotSet(std::int64_t length) : length_(length) {}
  /// Makes the set of all positions.
  static SlotSet full(std::int64_t length) {
    SlotSet set(length);
    set.end_ = length;
    return set;
  }

  void insert(std::int64_t position) {
    if (is_stretch()) {
      if (begin_ <= position && position < end_) return;
      if (begin_ == end_) begin_ = end_ = position;
      if (position == end_) {
        ++end_;
        return;
      }
      make_bits();
    }
    words_[word_of(position)] |= bit_of(position);
  }
  bool contains(std::int64_t position) const {
    if (is_stretch()) return begin_ <= position && position < end_;
    return (words_[word_of(position)] & bit_of(position)) != 0;
  }

  /// Adds position + i * stride for every position in the set and every i in [0, extent). The
  /// stride must be positive, and all sums below the length.
  void spread(std::int64_t extent, std::int64_t stride) {
    if (is_stretch() && (extent <= 1 || stride <= end_ - begin_)) {
      if (begin_ < end_ && extent > 1) end_ += (extent - 1) * stride;
      return;
    }
    if (is_stretch()) make_bits();
    // Each union doubles the number of steps that the set has taken.
    std::int64_t taken = 1;
    for (; taken <= extent / 2; taken *= 2) add_shifted(taken * stride);
    if (taken < extent) add_shifted((extent - taken) * stride);
  }

  /// Subtracts `distance` from every position; none may be below it.
  void shift_down(std::int64_t distance) {
    if (is_stretch()) {
      if (begin_ == end_) return;
      begin_ -= distance;
      end_ -= distance;
      return;
    }
    SlotSet shifted(length_);
    for_each([&](std::int64_t position) { shifted.insert(position - distance); });
    *this = std::move(shifted);
  }

  std::int64_t count() const {
    if (is_stretch()) return end_ - begin_;
    std::int64_t count = 0;
    for (const std::uint64_t word : words_) count += std::popcount(word);
    return count;
  }
  bool is_full() const { return count() == length_; }

  /// Calls `visit(first, count)` for every stretch of consecutive positions, ascending.
  template <class Visit>
  void for_each_run(Visit&& visit) const {
    if (is_stretch()) {
      if (begin_ < end_) visit(begin_, end_ - begin_);
      return;
    }
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

  bool is_stretch() const { return words_.empty(); }

  void make_bits() {
    words_.resize(word_of(length_ - 1) + 1);
    for (std::int64_t i = begin_; i < end_;) {
      // A word at a time where whole words are set.
      if (i % 64 == 0 && end_ - i >= 64) {
        words_[word_of(i)] = ~std::uint64_t{0};
        i += 64;
      } else {
        words_[word_of(i)] |= bit_of(i);
        ++i;
      }
    }
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
  std::int64_t begin_ = 0;  ///< of the stretch
  std::int64_t end_ = 0;
  std::vector<std::uint64_t> words_;  ///< empty as long as the set is a stretch
};

}  // namespace multibuffer
