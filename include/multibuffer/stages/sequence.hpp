#pragma once

#include <multibuffer/stages/large_vector.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

namespace multibuffer {

/// A list of integers (addresses, ids or entries) in one of three encodings:
///
///     affine               first + step * i            no memory
///     frame of reference   first + step * offset[i]    32 bits each
///     flat                 value[i]                    64 bits each
///
/// Copies share the list, which never changes. Addresses may wrap around.
class Sequence {
 public:
  Sequence() = default;
  Sequence(const Sequence&) = default;
  Sequence& operator=(const Sequence&) = default;
  /// Leaves `other` empty.
  Sequence(Sequence&& other) noexcept { swap(other); }
  Sequence& operator=(Sequence&& other) noexcept {
    Sequence taken(std::move(other));
    swap(taken);
    return *this;
  }
  ~Sequence() = default;

  static Sequence affine(std::int64_t first, std::int64_t step, std::int64_t size) {
    Sequence sequence;
    sequence.first_ = first;
    sequence.step_ = step;
    sequence.size_ = size;
    return sequence;
  }
  /// Encodes first + step * offset for each of `offsets`.
  static Sequence frame_of_reference(std::int64_t first, std::int64_t step,
                                     LargeVector<std::uint32_t> offsets) {
    Sequence sequence = affine(first, step, static_cast<std::int64_t>(offsets.size()));
    const auto list = std::make_shared<const LargeVector<std::uint32_t>>(std::move(offsets));
    sequence.offsets_ = list->data();
    sequence.list_ = list;
    return sequence;
  }
  static Sequence flat(LargeVector<std::int64_t> values) {
    Sequence sequence;
    sequence.size_ = static_cast<std::int64_t>(values.size());
    const auto list = std::make_shared<const LargeVector<std::int64_t>>(std::move(values));
    sequence.values_ = list->data();
    sequence.list_ = list;
    return sequence;
  }

  std::int64_t size() const noexcept { return size_; }
  bool empty() const noexcept { return size_ == 0; }
  /// Returns true for the affine encoding, which takes no memory.
  bool is_affine() const noexcept { return list_ == nullptr; }
  /// Returns the step of an affine sequence or of a frame of reference, where it divides the
  /// distance of any two values; 0 of a flat sequence.
  std::int64_t step() const noexcept { return step_; }

  std::int64_t operator[](std::int64_t i) const noexcept {
    if (values_) return values_[i];
    return affine_value(first_, step_, offsets_ ? offsets_[i] : i);
  }

  /// Calls `use` with a function that returns value i and is compiled for one encoding, for loops
  /// over many values. Returns what `use` returns.
  template <class Use>
  auto visit(Use&& use) const {
    if (values_) return use([values = values_](std::int64_t i) { return values[i]; });
    // The product of two 32-bit integers is one vector instruction; that of 64-bit ones is several.
    if (const auto narrow = static_cast<std::uint32_t>(step_); offsets_ && narrow == step_)
      return use([first = first_, narrow, offsets = offsets_](std::int64_t i) {
        const std::uint64_t distance = std::uint64_t{offsets[i]} * narrow;
        return static_cast<std::int64_t>(static_cast<std::uint64_t>(first) + distance);
      });
    if (offsets_)
      return use([first = first_, step = step_, offsets = offsets_](std::int64_t i) {
        return affine_value(first, step, offsets[i]);
      });
    return use(
        [first = first_, step = step_](std::int64_t i) { return affine_value(first, step, i); });
  }

  /// Returns first + step * value for each value, or nothing for a flat sequence, which would need
  /// a new list.
  std::optional<Sequence> scaled(std::int64_t first, std::int64_t step) const {
    if (values_) return std::nullopt;
    Sequence result = *this;
    result.first_ = affine_value(first, step, first_);
    result.step_ = affine_value(0, step, step_);
    return result;
  }

  /// Compares values, whatever their encodings.
  bool operator==(const Sequence& other) const noexcept {
    if (size_ != other.size_) return false;
    for (std::int64_t i = 0; i < size_; ++i)
      if ((*this)[i] != other[i]) return false;
    return true;
  }

 private:
  static std::int64_t affine_value(std::int64_t first, std::int64_t step, std::int64_t i) noexcept {
    return static_cast<std::int64_t>(static_cast<std::uint64_t>(first) +
                                     static_cast<std::uint64_t>(i) *
                                         static_cast<std::uint64_t>(step));
  }

  void swap(Sequence& other) noexcept {
    std::swap(first_, other.first_);
    std::swap(step_, other.step_);
    std::swap(size_, other.size_);
    std::swap(list_, other.list_);
    std::swap(values_, other.values_);
    std::swap(offsets_, other.offsets_);
  }

  std::int64_t first_ = 0;
  std::int64_t step_ = 0;
  std::int64_t size_ = 0;
  std::shared_ptr<const void> list_;        ///< keeps one of these
  const std::int64_t* values_ = nullptr;    ///< of a flat sequence
  const std::uint32_t* offsets_ = nullptr;  ///< of a frame of reference
};

}  // namespace multibuffer
