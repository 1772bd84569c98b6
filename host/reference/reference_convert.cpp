#include <multibuffer/error.hpp>
#include <multibuffer/reference.hpp>

#include "host/support/text.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

// Written to be compared with the definition of each kind of number, rather than to be fast: every
// number is taken apart, held as a long double, which all of them fit in, and rounded by hand.
namespace multibuffer::reference {
namespace {

static_assert(std::numeric_limits<long double>::digits >= 64, "holds every 64-bit integer");

__extension__ using Int128 = __int128;

/// A number of any kind.
struct Value {
  long double number = 0;
  bool negative = false;      ///< the sign bit, also of a NaN
  bool is_nan = false;        ///< then:
  std::uint64_t payload = 0;  ///< its digits after the first, in the upper bits
};

/// A binary floating-point format: how many bits its fraction and its exponent have.
struct RealFormat {
  int fraction_bits;
  int exponent_bits;
  int highest() const { return (1 << exponent_bits) - 1; }  ///< of infinities and NaNs
  int bias() const { return (1 << (exponent_bits - 1)) - 1; }
  int last_place() const { return 1 - bias() - fraction_bits; }  ///< of a subnormal: 2^this
};

/// One number as a format spells it.
struct Kind {
  ScalarKind kind = ScalarKind::unsigned_integer;
  std::size_t size = 1;
  bool little_endian = true;
  RealFormat real{0, 0};
};

[[noreturn]] void refuse(const Format& format) {
  throw Error(Errc::format_unsupported,
              text("elements of format '", format.text(), "' are no numbers that are converted"));
}

/// The number, or the two alike, that an element is made of.
struct Elements {
  Kind kind;
  std::size_t parts = 1;
};

Elements elements_of(const Format& format) {
  constexpr bool little = std::endian::native == std::endian::little;
  if (format.text() == "bfloat16" && format.itemsize() == 2)
    return {{ScalarKind::real, 2, little, {7, 8}}, 1};
  const Type& type = format.type();
  if (type.is_struct) refuse(format);
  Elements result{{type.kind, static_cast<std::size_t>(type.size), type.little_endian, {0, 0}}, 1};
  if (type.kind == ScalarKind::complex) {
    result.kind.kind = ScalarKind::real;
    result.kind.size /= 2;
    result.parts = 2;
  }
  switch (result.kind.kind) {
    case ScalarKind::boolean:
    case ScalarKind::signed_integer:
    case ScalarKind::unsigned_integer:
      return result;
    case ScalarKind::real:
      break;
    default:
      refuse(format);
  }
  if (result.kind.size == 2) result.kind.real = {10, 5};
  if (result.kind.size == 4) result.kind.real = {23, 8};
  if (result.kind.size == 8) result.kind.real = {52, 11};
  if (result.kind.size > 8) refuse(format);
  return result;
}

std::uint64_t read_bits(const Kind& kind, const std::byte* from) {
  std::uint64_t bits = 0;
  for (std::size_t i = 0; i < kind.size; ++i) {
    const std::size_t at = kind.little_endian ? kind.size - 1 - i : i;
    bits = bits << 8 | std::to_integer<std::uint64_t>(from[at]);
  }
  return bits;
}

void write_bits(const Kind& kind, std::uint64_t bits, std::byte* to) {
  for (std::size_t i = 0; i < kind.size; ++i, bits >>= 8)
    to[kind.little_endian ? i : kind.size - 1 - i] = static_cast<std::byte>(bits & 0xff);
}

Value real_of(const RealFormat& format, std::uint64_t bits) {
  const std::uint64_t hidden = std::uint64_t{1} << format.fraction_bits;
  const std::uint64_t fraction = bits & (hidden - 1);
  const auto exponent = static_cast<int>(bits >> format.fraction_bits) & format.highest();
  Value value;
  value.negative = (bits >> (format.fraction_bits + format.exponent_bits) & 1) != 0;
  if (exponent == format.highest()) {
    value.is_nan = fraction != 0;
    value.payload = fraction << (64 - format.fraction_bits);
    value.number = std::numeric_limits<long double>::infinity();
  } else {
    const std::uint64_t digits = exponent == 0 ? fraction : fraction | hidden;
    value.number = std::ldexp(static_cast<long double>(digits),
                              format.last_place() + std::max(exponent, 1) - 1);
  }
  if (value.negative) value.number = -value.number;
  return value;
}

Value read(const Kind& kind, const std::byte* from) {
  const std::uint64_t bits = read_bits(kind, from);
  Value value;
  switch (kind.kind) {
    case ScalarKind::boolean:
      value.number = bits != 0 ? 1 : 0;
      break;
    case ScalarKind::signed_integer: {
      const auto unused = static_cast<int>(64 - 8 * kind.size);
      value.number = static_cast<long double>(static_cast<std::int64_t>(bits << unused) >> unused);
      break;
    }
    case ScalarKind::unsigned_integer:
      value.number = static_cast<long double>(bits);
      break;
    default:
      return real_of(kind.real, bits);
  }
  value.negative = value.number < 0;
  return value;
}

/// Rounded to nearest, ties to even, in the last place that the format has at this size.
std::uint64_t real_bits(const RealFormat& format, const Value& value) {
  const auto infinite = static_cast<std::uint64_t>(format.highest()) << format.fraction_bits;
  const std::uint64_t sign = std::uint64_t{value.negative}
                             << (format.fraction_bits + format.exponent_bits);
  if (value.is_nan) {
    const std::uint64_t quiet = std::uint64_t{1} << (format.fraction_bits - 1);
    return sign | infinite | quiet | value.payload >> (64 - format.fraction_bits);
  }
  const long double size = std::abs(value.number);
  if (size == 0) return sign;
  if (std::isinf(size)) return sign | infinite;
  const int place = std::max(std::ilogb(size) - format.fraction_bits, format.last_place());
  const long double scaled = std::ldexp(size, -place);
  auto digits = static_cast<std::uint64_t>(scaled);
  const long double rest = scaled - static_cast<long double>(digits);
  if (rest > 0.5L || (rest == 0.5L && digits % 2 == 1)) ++digits;
  // The hidden digit counts as one of the exponent, and so does a carry.
  const std::uint64_t bits =
      (static_cast<std::uint64_t>(place - format.last_place()) << format.fraction_bits) + digits;
  return sign | std::min(bits, infinite);
}

std::uint64_t integer_bits(const Kind& kind, const Value& value, bool from_integer,
                           Overflow overflow) {
  if (value.is_nan) return 0;
  const bool is_signed = kind.kind == ScalarKind::signed_integer;
  const auto bits = static_cast<int>(8 * kind.size);
  const Int128 highest = (Int128{1} << (is_signed ? bits - 1 : bits)) - 1;
  const Int128 lowest = is_signed ? -highest - 1 : 0;
  if (!from_integer || overflow == Overflow::saturate) {
    if (value.number >= static_cast<long double>(highest))
      return static_cast<std::uint64_t>(highest);
    if (value.number <= static_cast<long double>(lowest)) return static_cast<std::uint64_t>(lowest);
  }
  return static_cast<std::uint64_t>(static_cast<Int128>(std::trunc(value.number)));
}

void write(const Kind& kind, const Value& value, bool from_integer, Overflow overflow,
           std::byte* to) {
  switch (kind.kind) {
    case ScalarKind::boolean:
      return write_bits(kind, value.is_nan || value.number != 0 ? 1 : 0, to);
    case ScalarKind::real:
      return write_bits(kind, real_bits(kind.real, value), to);
    default:
      return write_bits(kind, integer_bits(kind, value, from_integer, overflow), to);
  }
}

bool same_kind(const Kind& a, const Kind& b) {
  return a.kind == b.kind && a.size == b.size && a.real.exponent_bits == b.real.exponent_bits;
}

}  // namespace

Result converted(Result result, const Format& from, const Format& to, const Options& options) {
  const Watch& watch = options.watch;
  if (from == to) return result;
  const Elements source = elements_of(from);
  const Elements target = elements_of(to);
  if (source.parts > target.parts)
    throw Error(Errc::format_unsupported,
                text("elements of format '", from.text(), "' have imaginary parts, and '",
                     to.text(), "' has none: complex numbers become complex alone"));
  const bool from_integer = source.kind.kind != ScalarKind::real;
  const bool moved = same_kind(source.kind, target.kind);
  constexpr std::size_t between_looks = 1024;
  const std::size_t parts = result.bytes.size() / source.kind.size;
  const std::size_t out_parts = target.parts / source.parts;
  Result converted{result.shape, std::vector<std::byte>(parts * out_parts * target.kind.size)};
  const std::byte* in = result.bytes.data();
  std::byte* out = converted.bytes.data();
  for (std::size_t i = 0; i < parts; ++i, in += source.kind.size) {
    if (i % between_looks == 0) {
      if (watch.stop.stop_requested()) throw Error(Errc::cancelled, "while converting elements");
      if (watch.progress)
        watch.progress(in - result.bytes.data(), static_cast<std::int64_t>(result.bytes.size()));
    }
    if (moved) {
      write_bits(target.kind, read_bits(source.kind, in), out);
    } else {
      write(target.kind, read(source.kind, in), from_integer, options.overflow, out);
    }
    out += out_parts * target.kind.size;  // an imaginary part that is not there is 0
  }
  return converted;
}

}  // namespace multibuffer::reference
