#pragma once

#include <multibuffer/stages/large_vector.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

namespace multibuffer {

/// Whole numbers in order: evenly spaced, which takes no memory; picked from evenly spaced ones,
/// which takes 32 bits each; or listed, which takes 64. Copies share a list, which never changes.
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
  /// first + step * pick for each of `picks`.
  static Sequence picked(std::int64_t first, std::int64_t step, LargeVector<std::uint32_t> picks) {
    Sequence sequence = evenly(first, step, static_cast<std::int64_t>(picks.size()));
    const auto list = std::make_shared<const LargeVector<std::uint32_t>>(std::move(picks));
    sequence.picks_ = list->data();
    sequence.list_ = list;
    return sequence;
  }
  static Sequence listed(LargeVector<std::int64_t> numbers) {
    Sequence sequence;
    sequence.size_ = static_cast<std::int64_t>(numbers.size());
    const auto list = std::make_shared<const LargeVector<std::int64_t>>(std::move(numbers));
    sequence.numbers_ = list->data();
    sequence.list_ = list;
    return sequence;
  }

  std::int64_t size() const noexcept { return size_; }
  bool empty() const noexcept { return size_ == 0; }
  /// Whether they take memory, which evenly spaced numbers do not.
  bool is_listed() const noexcept { return list_ != nullptr; }
  /// The distance of neighbours that are evenly spaced; of picked numbers, what divides the
  /// distance of any two; 0 of listed ones.
  std::int64_t step() const noexcept { return step_; }

  std::int64_t operator[](std::int64_t i) const noexcept {
    if (numbers_) return numbers_[i];
    return even(first_, step_, picks_ ? picks_[i] : i);
  }

  /// Calls `use` with a function that gives number i of this sequence and no longer asks for its
  /// form: for loops over all of them. Returns what `use` does.
  template <class Use>
  auto visit(Use&& use) const {
    if (numbers_) return use([numbers = numbers_](std::int64_t i) { return numbers[i]; });
    // The product of two numbers of 32 bits is one vector instruction, that of 64 is several.
    if (const auto narrow = static_cast<std::uint32_t>(step_); picks_ && narrow == step_)
      return use([first = first_, narrow, picks = picks_](std::int64_t i) {
        const std::uint64_t distance = std::uint64_t{picks[i]} * narrow;
        return static_cast<std::int64_t>(static_cast<std::uint64_t>(first) + distance);
      });
    if (picks_)
      return use([first = first_, step = step_, picks = picks_](std::int64_t i) {
        return even(first, step, picks[i]);
      });
    return use([first = first_, step = step_](std::int64_t i) { return even(first, step, i); });
  }

  /// first + step * number for each number, where that takes no new list.
  std::optional<Sequence> scaled(std::int64_t first, std::int64_t step) const {
    if (numbers_) return std::nullopt;
    Sequence result = *this;
    result.first_ = even(first, step, first_);
    result.step_ = even(0, step, step_);
    return result;
  }

  /// The same numbers, in whichever form.
  bool operator==(const Sequence& other) const noexcept {
    if (size_ != other.size_) return false;
    for (std::int64_t i = 0; i < size_; ++i)
      if ((*this)[i] != other[i]) return false;
    return true;
  }

 private:
  /// Addresses may wrap around.
  static std::int64_t even(std::int64_t first, std::int64_t step, std::int64_t i) noexcept {
    return static_cast<std::int64_t>(static_cast<std::uint64_t>(first) +
                                     static_cast<std::uint64_t>(i) *
                                         static_cast<std::uint64_t>(step));
  }

  void swap(Sequence& other) noexcept {
    std::swap(first_, other.first_);
    std::swap(step_, other.step_);
    std::swap(size_, other.size_);
    std::swap(list_, other.list_);
    std::swap(numbers_, other.numbers_);
    std::swap(picks_, other.picks_);
  }

  std::int64_t first_ = 0;
  std::int64_t step_ = 0;
  std::int64_t size_ = 0;
  std::shared_ptr<const void> list_;       ///< keeps one of these:
  const std::int64_t* numbers_ = nullptr;  ///< listed
  const std::uint32_t* picks_ = nullptr;   ///< picked
};

}  // namespace multibuffer
