#include "host/resolve/sequence_ops.hpp"

#include "host/support/parallel.hpp"

#include <cstddef>
#include <utility>

namespace multibuffer {
namespace {

/// number(i) for i from 0 to `size`, on all threads.
template <class Number>
Sequence listed(std::int64_t size, const Number& number) {
  LargeVector<std::int64_t> result(static_cast<std::size_t>(size));
  parallel_for(size, 2 * sizeof result[0], {}, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) result[static_cast<std::size_t>(i)] = number(i);
  });
  return Sequence::listed(std::move(result));
}

template <class Number>
Sequence shortest(LargeVector<Number> numbers) {
  if (numbers.empty()) return {};
  const auto number = [&](std::size_t i) { return static_cast<std::uint64_t>(numbers[i]); };
  const std::uint64_t step = numbers.size() > 1 ? number(1) - number(0) : 0;
  for (std::size_t i = 1; i < numbers.size(); ++i)
    if (number(i) - number(i - 1) != step) return list_of(std::move(numbers));
  return Sequence::evenly(static_cast<std::int64_t>(numbers[0]), static_cast<std::int64_t>(step),
                          static_cast<std::int64_t>(numbers.size()));
}

}  // namespace

Sequence composed(const Sequence& numbers, const Sequence& positions) {
  if (positions.empty()) return {};
  if (!numbers.is_listed() && !positions.is_listed())
    return Sequence::evenly(
        numbers[positions[0]],
        positions.size() > 1 ? numbers[positions[1]] - numbers[positions[0]] : 0, positions.size());
  const bool are_all = !positions.is_listed() && positions[0] == 0 && positions.step() == 1 &&
                       positions.size() == numbers.size();
  if (are_all) return numbers;

  if (!numbers.is_listed())
    if (auto scaled = positions.scaled(numbers[0], numbers.step())) return std::move(*scaled);
  return numbers.visit([&](const auto& number) {
    return positions.visit([&](const auto& position) {
      return listed(positions.size(), [&](std::int64_t i) { return number(position(i)); });
    });
  });
}

Sequence moved(const Sequence& numbers, std::int64_t distance) {
  if (distance == 0 || numbers.empty()) return numbers;
  if (auto scaled = numbers.scaled(distance, 1)) return std::move(*scaled);
  return listed(numbers.size(), [&](std::int64_t i) { return numbers[i] + distance; });
}

Sequence sequence_of(LargeVector<std::int64_t> numbers) { return shortest(std::move(numbers)); }
Sequence sequence_of(LargeVector<std::uint32_t> numbers) { return shortest(std::move(numbers)); }

}  // namespace multibuffer
