#include <multibuffer/error.hpp>
#include <multibuffer/verify.hpp>

#include "host/backend/backend.hpp"
#include "host/support/checked.hpp"
#include "host/support/text.hpp"
#include "host/upload/internals.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <optional>
#include <string_view>

namespace multibuffer {
namespace {

// ---------------------------------------------------------------------------------------------
// Numbers within a tolerance

template <class Number>
Number read(const std::byte* bytes, bool little_endian) {
  std::array<std::byte, sizeof(Number)> copy;
  std::copy_n(bytes, copy.size(), copy.begin());
  if (little_endian != (std::endian::native == std::endian::little)) std::ranges::reverse(copy);
  return std::bit_cast<Number>(copy);
}

float widen_half(std::uint16_t bits) {
  const int exponent = (bits >> 10) & 0x1f;
  const int fraction = bits & 0x3ff;
  float magnitude = 0;
  if (exponent == 0x1f) {
    magnitude = fraction == 0 ? std::numeric_limits<float>::infinity()
                              : std::numeric_limits<float>::quiet_NaN();
  } else if (exponent == 0) {
    magnitude = std::ldexp(static_cast<float>(fraction), -24);
  } else {
    magnitude = std::ldexp(static_cast<float>(fraction | 0x400), exponent - 25);
  }
  return (bits & 0x8000) != 0 ? -magnitude : magnitude;
}

/// A real number, and its place among all numbers of its size.
struct Real {
  long double value = 0;
  std::int64_t rank = 0;  ///< neighbours differ by 1, and both zeros are 0; not of a long double
};

/// Signs stand apart from magnitudes, which are in the order of the numbers.
template <class Bits>
std::int64_t rank_of(Bits bits) {
  constexpr Bits sign = static_cast<Bits>(Bits{1} << (8 * sizeof(Bits) - 1));
  const auto magnitude = static_cast<std::int64_t>(bits & static_cast<Bits>(sign - 1));
  return (bits & sign) != 0 ? -magnitude : magnitude;
}

Real read_real(const std::byte* bytes, std::int64_t size, bool little_endian) {
  switch (size) {
    case 2: {
      const auto bits = read<std::uint16_t>(bytes, little_endian);
      return {widen_half(bits), rank_of(bits)};
    }
    case 4: {
      const auto bits = read<std::uint32_t>(bytes, little_endian);
      return {std::bit_cast<float>(bits), rank_of(bits)};
    }
    case 8: {
      const auto bits = read<std::uint64_t>(bytes, little_endian);
      return {std::bit_cast<double>(bits), rank_of(bits)};
    }
    default:
      return {read<long double>(bytes, little_endian), 0};
  }
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
  return close(read_real(actual, type.size, type.little_endian),
               read_real(expected, type.size, type.little_endian), tolerance);
}

/// By the magnitude of the difference, or with each part at most `ulp` numbers off. Where a part is
/// no finite number, each part is compared by itself.
bool close_complex(const Type& type, const std::byte* actual, const std::byte* expected,
                   const Tolerance& tolerance) {
  const std::int64_t half = type.size / 2;
  const auto part = [&](const std::byte* bytes, std::int64_t offset) {
    return read_real(bytes + offset, half, type.little_endian);
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
  std::uint64_t bits = 0;
  for (std::int64_t i = 0; i < type.size; ++i) {
    const std::int64_t from = type.little_endian ? type.size - 1 - i : i;
    bits = bits << 8 | static_cast<std::uint64_t>(bytes[from]);
  }
  if (type.kind == ScalarKind::unsigned_integer) return {false, bits};
  const auto shift = static_cast<unsigned>(64 - 8 * type.size);
  const auto value = static_cast<std::int64_t>(bits << shift) >> shift;
  return {value < 0, distance(value, 0)};
}

bool close_integers(const Type& type, const std::byte* actual, const std::byte* expected,
                    const Tolerance& tolerance) {
  const Integer a = read_integer(type, actual);
  const Integer e = read_integer(type, expected);
  // Of different signs only where they are signed; then the sum of the magnitudes fits as well.
  const std::uint64_t difference = a.negative != e.negative    ? a.magnitude + e.magnitude
                                   : a.magnitude < e.magnitude ? e.magnitude - a.magnitude
                                                               : a.magnitude - e.magnitude;
  return difference <= static_cast<std::uint64_t>(tolerance.ulp) ||
         within(static_cast<long double>(difference), static_cast<long double>(e.magnitude),
                tolerance);
}

std::int64_t product(std::span<const std::int64_t> extents) {
  std::int64_t result = 1;
  for (const std::int64_t extent : extents) {
    if (extent == 0) return 0;
    result = checked_multiply(result, extent, "the number of elements");
  }
  return result;
}

bool close_elements(const Type& type, const std::byte* actual, const std::byte* expected,
                    const Tolerance& tolerance) {
  if (!type.is_struct) {
    if (type.kind == ScalarKind::real) return close_reals(type, actual, expected, tolerance);
    if (type.kind == ScalarKind::complex) return close_complex(type, actual, expected, tolerance);
    return close_integers(type, actual, expected, tolerance);
  }
  for (const Field& field : type.fields) {
    const std::int64_t end = field.offset + product(field.shape) * field.type.size;
    for (std::int64_t at = field.offset; at < end; at += field.type.size) {
      if (!close_elements(field.type, actual + at, expected + at, tolerance)) return false;
    }
  }
  return true;
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
    throw Error(Errc::format_unsupported,
                text("format \"", format.text(),
                     "\" holds more than numbers; compare it without a tolerance"));
  }
  if (!is_integer && size > 8 && tolerance.ulp > 0) {
    throw Error(Errc::format_unsupported,
                text("format \"", format.text(),
                     "\" holds long doubles, which have no distance in representable numbers; "
                     "give an absolute or a relative tolerance"));
  }
}

void check_tolerance(const Tolerance& tolerance, const Format& format) {
  const bool valid = std::isfinite(tolerance.absolute) && tolerance.absolute >= 0 &&
                     std::isfinite(tolerance.relative) && tolerance.relative >= 0 &&
                     tolerance.ulp >= 0;
  if (!valid) {
    throw Error(Errc::invalid_argument, text("the tolerance (absolute ", tolerance.absolute,
                                             ", relative ", tolerance.relative, ", ulp ",
                                             tolerance.ulp, ") must be finite and not negative"));
  }
  if (!tolerance.exact()) check_comparable(format.type(), format, tolerance);
}

// ---------------------------------------------------------------------------------------------
// Arrays

std::vector<std::int64_t> coordinates(std::int64_t element, std::span<const std::int64_t> shape) {
  std::vector<std::int64_t> result(shape.size());
  for (std::size_t axis = shape.size(); axis-- > 0;) {
    result[axis] = element % shape[axis];
    element /= shape[axis];
  }
  return result;
}

/// " (byte 4 is c0)"
std::string byte_text(std::int64_t at, std::byte byte) {
  const auto value = std::to_integer<unsigned>(byte);
  constexpr std::string_view digits = "0123456789abcdef";
  return text(" (byte ", at, " is ", digits[value >> 4], digits[value & 15], ")");
}

/// Fills in what the first mismatch looks like. Elements that look alike (NaNs, padding) are told
/// apart by their first byte that differs.
void show_mismatch(Comparison& result, const Format& format, std::span<const std::byte> actual,
                   std::span<const std::byte> expected) {
  result.actual = show_element(format, actual.data());
  result.expected = show_element(format, expected.data());
  if (result.actual == result.expected) {
    const auto [a, e] = std::ranges::mismatch(actual, expected);
    result.actual += byte_text(a - actual.begin(), *a);
    result.expected += byte_text(e - expected.begin(), *e);
  }
}

void check_bytes(std::string_view which, std::size_t bytes, std::int64_t elements,
                 std::span<const std::int64_t> shape, const Format& format) {
  const std::int64_t needed = checked_multiply(elements, format.itemsize(), "the size in bytes");
  if (bytes != static_cast<std::size_t>(needed)) {
    throw Error(Errc::invalid_argument,
                text("the ", which, " array has ", bytes, " bytes; shape ", tuple_text(shape),
                     " of itemsize ", format.itemsize(), " takes ", needed));
  }
}

/// A buffer's elements in C order, where they are if that is possible.
class Fetched {
 public:
  explicit Fetched(const DeviceBuffer& buffer) {
    if (buffer.device().kind() == DeviceKind::host && buffer.is_c_contiguous()) {
      buffer.synchronize();
      bytes_ = {buffer.data(), static_cast<std::size_t>(buffer.nbytes())};
    } else {
      copy_ = buffer.to_host();
      bytes_ = copy_;
    }
  }
  Fetched(const Fetched&) = delete;
  Fetched& operator=(const Fetched&) = delete;
  std::span<const std::byte> bytes() const { return bytes_; }

