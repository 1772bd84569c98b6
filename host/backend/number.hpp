#pragma once

#include <cstdint>

namespace multibuffer {

/// The numbers that are converted into each other. Complex ones are two reals, converted one by
/// one; their own kinds are only for results that are made from reals.
enum class Number : std::uint8_t {
  boolean,  ///< one byte: 0 is false, all else is true and written as 1
  int8,
  int16,
  int32,
  int64,
  uint8,
  uint16,
  uint32,
  uint64,
  float16,  ///< IEEE 754's binary16
  bfloat16,
  float32,
  float64,
  complex64,   ///< a float32, and an imaginary part of 0
  complex128,  ///< a float64, and an imaginary part of 0
};

constexpr int bytes_of(Number number) {
  switch (number) {
    case Number::boolean:
    case Number::int8:
    case Number::uint8:
      return 1;
    case Number::int16:
    case Number::uint16:
    case Number::float16:
    case Number::bfloat16:
      return 2;
    case Number::int32:
    case Number::uint32:
    case Number::float32:
      return 4;
    case Number::int64:
    case Number::uint64:
    case Number::float64:
    case Number::complex64:
      return 8;
    case Number::complex128:
      return 16;
  }
  return 0;
}

constexpr bool is_complex(Number number) {
  return number == Number::complex64 || number == Number::complex128;
}

/// What one number becomes on its way through a gather, which is never what it was: where both
/// kinds are the same, byte orders differ, and bits are not looked at.
struct Conversion {
  Number from = Number::uint8;
  Number to = Number::uint8;
  bool from_foreign = false;  ///< read in the byte order that is not this machine's
  bool to_foreign = false;    ///< written in it
  bool saturate = false;      ///< integers that do not fit become the nearest that do; else modulo

  bool operator==(const Conversion&) const = default;
};

/// The bytes of what is turned round before numbers are converted, and after that (of complex ones
/// the parts); 0 where nothing is.
constexpr int reversed_before(const Conversion& conversion) {
  const bool is_moved = conversion.from == conversion.to;
  return conversion.from_foreign || is_moved ? bytes_of(conversion.from) : 0;
}
constexpr int reversed_after(const Conversion& conversion) {
  if (!conversion.to_foreign || conversion.from == conversion.to) return 0;
  return bytes_of(conversion.to) / (is_complex(conversion.to) ? 2 : 1);
}

}  // namespace multibuffer
