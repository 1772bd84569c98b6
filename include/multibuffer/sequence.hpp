#pragma once

#include <multibuffer/large_vector.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>

namespace multibuffer {

/// Whole numbers in order: evenly spaced, which takes no memory, or listed. Copies share the list,
/// which never changes.
class Sequence {
 public:
  Sequence() = default;
  Sequence(const Sequence&) = default;
  Sequence& operator=(const Sequence&) = default;
  /// What is moved from is left empty.
  Sequence(Sequence&& other) noexcept { swap(other); }
  Sequence& operator=(Sequence&& other) noexcept {
    Sequence taken(std::move(other));
    swap(taken);
    return *this;
  }
  ~Sequence() = default;

  static Sequence evenly(std::int64_t first, std::int64_t step, std::int64_t size) {
    Sequence sequence;
    sequence.first_ = first;
    sequence.step_ = step;
    sequence.size_ = size;
    return sequence;
  }
  static Sequence listed(LargeVector<std::int64_t> numbers) {
    Sequence sequence;
    sequence.size_ = static_cast<std::int64_t>(numbers.size());
    sequence.list_ = std::make_shared<const LargeVector<std::int64_t>>(std::move(numbers));
    sequence.numbers_ = sequence.list_->data();
    return sequence;
  }

  std::int64_t size() const noexcept { return size_; }
  bool empty() const noexcept { return size_ == 0; }
  bool is_listed() const noexcept { return list_ != nullptr; }
  /// Of a sequence that is evenly spaced.
  std::int64_t step() const noexcept { return step_; }
  /// Of one that is listed.
  std::span<const std::int64_t> list() const noexcept {
    return {numbers_, static_cast<std::size_t>(size_)};
  }

  std::int64_t operator[](std::int64_t i) const noexcept {
    if (numbers_) return numbers_[i];
    // Addresses may wrap around.
    return static_cast<std::int64_t>(static_cast<std::uint64_t>(first_) +
                                     static_cast<std::uint64_t>(i) *
                                         static_cast<std::uint64_t>(step_));
  }

  /// The same numbers, in whichever form.
  bool operator==(const Sequence& other) const noexcept {
    if (size_ != other.size_) return false;
    for (std::int64_t i = 0; i < size_; ++i)
      if ((*this)[i] != other[i]) return false;
    return true;
  }

 private:
  void swap(Sequence& other) noexcept {
    std::swap(first_, other.first_);
    std::swap(step_, other.step_);
    std::swap(size_, other.size_);
    std::swap(list_, other.list_);
    std::swap(numbers_, other.numbers_);
  }

  std::int64_t first_ = 0;
  std::int64_t step_ = 0;
  std::int64_t size_ = 0;
  std::shared_ptr<const LargeVector<std::int64_t>> list_;
  const std::int64_t* numbers_ = nullptr;  ///< the list's
};

}  // namespace multibuffer
