#pragma once

#include "host/format/scalar_type.hpp"

#include <cstdint>

namespace multibuffer {

constexpr int bytes_of(ScalarType scalar) { return row_of(scalar).size; }

constexpr bool is_complex(ScalarType scalar) {
  return scalar == ScalarType::complex64 || scalar == ScalarType::complex128;
}

/// Says what one number becomes during a gather, which is never what it was: where both types are
/// the same, byte orders differ, and bits are not looked at. Only results that are made from reals
/// are of complex types: complex numbers are converted as reals, part by part.
struct Conversion {
  ScalarType from = ScalarType::uint8;
  ScalarType to = ScalarType::uint8;
  bool from_foreign = false;  ///< read in the byte order that is not this machine's
  bool to_foreign = false;    ///< written in it
  bool saturate = false;      ///< integers that do not fit become the nearest that do; else modulo

  bool operator==(const Conversion&) const = default;
};

/// Returns the bytes of what is byte-swapped before numbers are converted, and after that (of
/// complex ones the parts); 0 where nothing is.
constexpr int reversed_before(const Conversion& conversion) {
  const bool is_moved = conversion.from == conversion.to;
  return conversion.from_foreign || is_moved ? bytes_of(conversion.from) : 0;
}
constexpr int reversed_after(const Conversion& conversion) {
  if (!conversion.to_foreign || conversion.from == conversion.to) return 0;
  return bytes_of(conversion.to) / (is_complex(conversion.to) ? 2 : 1);
}

}  // namespace multibuffer
