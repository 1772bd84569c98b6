#pragma once

#include <multibuffer/stages/sequence.hpp>

#include <cstdint>
#include <utility>

namespace multibuffer {

/// Makes a sequence of values that are known not to be affine.
inline Sequence list_of(LargeVector<std::int64_t> values) {
  return Sequence::flat(std::move(values));
}
inline Sequence list_of(LargeVector<std::uint32_t> values) {
  return Sequence::frame_of_reference(0, 1, std::move(values));
}

/// Returns values[positions[i]] for every i.
Sequence composed(const Sequence& values, const Sequence& positions);

/// Returns value + distance for each value.
Sequence moved(const Sequence& values, std::int64_t distance);

/// Makes a sequence of these values, which is affine if they are.
Sequence sequence_of(LargeVector<std::int64_t> values);
Sequence sequence_of(LargeVector<std::uint32_t> values);

}  // namespace multibuffer
