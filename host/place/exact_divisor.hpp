#pragma once

#include <bit>
#include <cstdint>
#include <limits>

namespace multibuffer {

/// Divides multiples of a number, and tests for them, by a multiplication: modulo 2^64 an odd
/// number has an inverse, and exactly its multiples have small products with it. (Granlund and
/// Montgomery, "Division by invariant integers using multiplication", section 9.)
class ExactDivisor {
 public:
  explicit constexpr ExactDivisor(std::uint64_t divisor)
      : shift_(std::countr_zero(divisor)),
        inverse_(inverse_of(divisor >> shift_)),
        most_(std::numeric_limits<std::uint64_t>::max() / divisor) {}

  constexpr bool divides(std::uint64_t number) const {
    return std::rotr(number * inverse_, shift_) <= most_;
  }
  /// Returns number / divisor. `number` must be a multiple.
  constexpr std::uint64_t divide(std::uint64_t number) const {
    return (number >> shift_) * inverse_;
  }

 private:
  static constexpr std::uint64_t inverse_of(std::uint64_t odd) {
    std::uint64_t inverse = odd;  // correct in the lowest three bits; each step doubles that
    for (int bits = 3; bits < 64; bits *= 2) inverse *= 2 - odd * inverse;
    return inverse;
  }

  int shift_;
  std::uint64_t inverse_;
  std::uint64_t most_;
};

}  // namespace multibuffer
