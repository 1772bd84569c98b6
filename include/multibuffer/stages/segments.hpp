#pragma once

#include <multibuffer/stages/sequence.hpp>

#include <compare>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <iterator>
#include <utility>
#include <vector>

namespace multibuffer {

/// Names `bytes` bytes of host memory at `source`, which go to `offset` in the arena.
struct Segment {
  const std::byte* source = nullptr;
  std::int64_t offset = 0;
  std::int64_t bytes = 0;
};

/// The segments that travel: a list of them or, without memory beyond the addresses, segments of
/// one size from each of some addresses, one after the other in the arena.
class Segments {
 public:
  Segments() = default;
  Segments(std::vector<Segment> list) : list_(std::move(list)) {}  // NOLINT: a list is segments
  Segments(std::initializer_list<Segment> list) : list_(list) {}
  Segments(Sequence sources, std::int64_t bytes_each)
      : sources_(std::move(sources)), bytes_each_(bytes_each) {}

  std::size_t size() const noexcept {
    return bytes_each_ > 0 ? static_cast<std::size_t>(sources_.size()) : list_.size();
  }
  bool empty() const noexcept { return size() == 0; }
  Segment operator[](std::size_t i) const noexcept {
    if (bytes_each_ == 0) return list_[i];
    const auto number = static_cast<std::int64_t>(i);
    // NOLINTNEXTLINE(performance-no-int-to-ptr): an address found in a table
    return {reinterpret_cast<const std::byte*>(sources_[number]), number * bytes_each_,
            bytes_each_};
  }

  class Iterator {
   public:
    using iterator_category = std::input_iterator_tag;
    using iterator_concept = std::random_access_iterator_tag;
    using value_type = Segment;
    using difference_type = std::ptrdiff_t;

    Iterator() = default;
    Iterator(const Segments* segments, std::size_t at) : segments_(segments), at_(at) {}
    Segment operator*() const { return (*segments_)[at_]; }
    Segment operator[](std::ptrdiff_t n) const { return *(*this + n); }
    Iterator& operator++() { return *this += 1; }
    Iterator& operator--() { return *this -= 1; }
    Iterator operator++(int) { return std::exchange(*this, *this + 1); }
    Iterator operator--(int) { return std::exchange(*this, *this - 1); }
    Iterator& operator+=(std::ptrdiff_t n) {
      at_ += static_cast<std::size_t>(n);
      return *this;
    }
    Iterator& operator-=(std::ptrdiff_t n) { return *this += -n; }
    friend Iterator operator+(Iterator it, std::ptrdiff_t n) { return it += n; }
    friend Iterator operator+(std::ptrdiff_t n, Iterator it) { return it += n; }
    friend Iterator operator-(Iterator it, std::ptrdiff_t n) { return it -= n; }
    friend std::ptrdiff_t operator-(const Iterator& a, const Iterator& b) {
      return static_cast<std::ptrdiff_t>(a.at_ - b.at_);
    }
    bool operator==(const Iterator& other) const { return at_ == other.at_; }
    auto operator<=>(const Iterator& other) const { return at_ <=> other.at_; }

   private:
    const Segments* segments_ = nullptr;
    std::size_t at_ = 0;
  };
  Iterator begin() const noexcept { return {this, 0}; }
  Iterator end() const noexcept { return {this, size()}; }

 private:
  std::vector<Segment> list_;
  Sequence sources_;
  std::int64_t bytes_each_ = 0;
};

}  // namespace multibuffer
