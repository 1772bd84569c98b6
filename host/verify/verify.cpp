#include <multibuffer/error.hpp>
#include <multibuffer/verify.hpp>

#include "host/backend/backend.hpp"
#include "host/support/checked.hpp"
#include "host/support/index_of.hpp"
#include "host/support/text.hpp"
#include "host/support/threshold.hpp"
#include "host/upload/internals.hpp"
#include "host/verify/tolerance.hpp"

#include <algorithm>
#include <cstring>
#include <optional>
#include <string_view>

namespace multibuffer {
namespace {

std::int64_t product(std::span<const std::int64_t> extents) {
  std::int64_t result = 1;
  for (const std::int64_t extent : extents) {
    if (extent == 0) return 0;
    result = checked_multiply(result, extent, "the number of elements");
  }
  return result;
}

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
    throw Failure(Errc::invalid_argument,
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
  if (watch.stop.stop_requested()) throw Failure(Errc::cancelled, "while comparing");
  if (watch.progress) watch.progress(done, total);
}

/// Piece by piece, since the backend does not stop within one.
FirstMismatch find_first(const DeviceBuffer& actual, const DeviceBuffer& expected,
                         const Watch& watch) {
  constexpr Threshold piece_bytes{std::int64_t{64} << 20, 4096};
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
  report(watch, actual.nbytes(), actual.nbytes());
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
  const Tolerance& tolerance = options.tolerance;
  const Watch& watch = options.watch;
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
            are_close(format.type(), actual.data() + at, expected.data() + at, tolerance));
  };
  // Most blocks are equal bit for bit, which is equal by any measure; the others are looked into.
  const std::size_t block = std::max<std::size_t>(4096 / itemsize, 1) * itemsize;
  constexpr Threshold between_reports{256, 1};
  const std::size_t blocks_between_reports = index_of(between_reports);
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
  report(watch, static_cast<std::int64_t>(actual.size()), static_cast<std::int64_t>(actual.size()));
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
    throw Failure(Errc::invalid_argument, text("shapes ", tuple_text(actual.shape()), " and ",
                                               tuple_text(expected.shape()), " differ"));
  }
  if (!same_meaning(actual.format(), expected.format())) {
    throw Failure(Errc::invalid_argument,
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
