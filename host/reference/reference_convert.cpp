#include <multibuffer/error.hpp>
#include <multibuffer/reference.hpp>

#include "host/support/default_floats.hpp"
#include "host/support/text.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

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

/// Which numbers a binary floating-point format has beside the finite ones.
enum class Extras {
  ieee,         ///< infinities and NaNs, by the highest exponent
  one_nan,      ///< a NaN of either sign, in place of the largest number
  nan_at_zero,  ///< a NaN in place of minus zero
  powers,       ///< a NaN in place of the largest number; no fraction, no sign and no zero
};

/// A binary floating-point format: how many bits its fraction and its exponent have.
struct RealFormat {
  int fraction_bits;
  int exponent_bits;
  int bias;
  Extras extras = Extras::ieee;
  int last_place() const { return 1 - bias - fraction_bits; }  ///< of a subnormal: 2^this
  std::uint64_t sign() const {
    return std::uint64_t{extras != Extras::powers} << (fraction_bits + exponent_bits);
  }
  /// The first code, without its sign, that is no finite number.
  std::uint64_t end() const {
    const std::uint64_t all = std::uint64_t{1} << (fraction_bits + exponent_bits);
    if (extras == Extras::nan_at_zero) return all;
    return extras == Extras::ieee ? all - (std::uint64_t{1} << fraction_bits) : all - 1;
  }
};

/// IEEE 754's formats of `size` bytes; none for others.
RealFormat ieee_format(std::size_t size) {
  if (size == 2) return {10, 5, 15};
  if (size == 4) return {23, 8, 127};
  if (size == 8) return {52, 11, 1023};
  return {0, 0, 0};
}

RealFormat real_format(RealEncoding encoding, std::size_t size) {
  switch (encoding) {
    case RealEncoding::ieee:
      return ieee_format(size);
    case RealEncoding::bfloat16:
      return {7, 8, 127};
    case RealEncoding::float8_e3m4:
      return {4, 3, 3};
    case RealEncoding::float8_e4m3:
      return {3, 4, 7};
    case RealEncoding::float8_e4m3b11fnuz:
      return {3, 4, 11, Extras::nan_at_zero};
    case RealEncoding::float8_e4m3fn:
      return {3, 4, 7, Extras::one_nan};
    case RealEncoding::float8_e4m3fnuz:
      return {3, 4, 8, Extras::nan_at_zero};
    case RealEncoding::float8_e5m2:
      return {2, 5, 15};
    case RealEncoding::float8_e5m2fnuz:
      return {2, 5, 16, Extras::nan_at_zero};
    case RealEncoding::float8_e8m0fnu:
      return {0, 8, 127, Extras::powers};
  }
  return {0, 0, 0};
}

/// Describes one number as a format spells it.
struct Kind {
  ScalarKind kind = ScalarKind::unsigned_integer;
  std::size_t size = 1;
  bool little_endian = true;
  RealEncoding encoding = RealEncoding::ieee;
  RealFormat real{0, 0, 0};
};

[[noreturn]] void refuse(const Format& format) {
  throw Failure(Errc::format_unsupported,
                text("elements of format '", format.text(), "' are no numbers that are converted"));
}

/// Describes the number, or the two alike, that an element is made of.
struct Elements {
  Kind kind;
  std::size_t parts = 1;
};

bool is_date_or_span(const Type& type) {
  return type.kind == ScalarKind::datetime || type.kind == ScalarKind::timedelta;
}

/// Tells whether both are counts of 64 bits: an int64 and a date, or dates that count the same.
bool are_counts(const Type& a, const Type& b) {
  if (a.is_struct || b.is_struct || a.size != 8 || b.size != 8) return false;
  if (is_date_or_span(a) && is_date_or_span(b)) return a.kind == b.kind && a.unit == b.unit;
  const Type& other = is_date_or_span(a) ? b : a;
  return (is_date_or_span(a) || is_date_or_span(b)) && other.kind == ScalarKind::signed_integer;
}

