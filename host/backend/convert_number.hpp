#pragma once

#include "host/backend/number.hpp"

#include <bit>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <utility>

/// Converts one number, for every backend: constexpr, so that nvcc compiles it for the device
/// (--expt-relaxed-constexpr).
///
///     converted<To, saturate>(widened(from))
///
///  - to bool: whether it is not 0 (a NaN is not);
///  - integers to integers: modulo 2^bits or, if `saturate`, the nearest that there is;
///  - reals to integers: towards zero; the nearest that there is for those beyond, 0 for a NaN (C++
///    leaves both undefined, and processors differ);
///  - to reals: rounded to nearest, ties to even, once; a NaN keeps its sign and the leading bits
///    of its payload, and is quiet;
///  - to floats of 8 bits: also a NaN where they have no infinity, no zero, or no sign, and need
///    one; of e8m0 the least for positive numbers below it.
///
/// Floats of 8 bits are one type, `Float8`, here, and take their encoding beside the number.
///
/// Processors do much of this by themselves, and all alike; not NaNs, which CUDA devices replace.
/// No step here makes or reads a subnormal float that is not a value's own: a thread may run in a
/// mode in which those are 0.
namespace multibuffer {

struct Bool {
  std::uint8_t bits;
};

/// Calls visit(T{}) with the type of a number; of a complex one, with its parts'. Inline, since a
/// device would pass what `visit` refers to through memory.
template <class Visit>
[[gnu::always_inline]] constexpr void visit_number(ScalarType scalar, const Visit& visit) {
  switch (scalar) {
    case ScalarType::boolean:
      return visit(Bool{});
    case ScalarType::int8:
      return visit(std::int8_t{});
    case ScalarType::int16:
      return visit(std::int16_t{});
    case ScalarType::int32:
      return visit(std::int32_t{});
    case ScalarType::int64:
      return visit(std::int64_t{});
    case ScalarType::uint8:
      return visit(std::uint8_t{});
    case ScalarType::uint16:
      return visit(std::uint16_t{});
    case ScalarType::uint32:
      return visit(std::uint32_t{});
    case ScalarType::uint64:
      return visit(std::uint64_t{});
    case ScalarType::float16:
      return visit(Half{});
    case ScalarType::bfloat16:
      return visit(BFloat16{});
    case ScalarType::float32:
    case ScalarType::complex64:
      return visit(float{});
    case ScalarType::float64:
    case ScalarType::complex128:
      return visit(double{});
    default:  // long doubles are not converted
      return visit(Float8{});
  }
}

template <class T>
concept Integer = std::is_integral_v<T>;
template <class T>
concept Real = std::is_floating_point_v<T>;

// Exactly, as a number that C++ knows (see host/format/narrow_float.hpp).
// -------------------------------------------------------------------------------------------

constexpr std::uint8_t widened(Bool value) { return value.bits != 0 ? 1 : 0; }

template <class T>
requires Integer<T> || Real<T>
constexpr T widened(T value) { return value; }

/// Widens a number, of which only a `Float8` has an encoding.
template <class T>
constexpr auto widened_by(const Float8Encoding& encoding, T value) {
  if constexpr (std::is_same_v<T, Float8>)
    return widened(value, encoding);
  else
    return widened(value);
}

// Reals to reals.
// -------------------------------------------------------------------------------------------

constexpr double to_double(float value) {
  const auto bits = std::uint64_t{std::bit_cast<std::uint32_t>(value)};
  const std::uint64_t nan =
      ((bits & 0x80000000) << 32) | (std::uint64_t{0x7ff8} << 48) | ((bits & 0x3fffff) << 29);
  return value == value ? static_cast<double>(value) : std::bit_cast<double>(nan);
}

constexpr float to_float(double value) {
  const auto bits = std::bit_cast<std::uint64_t>(value);
  const auto nan = static_cast<std::uint32_t>(((bits >> 32) & 0x80000000) | 0x7fc00000 |
                                              ((bits >> 29) & 0x3fffff));
  return value == value ? static_cast<float>(value) : std::bit_cast<float>(nan);
}

/// Rounds to float such that rounding again to fewer digits is as if from `value` itself: towards
/// zero, with the last digit odd where anything was lost.
/// Source: Boldo and Melquiond, "When double rounding is odd" (2005).
constexpr float to_odd_float(double value) {
  const float nearest = to_float(value);
  const auto back = static_cast<double>(nearest);
  const bool farther = (back < 0 ? -back : back) > (value < 0 ? -value : value);
  const std::uint32_t towards_zero = std::bit_cast<std::uint32_t>(nearest) - (farther ? 1U : 0U);
  return std::bit_cast<float>(towards_zero | (back != value ? 1U : 0U));
}

constexpr Half to_half(float value) {
  const auto all = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t sign = (all >> 16) & 0x8000;
  const std::uint32_t rest = all & 0x7fffffff;
  const std::uint32_t nan = 0x7e00 | ((rest >> 13) & 0x3ff);
#ifdef __CUDA_ARCH__
  if (!std::is_constant_evaluated()) {
    std::uint16_t nearest;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(nearest) : "f"(value));
    return {value == value ? nearest : static_cast<std::uint16_t>(sign | nan)};
  }
#endif
  // Half of the last place, and a little less where the digit before is even.
  const std::uint32_t normal =
      (rest + 0xfff + ((rest >> 13) & 1) - (std::uint32_t{112} << 23)) >> 13;
  // Beside 0.5, the last place of a float is that of a subnormal half.
  const std::uint32_t tiny = std::bit_cast<std::uint32_t>(std::bit_cast<float>(rest) + 0.5F) -
                             std::bit_cast<std::uint32_t>(0.5F);
  const std::uint32_t bits = rest > 0x7f800000    ? nan
                             : rest >= 0x47800000 ? 0x7c00
                             : rest >= 0x38800000 ? normal
                                                  : tiny;
  return {static_cast<std::uint16_t>(sign | bits)};
}

