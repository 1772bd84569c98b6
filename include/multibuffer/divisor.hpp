#pragma once

#include <multibuffer/host_device.hpp>

#include <bit>
#include <cstdint>
#include <limits>

namespace multibuffer {
namespace device_code {

__extension__ using Wide = unsigned __int128;  // nvcc and g++ both have it; ISO C++ does not

/// The upper half of a product.
MULTIBUFFER_HOST_DEVICE constexpr std::uint32_t high_half(std::uint32_t a, std::uint32_t b) {
  return static_cast<std::uint32_t>((static_cast<std::uint64_t>(a) * b) >> 32);
}
MULTIBUFFER_HOST_DEVICE constexpr std::uint64_t high_half(std::uint64_t a, std::uint64_t b) {
  return static_cast<std::uint64_t>((static_cast<Wide>(a) * b) >> 64);
}

}  // namespace device_code

/// Division by a number that the compiler does not know but that stays the same: a multiplication
/// and two shifts. For numerators below half the range of `Count`, which all our counts are, since
/// they come from signed ones; that half is what lets the multiplier fit in one word.
///
/// Source: Granlund and Montgomery, "Division by Invariant Integers using Multiplication" (1994).
template <class Count>
struct Divisor {
  static constexpr int bits = std::numeric_limits<Count>::digits;

  Count divisor = 1;
  Count multiplier = Count{1} << (bits - 1);  ///< ceil(2^(bits - 1 + shift) / divisor)
  int shift = 0;                              ///< ceil(log2(divisor))

  MULTIBUFFER_HOST_DEVICE constexpr Count divide(Count numerator) const {
    return device_code::high_half(static_cast<Count>(numerator << 1), multiplier) >> shift;
  }
};

/// Makes the divisor, on the host. `divisor` lies in [1, 2^(bits - 1)].
template <class Count>
constexpr Divisor<Count> make_divisor(Count divisor) {
  using device_code::Wide;
  Divisor<Count> result;
  result.divisor = divisor;
  result.shift = static_cast<int>(std::bit_width(static_cast<Count>(divisor - 1)));
  const Wide power = Wide{1} << (Divisor<Count>::bits - 1 + result.shift);
  result.multiplier = static_cast<Count>((power + divisor - 1) / divisor);
  return result;
}

}  // namespace multibuffer