/// `as_count`: the number that a date is, too.
Elements elements_of(const Format& format, bool as_count = false) {
  const Type& type = format.type();
  if (type.is_struct) refuse(format);
  Elements result;
  result.kind.kind = type.kind;
  result.kind.size = static_cast<std::size_t>(type.size);
  result.kind.little_endian = type.little_endian;
  result.kind.encoding = type.encoding;
  if (as_count) result.kind.kind = ScalarKind::signed_integer;
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
  result.kind.real = real_format(type.encoding, result.kind.size);
  if (result.kind.real.exponent_bits == 0) refuse(format);
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
  const std::uint64_t code = bits & ((hidden << format.exponent_bits) - 1);
  const std::uint64_t fraction = code & (hidden - 1);
  const auto exponent = static_cast<int>(code >> format.fraction_bits);
  Value value;
  value.negative = (bits & format.sign()) != 0;
  const bool is_infinite = format.extras == Extras::ieee && code == format.end();
  const bool is_nan_zero = format.extras == Extras::nan_at_zero && bits == format.sign();
  if (is_infinite) {
    value.number = std::numeric_limits<long double>::infinity();
  } else if (code >= format.end() || is_nan_zero) {
    value.is_nan = true;
    if (format.extras == Extras::ieee) value.payload = fraction << (64 - format.fraction_bits);
  } else {
    // A power of two has its hidden digit at every exponent, 0 included.
    const bool is_normal = exponent != 0 || format.extras == Extras::powers;
    const std::uint64_t digits = is_normal ? fraction | hidden : fraction;
    const int place = format.extras == Extras::powers ? exponent : std::max(exponent, 1);
    value.number = std::ldexp(static_cast<long double>(digits), format.last_place() + place - 1);
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

/// Returns the code of a NaN.
std::uint64_t nan_bits(const RealFormat& format, const Value& value) {
  if (format.extras == Extras::nan_at_zero) return format.sign();
  const std::uint64_t sign = value.negative ? format.sign() : 0;
  if (format.extras != Extras::ieee) return sign | format.end();
  const std::uint64_t quiet = std::uint64_t{1} << (format.fraction_bits - 1);
  return sign | format.end() | quiet | value.payload >> (64 - format.fraction_bits);
}

/// Rounds to the nearest power of two, or the larger of two: its one digit is odd. The least of all
/// stands for what is below it.
std::uint64_t power_bits(const RealFormat& format, const Value& value) {
  if (!(value.number > 0) || std::isinf(value.number)) return nan_bits(format, value);
  int exponent = 0;
  const long double fraction = std::frexp(value.number, &exponent);  // of [0.5, 1)
  const int nearest = fraction >= 0.75L ? exponent : exponent - 1;
  const int code = std::max(nearest + format.bias, 0);
  return std::min(static_cast<std::uint64_t>(code), format.end());
}

/// Rounds to nearest, ties to even, in the last place that the format has at this size. What is
/// larger than all numbers is what comes behind them: infinite, or a NaN.
std::uint64_t real_bits(const RealFormat& format, const Value& value) {
  if (value.is_nan) return nan_bits(format, value);
  if (format.extras == Extras::powers) return power_bits(format, value);
  const std::uint64_t sign = value.negative ? format.sign() : 0;
  const std::uint64_t beyond =
      format.extras == Extras::ieee ? sign | format.end() : nan_bits(format, value);
  const long double size = std::abs(value.number);
  if (size == 0) return format.extras == Extras::nan_at_zero ? 0 : sign;
  if (std::isinf(size)) return beyond;
  const int place = std::max(std::ilogb(size) - format.fraction_bits, format.last_place());
  const long double scaled = std::ldexp(size, -place);
  auto digits = static_cast<std::uint64_t>(scaled);
  const long double rest = scaled - static_cast<long double>(digits);
  if (rest > 0.5L || (rest == 0.5L && digits % 2 == 1)) ++digits;
  // The hidden digit counts as one of the exponent, and so does a carry.
  const std::uint64_t bits =
      (static_cast<std::uint64_t>(place - format.last_place()) << format.fraction_bits) + digits;
  if (bits >= format.end()) return beyond;
  return bits == 0 && format.extras == Extras::nan_at_zero ? 0 : sign | bits;
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

/// Checks one of the lists of a scaling, and returns how many numbers it has for the axis.
std::size_t checked_length(const Result& result, const Scaling& scaling,
                           const std::vector<float>& list) {
  if (list.size() <= 1) return list.size();
  const auto ndim = std::ssize(result.shape);
  const std::ptrdiff_t axis = scaling.axis < 0 ? scaling.axis + ndim : scaling.axis;
  if (axis < 0 || axis >= ndim)
    throw Failure(Errc::invalid_argument,
                  text("axis ", scaling.axis, " of a result with ", ndim, " axes"));
  if (std::cmp_not_equal(result.shape[static_cast<std::size_t>(axis)], list.size()))
    throw Failure(Errc::invalid_argument, text(list.size(), " factors or terms for axis ", axis,
                                               " of the result, whose extent is ",
                                               result.shape[static_cast<std::size_t>(axis)]));
  return list.size();
}

/// Scales floats of this machine, in C order.
void scale(Result& result, const Scaling& scaling) {
  const std::size_t factors = checked_length(result, scaling, scaling.factors);
  const std::size_t terms = checked_length(result, scaling, scaling.terms);
  std::size_t inner = 1;  // elements from one index of the axis to the next
  std::size_t extent = 1;
  if (factors > 1 || terms > 1) {
    const auto ndim = std::ssize(result.shape);
    const auto axis =
        static_cast<std::size_t>(scaling.axis < 0 ? scaling.axis + ndim : scaling.axis);
    extent = static_cast<std::size_t>(result.shape[axis]);
    for (std::size_t i = axis + 1; i < result.shape.size(); ++i)
      inner *= static_cast<std::size_t>(result.shape[i]);
  }
  const DefaultFloats floats;
  for (std::size_t i = 0; i < result.bytes.size() / sizeof(float); ++i) {
    const std::size_t index = i / inner % extent;
    float number = 0;
    std::memcpy(&number, result.bytes.data() + i * sizeof number, sizeof number);
    const float factor = factors == 0 ? 1.0F : scaling.factors[factors == 1 ? 0 : index];
    const float term = terms == 0 ? -0.0F : scaling.terms[terms == 1 ? 0 : index];
    number = std::fmaf(number, factor, term);
    if (std::isnan(number)) number = std::bit_cast<float>(std::uint32_t{0x7fc00000});
    std::memcpy(result.bytes.data() + i * sizeof number, &number, sizeof number);
  }
}

/// Converts to this machine's float32, scales, and brings the bytes into the order asked for.
Result converted_and_scaled(Result result, const Format& from, const Format& to,
                            const Options& options) {
  const Elements target = elements_of(to);
  const bool is_float32 =
      target.parts == 1 && target.kind.kind == ScalarKind::real && target.kind.size == 4;
  if (!is_float32)
    throw Failure(Errc::format_unsupported,
                  text("what is scaled becomes float32, not '", to.text(), "'"));
  elements_of(from);
  Options plain = options;
  plain.scaling.reset();
  const Format native("f", 4);
  Result floats = converted(std::move(result), from, native, plain);
  scale(floats, *options.scaling);
  return converted(std::move(floats), native, to, plain);
}

bool same_kind(const Kind& a, const Kind& b) {
  return a.kind == b.kind && a.size == b.size && a.encoding == b.encoding;
}

}  // namespace

Result converted(Result result, const Format& from, const Format& to, const Options& options) {
  const Watch& watch = options.watch;
  if (options.scaling) return converted_and_scaled(std::move(result), from, to, options);
  if (from == to) return result;
  const bool counts = are_counts(from.type(), to.type());
  const Elements source = elements_of(from, counts);
  const Elements target = elements_of(to, counts);
  if (source.parts > target.parts)
    throw Failure(Errc::format_unsupported,
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
      if (watch.stop.stop_requested()) throw Failure(Errc::cancelled, "while converting elements");
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
  const auto all = static_cast<std::int64_t>(result.bytes.size());
  if (watch.progress) watch.progress(all, all);
  return converted;
}

}  // namespace multibuffer::reference