constexpr BFloat16 to_bfloat16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
  const std::uint32_t nan = (bits >> 16) | 0x40;
  return {static_cast<std::uint16_t>((bits & 0x7fffffff) > 0x7f800000 ? nan : rounded)};
}

constexpr Float8 to_float8(float value, const Float8Encoding& encoding) {
  const bool is_signed = encoding.specials != Float8Specials::last_of_all;
  const bool is_ieee = encoding.specials == Float8Specials::ieee;
  const auto all = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t sign = (all >> 24) & 0x80;
  const std::uint32_t rest = all & 0x7fffffff;
  const int dropped = 23 - encoding.fraction_bits;
  const auto below_one = static_cast<std::uint32_t>(127 - encoding.bias) << 23;
  // As for halves; without a fraction, the last digit is the hidden one.
  const std::uint32_t last = ((rest | 0x800000) >> dropped) & 1;
  const std::uint32_t normal =
      (rest + (std::uint32_t{1} << (dropped - 1)) - 1 + last - below_one) >> dropped;
  // Beside this float, the last place of a float is that of a subnormal number. An exponent of 8
  // bits has one that is subnormal as a float.
  const auto beside = static_cast<std::uint32_t>(128 - encoding.bias + dropped) << 23;
  const std::uint32_t digits =
      std::bit_cast<std::uint32_t>(std::bit_cast<float>(rest) + std::bit_cast<float>(beside)) -
      beside;
  const std::uint32_t tiny = is_signed ? digits : rest >= 0x600000 ? 1 : 0;
  const std::uint32_t beyond = encoding.largest + std::uint32_t{1};
  const std::uint32_t rounded = rest >= below_one + 0x800000 ? normal : tiny;
  const std::uint32_t finite = rounded < beyond ? rounded : beyond;
  const std::uint32_t quiet =
      is_ieee ? ((std::uint32_t{1} << 22) | (rest & 0x3fffff)) >> dropped : 0;
  const std::uint32_t bits = rest > 0x7f800000 ? beyond | quiet : finite;
  if (!is_signed) return {static_cast<std::uint8_t>(sign != 0 || rest == 0 ? beyond : bits)};
  const bool is_unsigned_zero = encoding.specials == Float8Specials::minus_zero && bits == 0;
  return {static_cast<std::uint8_t>(is_unsigned_zero ? 0 : sign | bits)};
}

// Integers to reals.
// -------------------------------------------------------------------------------------------

/// Rounds to double as `to_odd_float` rounds to float.
template <Integer From>
constexpr double to_odd_double(From value) {
  if constexpr (sizeof(From) < 8) return static_cast<double>(value);
  const bool negative = std::cmp_less(value, 0);
  auto size = static_cast<std::uint64_t>(value);
  size = negative ? 0 - size : size;
  const std::uint64_t lost = size & 0x7ff;
  const std::uint64_t odd = (size - lost) | (lost != 0 ? 0x800U : 0U);
  const auto exact = static_cast<double>((size >> 53) != 0 ? odd : size);
  return negative ? -exact : exact;
}

/// Beyond 2^17 all are infinite as halves; up to there, all are floats.
template <Integer From>
constexpr float to_short_float(From value) {
  if constexpr (sizeof(From) <= 2) {
    return static_cast<float>(value);
  } else {
    constexpr std::int32_t most = 1 << 17;
    const std::int32_t low = std::cmp_less(value, -most) ? -most : static_cast<std::int32_t>(value);
    return static_cast<float>(std::cmp_greater(value, most) ? most : low);
  }
}

// To integers.
// -------------------------------------------------------------------------------------------

template <Integer To, bool saturate, Integer From>
constexpr To to_integer(From value) {
  if constexpr (!saturate) {
    return static_cast<To>(value);  // NOLINT(bugprone-signed-char-misuse): a number
  } else {
    // Within the limits of both types first: processors have the least and the largest of vectors.
    using Limits = std::numeric_limits<To>;
    using Own = std::numeric_limits<From>;
    constexpr From least =
        std::cmp_less(Own::min(), Limits::min()) ? static_cast<From>(Limits::min()) : Own::min();
    constexpr From most =
        std::cmp_greater(Own::max(), Limits::max()) ? static_cast<From>(Limits::max()) : Own::max();
    From within = value;
    if constexpr (least > Own::min()) within = within > least ? within : least;
    if constexpr (most < Own::max()) within = within < most ? within : most;
    return static_cast<To>(within);
  }
}

