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
/// are of complex types: complex numbers are converted as reals, part by part. Those that are
/// scaled may have been what they become.
struct Conversion {
  ScalarType from = ScalarType::uint8;
  ScalarType to = ScalarType::uint8;
  bool from_foreign = false;  ///< read in the byte order that is not this machine's
  bool to_foreign = false;    ///< written in it
  bool saturate = false;      ///< integers that do not fit become the nearest that do; else modulo
  bool scaled = false;        ///< to float32; a plan has a `PlanScaling` then

  bool operator==(const Conversion&) const = default;
};

/// Returns true if numbers stay what they are, and bytes alone are swapped.
constexpr bool is_moved(const Conversion& conversion) {
  return conversion.from == conversion.to && !conversion.scaled;
}

/// Returns how many bytes `bytes` of whole numbers become.
constexpr std::int64_t converted_bytes(const Conversion& conversion, std::int64_t bytes) {
  return bytes / bytes_of(conversion.from) * bytes_of(conversion.to);
}

/// Returns the bytes of what is byte-swapped before numbers are converted, and after that (of
/// complex ones the parts); 0 where nothing is.
constexpr int reversed_before(const Conversion& conversion) {
  return conversion.from_foreign || is_moved(conversion) ? bytes_of(conversion.from) : 0;
}
constexpr int reversed_after(const Conversion& conversion) {
  if (!conversion.to_foreign || is_moved(conversion)) return 0;
  return bytes_of(conversion.to) / (is_complex(conversion.to) ? 2 : 1);
}

}  // namespace multibuffer
