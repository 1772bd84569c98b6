#pragma once

#include <multibuffer/stages/sequence.hpp>

#include <cstdint>
#include <utility>

namespace multibuffer {

/// The sequence of numbers that are known not to be evenly spaced.
inline Sequence list_of(LargeVector<std::int64_t> numbers) {
  return Sequence::listed(std::move(numbers));
}
inline Sequence list_of(LargeVector<std::uint32_t> numbers) {
  return Sequence::picked(0, 1, std::move(numbers));
}

/// numbers[positions[i]] for every i.
Sequence composed(const Sequence& numbers, const Sequence& positions);

/// Each number and `distance`.
Sequence moved(const Sequence& numbers, std::int64_t distance);

/// The sequence of these numbers: evenly spaced if they are.
Sequence sequence_of(LargeVector<std::int64_t> numbers);
Sequence sequence_of(LargeVector<std::uint32_t> numbers);

}  // namespace multibuffer