template <Integer To, Real From>
constexpr To to_integer(From value) {
  constexpr To highest = std::numeric_limits<To>::max();
  constexpr int excess = std::numeric_limits<To>::digits - std::numeric_limits<From>::digits;
  constexpr int dropped = excess > 0 ? excess : 0;
  // The largest integer that is a real, too; the lowest is one itself.
  constexpr auto most = static_cast<From>(highest >> dropped << dropped);
  constexpr auto least = static_cast<From>(std::numeric_limits<To>::min());
  const From low = value > least ? value : least;  // also for a NaN
  const auto integer = static_cast<To>(low < most ? low : most);
  const To nearest = dropped > 0 && value > most ? highest : integer;
  return value == value ? nearest : To{0};
}

// -------------------------------------------------------------------------------------------

/// Returns a float that rounds to every format of fewer digits, and less range, as `value` does.
template <class From>
requires Integer<From> || Real<From>
constexpr float to_odd(From value) {
  if constexpr (std::is_same_v<From, float>)
    return value;
  else if constexpr (Integer<From>)
    return to_odd_float(to_odd_double(value));
  else
    return to_odd_float(value);
}

template <class To, bool saturate, class From>
constexpr To converted(From value) {
  if constexpr (std::is_same_v<To, From>) {
    return value;
  } else if constexpr (std::is_same_v<To, Bool>) {
    return {static_cast<std::uint8_t>(value != 0)};
  } else if constexpr (std::is_same_v<To, Half>) {
    if constexpr (Integer<From>)
      return to_half(to_short_float(value));
    else
      return to_half(to_odd(value));
  } else if constexpr (std::is_same_v<To, BFloat16>) {
    return to_bfloat16(to_odd(value));
  } else if constexpr (Integer<To>) {
    if constexpr (Integer<From>)
      return to_integer<To, saturate>(value);
    else
      return to_integer<To>(value);
  } else if constexpr (Integer<From>) {
    return static_cast<To>(value);
  } else if constexpr (std::is_same_v<To, double>) {
    return to_double(value);
  } else {
    return to_float(value);
  }
}

/// Converts to a number, of which only a `Float8` has an encoding.
template <class To, bool saturate, class From>
constexpr To converted_by(const Float8Encoding& encoding, From value) {
  if constexpr (std::is_same_v<To, Float8>)
    return to_float8(to_odd(value), encoding);
  else
    return converted<To, saturate>(value);
}

// Scaling: see `Scaling`.
// -------------------------------------------------------------------------------------------

/// Returns fma(value, factor, term), also where the processor has no instruction for it. The
/// product is exact as a double, and the sum is rounded to odd (see `to_odd_float`) before it is
/// rounded to float. The error of a sum is exact: Knuth, "The Art of Computer Programming", 4.2.2.
constexpr float fused(float value, float factor, float term) {
#ifdef __CUDA_ARCH__
  if (!std::is_constant_evaluated()) return __fmaf_rn(value, factor, term);
#endif
  const double product = static_cast<double>(value) * static_cast<double>(factor);
  const auto added = static_cast<double>(term);
  const double sum = product + added;
  const double of_added = sum - product;
  const double error = (product - (sum - of_added)) + (added - of_added);
  const auto bits = std::bit_cast<std::uint64_t>(sum);
  // An infinite sum, or a NaN, has a NaN for its error, which is neither.
  const bool is_even = (bits & 1) == 0;
  const bool is_below = sum < 0 ? error < 0 : error > 0;  // in size, the true sum is larger
  const bool is_above = sum < 0 ? error > 0 : error < 0;
  const std::uint64_t up = is_even && is_below ? 1 : 0;
  const std::uint64_t down = is_even && is_above ? 1 : 0;
  return static_cast<float>(std::bit_cast<double>(bits + up - down));
}

/// Returns a number, or the one NaN that scaling makes.
constexpr float with_one_nan(float value) {
  return value == value ? value : std::bit_cast<float>(std::uint32_t{0x7fc00000});
}

constexpr float scaled(float value, float factor, float term) {
  return with_one_nan(fused(value, factor, term));
}

// Bytes.
// -------------------------------------------------------------------------------------------

constexpr std::uint8_t reversed_bytes(std::uint8_t value) { return value; }
constexpr std::uint16_t reversed_bytes(std::uint16_t value) {
  return static_cast<std::uint16_t>((value << 8) | (value >> 8));
}
constexpr std::uint32_t reversed_bytes(std::uint32_t value) {
  return (value << 24) | ((value & 0xff00) << 8) | ((value >> 8) & 0xff00) | (value >> 24);
}
constexpr std::uint64_t reversed_bytes(std::uint64_t value) {
  return (std::uint64_t{reversed_bytes(static_cast<std::uint32_t>(value))} << 32) |
         reversed_bytes(static_cast<std::uint32_t>(value >> 32));
}

}  // namespace multibuffer