 private:
  std::vector<std::byte> copy_;
  std::span<const std::byte> bytes_;
};

/// Between parts of a long comparison.
void report(const Watch& watch, std::int64_t done, std::int64_t total) {
  if (watch.stop.stop_requested()) throw Error(Errc::cancelled, "while comparing");
  if (watch.progress) watch.progress(done, total);
}

/// Piece by piece, since the backend does not stop within one.
FirstMismatch find_first(const DeviceBuffer& actual, const DeviceBuffer& expected,
                         const Watch& watch) {
  constexpr std::int64_t piece_bytes = std::int64_t{64} << 20;
  const std::int64_t itemsize = actual.format().itemsize();
  const std::int64_t piece = std::max<std::int64_t>(piece_bytes / itemsize, 1);
  FirstMismatch all;
  for (std::int64_t begin = 0; begin < actual.size(); begin += piece) {
    report(watch, begin * itemsize, actual.nbytes());
    const FirstMismatch here =
        backend_of(actual.device())
            .compare(actual.data() + begin * itemsize, expected.data() + begin * itemsize,
                     std::min(piece, actual.size() - begin), itemsize,
                     {memory_of(actual), memory_of(expected)});
    if (here.mismatches > 0 && all.mismatches == 0) all.first = begin + here.first;
    all.mismatches += here.mismatches;
  }
  return all;
}

Comparison compare_on_device(const DeviceBuffer& actual, const DeviceBuffer& expected,
                             const Watch& watch) {
  actual.synchronize();
  expected.synchronize();
  Backend& backend = backend_of(actual.device());
  const std::int64_t itemsize = actual.format().itemsize();
  const FirstMismatch found = find_first(actual, expected, watch);
  Comparison result;
  result.elements = actual.size();
  result.mismatches = found.mismatches;
  if (result.equal()) return result;

  result.first = coordinates(found.first, actual.shape());
  std::vector<std::byte> actual_element(static_cast<std::size_t>(itemsize));
  std::vector<std::byte> expected_element(static_cast<std::size_t>(itemsize));
  const std::int64_t offset = found.first * itemsize;
  backend.read(actual_element.data(), memory_of(actual).get(), actual.data() + offset, itemsize);
  backend.read(expected_element.data(), memory_of(expected).get(), expected.data() + offset,
               itemsize);
  show_mismatch(result, actual.format(), actual_element, expected_element);
  return result;
}

/// "1,024"
std::string thousands(std::int64_t number) {
  std::string digits = std::to_string(number);
  for (std::size_t end = digits.size(); end > 3; end -= 3) digits.insert(end - 3, ",");
  return digits;
}

}  // namespace

std::string describe(const Comparison& comparison) {
  const std::int64_t elements = comparison.elements;
  if (elements == 0) return "there are no elements to compare";
  if (comparison.equal()) {
    return elements == 1 ? "the only element is equal"
                         : text("all ", thousands(elements), " elements are equal");
  }
  return text(thousands(comparison.mismatches), " of ", thousands(elements),
              elements == 1 ? " element" : " elements",
              comparison.mismatches == 1 ? " differs" : " differ", "; the first at ",
              tuple_text(comparison.first), ": ", comparison.actual, ", expected ",
              comparison.expected);
}

Comparison verify(std::span<const std::byte> actual, std::span<const std::byte> expected,
                  std::span<const std::int64_t> shape, const Format& format,
                  const VerifyOptions& options) {
  const auto& [tolerance, watch] = options;
  Comparison result;
  result.elements = product(shape);
  check_bytes("actual", actual.size(), result.elements, shape, format);
  check_bytes("expected", expected.size(), result.elements, shape, format);
  check_tolerance(tolerance, format);

  const auto itemsize = static_cast<std::size_t>(format.itemsize());
  const auto equal_bytes = [&](std::size_t begin, std::size_t count) {
    return std::memcmp(actual.data() + begin, expected.data() + begin, count) == 0;
  };
  const auto equal_element = [&](std::size_t at) {
    return equal_bytes(at, itemsize) ||
           (!tolerance.exact() &&
            close_elements(format.type(), actual.data() + at, expected.data() + at, tolerance));
  };
  // Most blocks are equal bit for bit, which is equal by any measure; the others are looked into.
  const std::size_t block = std::max<std::size_t>(4096 / itemsize, 1) * itemsize;
  constexpr std::size_t blocks_between_reports = 256;
  std::optional<std::size_t> first;
  for (std::size_t begin = 0; begin < actual.size(); begin += block) {
    if (begin / block % blocks_between_reports == 0)
      report(watch, static_cast<std::int64_t>(begin), static_cast<std::int64_t>(actual.size()));
    const std::size_t end = std::min(begin + block, actual.size());
    if (equal_bytes(begin, end - begin)) continue;
    for (std::size_t at = begin; at < end; at += itemsize) {
      if (equal_element(at)) continue;
      ++result.mismatches;
      if (!first) first = at;
    }
  }
  if (first) {
    result.first = coordinates(static_cast<std::int64_t>(*first / itemsize), shape);
    show_mismatch(result, format, actual.subspan(*first, itemsize),
                  expected.subspan(*first, itemsize));
  }
  return result;
}

Comparison verify(const DeviceBuffer& actual, std::span<const std::byte> expected,
                  const VerifyOptions& options) {
  const Fetched fetched(actual);
  return verify(fetched.bytes(), expected, actual.shape(), actual.format(), options);
}

Comparison verify(const DeviceBuffer& actual, const DeviceBuffer& expected,
                  const VerifyOptions& options) {
  if (actual.shape() != expected.shape()) {
    throw Error(Errc::invalid_argument, text("shapes ", tuple_text(actual.shape()), " and ",
                                             tuple_text(expected.shape()), " differ"));
  }
  if (!(actual.format() == expected.format())) {
    throw Error(Errc::invalid_argument,
                text("formats \"", actual.format().text(), "\" of itemsize ",
                     actual.format().itemsize(), " and \"", expected.format().text(),
                     "\" of itemsize ", expected.format().itemsize(), " differ"));
  }
  if (options.tolerance.exact() && actual.size() > 0 && actual.device() == expected.device() &&
      actual.is_c_contiguous() && expected.is_c_contiguous()) {
    return compare_on_device(actual, expected, options.watch);
  }
  const Fetched actual_bytes(actual);
  const Fetched expected_bytes(expected);
  return verify(actual_bytes.bytes(), expected_bytes.bytes(), actual.shape(), actual.format(),
                options);
}

}  // namespace multibuffer
