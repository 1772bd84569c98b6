#pragma once

#include <multibuffer/sequence.hpp>

namespace multibuffer {

/// numbers[positions[i]] for every i.
Sequence composed(const Sequence& numbers, const Sequence& positions);

/// Each number and `distance`.
Sequence moved(const Sequence& numbers, std::int64_t distance);

/// The sequence of these numbers: evenly spaced if they are.
Sequence sequence_of(LargeVector<std::int64_t> numbers);

}  // namespace multibuffer
