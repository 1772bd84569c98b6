#include "host/verify/tolerance.hpp"

#include <multibuffer/error.hpp>

#include "host/format/read_scalar.hpp"
#include "host/support/text.hpp"

#include <array>
#include <cmath>
#include <cstdint>

namespace multibuffer {
namespace {

/// A real number, and its place among all numbers of its type.
struct Real {
  long double value = 0;
  std::int64_t rank = 0;  ///< neighbours differ by 1, and both zeros are 0; not of a long double
};

/// The bits without the sign are in the order of the magnitudes, whatever the encoding.
Real read_real(RealEncoding encoding, const std::byte* bytes, std::int64_t size,
               bool little_endian) {
  Real real;
  real.value = visit_real(encoding, bytes, size, little_endian,
                          [](auto value) { return static_cast<long double>(value); });
  if (size > 8) return real;
  const std::uint64_t bits = read_unsigned(bytes, size, little_endian);
  const std::uint64_t sign = std::uint64_t{1} << (8 * size - 1);
  const bool is_negative = std::signbit(real.value);
  real.rank = static_cast<std::int64_t>(is_negative ? 0 - (bits ^ sign) : bits);
  return real;
}

/// The difference's magnitude always fits unsigned.
std::uint64_t distance(std::int64_t a, std::int64_t b) {
  const auto difference = static_cast<std::uint64_t>(a) - static_cast<std::uint64_t>(b);
  return a < b ? std::uint64_t{0} - difference : difference;
}

bool within(long double difference, long double expected, const Tolerance& tolerance) {
  return difference <= tolerance.absolute + tolerance.relative * std::abs(expected);
}

/// Infinities are equal to themselves alone: no tolerance, relative ones least of all, reaches
/// them.
bool close(const Real& actual, const Real& expected, const Tolerance& tolerance) {
  if (std::isnan(actual.value) || std::isnan(expected.value)) {
    return std::isnan(actual.value) && std::isnan(expected.value);
  }
  if (actual.value == expected.value) return true;
  if (std::isinf(actual.value) || std::isinf(expected.value)) return false;
  if (within(std::abs(actual.value - expected.value), expected.value, tolerance)) return true;
  return tolerance.ulp > 0 &&
         distance(actual.rank, expected.rank) <= static_cast<std::uint64_t>(tolerance.ulp);
}

bool close_reals(const Type& type, const std::byte* actual, const std::byte* expected,
                 const Tolerance& tolerance) {
  const auto number = [&](const std::byte* bytes) {
    return read_real(type.encoding, bytes, type.size, type.little_endian);
  };
  return close(number(actual), number(expected), tolerance);
}

/// By the magnitude of the difference, or with each part at most `ulp` numbers off. Where a part is
/// no finite number, each part is compared by itself.
bool close_complex(const Type& type, const std::byte* actual, const std::byte* expected,
                   const Tolerance& tolerance) {
  const std::int64_t half = type.size / 2;
  const auto part = [&](const std::byte* bytes, std::int64_t offset) {
    return read_real(type.encoding, bytes + offset, half, type.little_endian);
  };
  const std::array a{part(actual, 0), part(actual, half)};
  const std::array e{part(expected, 0), part(expected, half)};
  const auto close_parts = [&](const Tolerance& by) {
    return close(a[0], e[0], by) && close(a[1], e[1], by);
  };
  for (const Real& number : {a[0], a[1], e[0], e[1]}) {
    if (!std::isfinite(number.value)) return close_parts(tolerance);
  }
  return within(std::hypot(a[0].value - e[0].value, a[1].value - e[1].value),
                std::hypot(e[0].value, e[1].value), tolerance) ||
         close_parts({0, 0, tolerance.ulp});
}

/// An integer as its sign and magnitude, whatever its size.
struct Integer {
  bool negative = false;
  std::uint64_t magnitude = 0;
};

Integer read_integer(const Type& type, const std::byte* bytes) {
  if (type.kind == ScalarKind::unsigned_integer)
    return {false, read_unsigned(bytes, type.size, type.little_endian)};
  const std::int64_t value = read_signed(bytes, type.size, type.little_endian);
  return {value < 0, distance(value, 0)};
}

bool close_integers(const Type& type, const std::byte* actual, const std::byte* expected,
                    const Tolerance& tolerance) {
  const Integer a = read_integer(type, actual);
  const Integer e = read_integer(type, expected);
  // Signs differ only where numbers are signed; then the sum of the magnitudes fits as well.
  const std::uint64_t difference = a.negative != e.negative    ? a.magnitude + e.magnitude
                                   : a.magnitude < e.magnitude ? e.magnitude - a.magnitude
                                                               : a.magnitude - e.magnitude;
  return difference <= static_cast<std::uint64_t>(tolerance.ulp) ||
         within(static_cast<long double>(difference), static_cast<long double>(e.magnitude),
                tolerance);
}

/// Throws unless every scalar of the type can be compared as `tolerance` asks.
void check_comparable(const Type& type, const Format& format, const Tolerance& tolerance) {
  for (const Field& field : type.fields) check_comparable(field.type, format, tolerance);
  if (type.is_struct) return;
  const bool is_complex = type.kind == ScalarKind::complex;
  const bool is_integer =
      type.kind == ScalarKind::signed_integer || type.kind == ScalarKind::unsigned_integer;
  const std::int64_t size = is_complex ? type.size / 2 : type.size;
  if (!is_complex && !is_integer && type.kind != ScalarKind::real) {
    throw Failure(Errc::format_unsupported,
                  text("format \"", format.text(),
                       "\" holds more than numbers; compare it without a tolerance"));
  }
  if (!is_integer && size > 8 && tolerance.ulp > 0) {
    throw Failure(Errc::format_unsupported,
                  text("format \"", format.text(),
                       "\" holds long doubles, which have no distance in representable numbers; "
                       "give an absolute or a relative tolerance"));
  }
}

}  // namespace

void check_tolerance(const Tolerance& tolerance, const Format& format) {
  const bool valid = std::isfinite(tolerance.absolute) && tolerance.absolute >= 0 &&
                     std::isfinite(tolerance.relative) && tolerance.relative >= 0 &&
                     tolerance.ulp >= 0;
  if (!valid) {
    throw Failure(Errc::invalid_argument, text("the tolerance (absolute ", tolerance.absolute,
                                               ", relative ", tolerance.relative, ", ulp ",
                                               tolerance.ulp, ") must be finite and not negative"));
  }
  if (!tolerance.exact()) check_comparable(format.type(), format, tolerance);
}

bool are_close(const Type& type, const std::byte* actual, const std::byte* expected,
               const Tolerance& tolerance) {
  if (!type.is_struct) {
    if (type.kind == ScalarKind::real) return close_reals(type, actual, expected, tolerance);
    if (type.kind == ScalarKind::complex) return close_complex(type, actual, expected, tolerance);
    return close_integers(type, actual, expected, tolerance);
  }
  for (const Field& field : type.fields) {
    std::int64_t count = 1;
    for (const std::int64_t extent : field.shape) count *= extent;
    const std::int64_t end = field.offset + count * field.type.size;
    for (std::int64_t at = field.offset; at < end; at += field.type.size) {
      if (!are_close(field.type, actual + at, expected + at, tolerance)) return false;
    }
  }
  return true;
}

}  // namespace multibuffer
