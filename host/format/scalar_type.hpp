#pragma once

#include <multibuffer/scalar_kind.hpp>

#include "host/format/narrow_float.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

/// The table of the scalar types that are numbers. All that the library knows of one is its row:
/// formats, type strings, names, DLPack's codes and conversions are looked up here.
///
/// To add a float of 8 bits: an enumerator in `RealEncoding`, one in `ScalarType`, and a row. Any
/// other number also needs how it is converted (host/backend/convert_number.hpp).
namespace multibuffer {

/// The numbers there are, in the order of their rows. All but long doubles are converted into each
/// other; complex ones are two reals, converted one by one.
enum class ScalarType : std::uint8_t {
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
  complex64,
  complex128,
  float8_e3m4,
  float8_e4m3,
  float8_e4m3b11fnuz,
  float8_e4m3fn,
  float8_e4m3fnuz,
  float8_e5m2,
  float8_e5m2fnuz,
  float8_e8m0fnu,
  long_double,
  complex_long_double,
};

struct ScalarRow {
  ScalarType scalar;
  ScalarKind kind;
  RealEncoding encoding;
  int size;                 ///< bytes
  std::string_view format;  ///< PEP 3118's code in standard size; the name of what has none
  std::string_view name;    ///< NumPy's, or ml_dtypes'
  char letter;              ///< of the array interface's type string; V where it says raw bytes
  int dlpack_code;          ///< -1: there is none
  Float8Encoding float8{};  ///< of floats of 8 bits
};

namespace detail {

constexpr ScalarRow float8_row(ScalarType scalar, RealEncoding encoding, std::string_view name,
                               int dlpack_code, const Float8Encoding& float8) {
  return {scalar, ScalarKind::real, encoding, 1, name, name, 'V', dlpack_code, float8};
}

constexpr auto make_scalar_table() {
  using Scalar = ScalarType;
  using Kind = ScalarKind;
  using Special = Float8Specials;
  using Real = RealEncoding;
  constexpr Real ieee = Real::ieee;
  constexpr int long_size = sizeof(long double);
  return std::to_array<ScalarRow>({
      {Scalar::boolean, Kind::boolean, ieee, 1, "?", "bool", 'b', 6},
      {Scalar::int8, Kind::signed_integer, ieee, 1, "b", "int8", 'i', 0},
      {Scalar::int16, Kind::signed_integer, ieee, 2, "h", "int16", 'i', 0},
      {Scalar::int32, Kind::signed_integer, ieee, 4, "i", "int32", 'i', 0},
      {Scalar::int64, Kind::signed_integer, ieee, 8, "q", "int64", 'i', 0},
      {Scalar::uint8, Kind::unsigned_integer, ieee, 1, "B", "uint8", 'u', 1},
      {Scalar::uint16, Kind::unsigned_integer, ieee, 2, "H", "uint16", 'u', 1},
      {Scalar::uint32, Kind::unsigned_integer, ieee, 4, "I", "uint32", 'u', 1},
      {Scalar::uint64, Kind::unsigned_integer, ieee, 8, "Q", "uint64", 'u', 1},
      {Scalar::float16, Kind::real, ieee, 2, "e", "float16", 'f', 2},
      {Scalar::bfloat16, Kind::real, Real::bfloat16, 2, "bfloat16", "bfloat16", 'V', 4},
      {Scalar::float32, Kind::real, ieee, 4, "f", "float32", 'f', 2},
      {Scalar::float64, Kind::real, ieee, 8, "d", "float64", 'f', 2},
      {Scalar::complex64, Kind::complex, ieee, 8, "Zf", "complex64", 'c', 5},
      {Scalar::complex128, Kind::complex, ieee, 16, "Zd", "complex128", 'c', 5},
      float8_row(Scalar::float8_e3m4, Real::float8_e3m4, "float8_e3m4", 7,
                 float8_encoding(4, 3, Special::ieee)),
      float8_row(Scalar::float8_e4m3, Real::float8_e4m3, "float8_e4m3", 8,
                 float8_encoding(3, 7, Special::ieee)),
      float8_row(Scalar::float8_e4m3b11fnuz, Real::float8_e4m3b11fnuz, "float8_e4m3b11fnuz", 9,
                 float8_encoding(3, 11, Special::minus_zero)),
      float8_row(Scalar::float8_e4m3fn, Real::float8_e4m3fn, "float8_e4m3fn", 10,
                 float8_encoding(3, 7, Special::last_code)),
      float8_row(Scalar::float8_e4m3fnuz, Real::float8_e4m3fnuz, "float8_e4m3fnuz", 11,
                 float8_encoding(3, 8, Special::minus_zero)),
      float8_row(Scalar::float8_e5m2, Real::float8_e5m2, "float8_e5m2", 12,
                 float8_encoding(2, 15, Special::ieee)),
      float8_row(Scalar::float8_e5m2fnuz, Real::float8_e5m2fnuz, "float8_e5m2fnuz", 13,
                 float8_encoding(2, 16, Special::minus_zero)),
      float8_row(Scalar::float8_e8m0fnu, Real::float8_e8m0fnu, "float8_e8m0fnu", 14,
                 float8_encoding(0, 127, Special::last_of_all)),
      // Where a long double takes 16 bytes, NumPy says so; no other library takes one.
      {Scalar::long_double, Kind::real, ieee, long_size, "g",
       long_size == 16 ? "float128" : "longdouble", 'f', -1},
      {Scalar::complex_long_double, Kind::complex, ieee, 2 * long_size, "Zg",
       long_size == 16 ? "complex256" : "clongdouble", 'c', -1},
  });
}

}  // namespace detail

inline constexpr auto scalar_table = detail::make_scalar_table();

constexpr const ScalarRow& row_of(ScalarType scalar) {
  return scalar_table[static_cast<std::size_t>(scalar)];
}

/// Returns the row of the first scalar for which `is_it(row)` holds; null if there is none.
template <class Predicate>
constexpr const ScalarRow* find_scalar(const Predicate& is_it) {
  const auto* const row = std::ranges::find_if(scalar_table, is_it);
  return row == scalar_table.end() ? nullptr : row;
}
constexpr const ScalarRow* find_scalar(ScalarKind kind, std::int64_t size,
                                       RealEncoding encoding = RealEncoding::ieee) {
  return find_scalar([&](const ScalarRow& row) {
    return row.kind == kind && row.size == size && row.encoding == encoding;
  });
}

constexpr bool is_float8(ScalarType scalar) { return row_of(scalar).float8.largest != 0; }

/// Returns true if PEP 3118 has no code for it, so that other readers do not know its format.
constexpr bool is_named(const ScalarRow& row) { return row.encoding != RealEncoding::ieee; }

}  // namespace multibuffer
