#pragma once

#include <bit>
#include <cstdint>
#include <type_traits>

/// Floats that are narrower than float32, and the float32 that each of them is: constexpr, so that
/// nvcc compiles them for the device, too. Rounding to them is in host/backend/convert_number.hpp.
namespace multibuffer {

struct Half {
  std::uint16_t bits;
};
struct BFloat16 {
  std::uint16_t bits;
};
/// A float of 8 bits, of any `Float8Encoding`.
struct Float8 {
  std::uint8_t bits;
};

/// Which codes of a float of 8 bits are not finite.
enum class Float8Specials : std::uint8_t {
  ieee,         ///< the highest exponent: infinities, and NaNs with payloads
  last_code,    ///< fn: the last code of either sign is a NaN
  minus_zero,   ///< fnuz: the code of minus zero is the one NaN
  last_of_all,  ///< e8m0fnu: there is no sign and no zero; 0xff is the NaN
};

/// A float of 8 bits: a sign, exponent and fraction in this order. It is a value rather than a type
/// so that one piece of code, and one kernel, converts all of them.
struct Float8Encoding {
  std::uint8_t fraction_bits = 0;
  std::uint8_t bias = 0;  ///< of the exponent
  Float8Specials specials = Float8Specials::ieee;
  std::uint8_t largest = 0;  ///< code of the largest finite number; behind it is what overflows

  bool operator==(const Float8Encoding&) const = default;
};

constexpr Float8Encoding float8_encoding(int fraction_bits, int bias, Float8Specials specials) {
  const int largest = specials == Float8Specials::last_code     ? 0x7e
                      : specials == Float8Specials::minus_zero  ? 0x7f
                      : specials == Float8Specials::last_of_all ? 0xfe
                                                                : 0x7f - (1 << fraction_bits);
  return {static_cast<std::uint8_t>(fraction_bits), static_cast<std::uint8_t>(bias), specials,
          static_cast<std::uint8_t>(largest)};
}

/// Returns the same number; a NaN keeps its sign and payload, and is quiet.
constexpr float widened(Half half) {
  const std::uint32_t sign = (half.bits & std::uint32_t{0x8000}) << 16;
#ifdef __CUDA_ARCH__
  // Devices have an instruction, which is right but for NaNs.
  if (!std::is_constant_evaluated()) {
    float value;
    asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(half.bits));
    const std::uint32_t nan = sign | 0x7fc00000 | ((half.bits & std::uint32_t{0x3ff}) << 13);
    return value == value ? value : std::bit_cast<float>(nan);
  }
#endif
  const std::uint32_t rest = half.bits & std::uint32_t{0x7fff};
  // The digits stay, under float's exponent bias; infinity and NaN have an exponent of their own.
  const std::uint32_t normal = (rest << 13) + (std::uint32_t{112} << 23);
  const std::uint32_t special =
      ((rest << 13) + (std::uint32_t{224} << 23)) | (rest > 0x7c00 ? std::uint32_t{1} << 22 : 0);
  // 2^-14 * (1 + digits) - 2^-14: a subnormal half is a normal float.
  const float tiny = std::bit_cast<float>((rest << 13) + (std::uint32_t{113} << 23)) -
                     std::bit_cast<float>(std::uint32_t{113} << 23);
  const std::uint32_t bits = rest >= 0x7c00  ? special
                             : rest >= 0x400 ? normal
                                             : std::bit_cast<std::uint32_t>(tiny);
  return std::bit_cast<float>(sign | bits);
}

constexpr float widened(BFloat16 value) {
  const std::uint32_t bits = std::uint32_t{value.bits} << 16;
  const bool is_nan = (bits & 0x7fffffff) > 0x7f800000;
  return std::bit_cast<float>(bits | (is_nan ? std::uint32_t{1} << 22 : 0));
}

/// A NaN without a payload becomes the first quiet one of its sign bit, as in ml_dtypes.
constexpr float widened(Float8 value, const Float8Encoding& encoding) {
  const bool is_signed = encoding.specials != Float8Specials::last_of_all;
  const bool is_ieee = encoding.specials == Float8Specials::ieee;
  const std::uint32_t code = value.bits;
  const std::uint32_t rest = is_signed ? code & 0x7f : code;
  const std::uint32_t sign = is_signed ? (code & 0x80) << 24 : 0;
  const int shift = 23 - encoding.fraction_bits;
  const std::uint32_t normal =
      (rest << shift) + (static_cast<std::uint32_t>(127 - encoding.bias) << 23);
  // As for halves. An exponent of 8 bits begins one below that of float's normal numbers.
  const auto one = static_cast<std::uint32_t>(128 - encoding.bias) << 23;
  const float tiny = std::bit_cast<float>((rest << shift) + one) - std::bit_cast<float>(one);
  const std::uint32_t least =
      is_signed ? std::bit_cast<std::uint32_t>(tiny) : std::uint32_t{1} << 22;
  const std::uint32_t infinite = std::uint32_t{0xff} << 23;
  const std::uint32_t nan = 0x7fc00000 | (is_ieee ? (rest << shift) & 0x3fffff : 0);
  const std::uint32_t finite = rest >> encoding.fraction_bits == 0 ? least : normal;
  const bool is_infinite = is_ieee && rest == encoding.largest + std::uint32_t{1};
  const bool is_nan =
      rest > encoding.largest || (encoding.specials == Float8Specials::minus_zero && code == 0x80);
  return std::bit_cast<float>(sign | (is_infinite ? infinite : is_nan ? nan : finite));
}

}  // namespace multibuffer
