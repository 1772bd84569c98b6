#pragma once

#include <cstdint>

namespace multibuffer {

/// Says what the bytes of a scalar mean.
enum class ScalarKind : std::uint8_t {
  padding,           ///< x
  boolean,           ///< ?
  character,         ///< c: one byte
  signed_integer,    ///< b h i l q n
  unsigned_integer,  ///< B H I L Q N
  real,              ///< e f d g, and those that have a name instead (see `RealEncoding`)
  complex,           ///< Zf Zd Zg, and F D G of Python 3.14
  bytes,             ///< s, of a length
  pascal,            ///< p, of a length
  ucs2,              ///< u: UTF-16 code units, of a length
  ucs4,              ///< w: UTF-32, of a length
  pointer,           ///< P, &, X{}
  object,            ///< O
  datetime,          ///< datetime64: NumPy's points in time, counted from 1970 on
  timedelta,         ///< timedelta64: NumPy's spans of time
};

/// Says how a real number is encoded. Those that IEEE 754 does not define are spelt by their names,
/// which ml_dtypes and DLPack share: eXmY has X bits of exponent and Y of fraction.
enum class RealEncoding : std::uint8_t {
  ieee,         ///< IEEE 754's binary format of this size, or the machine's long double
  bfloat16,     ///< the upper half of a float32
  float8_e3m4,  ///< as IEEE 754 would have it: with infinities, subnormals, and NaNs with payloads
  float8_e4m3,
  float8_e4m3b11fnuz,  ///< fn: no infinities; uz: no negative zero, whose code is the NaN
  float8_e4m3fn,       ///< no infinities; the NaNs are 0x7f and 0xff
  float8_e4m3fnuz,
  float8_e5m2,
  float8_e5m2fnuz,
  float8_e8m0fnu,  ///< a power of two: no sign, no zero, no infinity; the NaN is 0xff
};

}  // namespace multibuffer
