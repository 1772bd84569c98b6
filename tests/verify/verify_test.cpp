#include <multibuffer/error.hpp>
#include <multibuffer/verify.hpp>

#include "host/upload/internals.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <complex>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

namespace multibuffer {
namespace {

using Shape = std::vector<std::int64_t>;

constexpr double inf = std::numeric_limits<double>::infinity();
constexpr double nan = std::numeric_limits<double>::quiet_NaN();

template <class T>
std::span<const std::byte> bytes_of(const std::vector<T>& values) {
  return std::as_bytes(std::span(values));
}

/// Compares two lists of numbers of one type.
template <class T>
Comparison compare(const std::vector<T>& actual, const std::vector<T>& expected, const char* format,
                   const Tolerance& tolerance = {}) {
  const Shape shape{static_cast<std::int64_t>(actual.size())};
  return verify(bytes_of(actual), bytes_of(expected), shape, Format(format, sizeof(T)),
                {tolerance});
}

template <class T>
bool close(T actual, T expected, const char* format, const Tolerance& tolerance) {
  return compare(std::vector{actual}, std::vector{expected}, format, tolerance).equal();
}

template <class T>
T swapped(T value) {
  auto bytes = std::bit_cast<std::array<std::byte, sizeof(T)>>(value);
  std::ranges::reverse(bytes);
  return std::bit_cast<T>(bytes);
}

template <class Call>
std::optional<Errc> code_of(Call&& call, std::string* message = nullptr) {
  try {
    call();
  } catch (const Error& error) {
    if (message) *message = error.what();
    return error.code();
  }
  return std::nullopt;
}

constexpr Tolerance absolute(double value) { return {value, 0, 0}; }
constexpr Tolerance relative(double value) { return {0, value, 0}; }
constexpr Tolerance ulps(std::int64_t value) { return {0, 0, value}; }

// ---------------------------------------------------------------------------------------------
// By bits

TEST(Verify, FindsNothingInEqualArrays) {
  const std::vector<std::int32_t> values(1024, 5);
  const Comparison found =
      verify(bytes_of(values), bytes_of(values), Shape{32, 32}, Format("i", 4));
  EXPECT_TRUE(found.equal());
  EXPECT_EQ(found.elements, 1024);
  EXPECT_TRUE(found.first.empty());
  EXPECT_EQ(describe(found), "all 1,024 elements are equal");
}

TEST(Verify, CountsMismatchesAndShowsTheFirstInCOrder) {
  const std::vector<std::int32_t> expected(1024, 7);
  std::vector<std::int32_t> actual = expected;
  actual[17] = 5;
  actual[18] = 6;
  actual[1023] = 8;
  const Comparison found =
      verify(bytes_of(actual), bytes_of(expected), Shape{16, 64}, Format("i", 4));
  EXPECT_FALSE(found.equal());
  EXPECT_EQ(found.mismatches, 3);
  EXPECT_EQ(found.first, (Shape{0, 17}));
  EXPECT_EQ(found.actual, "5");
  EXPECT_EQ(found.expected, "7");
  EXPECT_EQ(describe(found), "3 of 1,024 elements differ; the first at (0, 17): 5, expected 7");
}

TEST(Verify, GivesTheCoordinatesInArraysOfManyAxes) {
  const std::vector<std::uint8_t> expected(24, 0);
  std::vector<std::uint8_t> actual = expected;
  actual[21] = 1;
  const Comparison found =
      verify(bytes_of(actual), bytes_of(expected), Shape{2, 3, 4}, Format("B", 1));
  EXPECT_EQ(found.first, (Shape{1, 2, 1}));
  EXPECT_EQ(describe(found), "1 of 24 elements differs; the first at (1, 2, 1): 1, expected 0");
}

TEST(Verify, CountsAcrossItsBlocks) {
  // Elements whose size divides no power of two, in more than a few blocks.
  constexpr std::int64_t count = 3000;
  const std::vector<std::uint8_t> expected(7 * count, 0);
  std::vector<std::uint8_t> actual = expected;
  for (const std::size_t element : {1000U, 1001U, 2999U}) {
    actual[7 * element] = 1;
    actual[7 * element + 6] = 1;
  }
  const Comparison found =
      verify(bytes_of(actual), bytes_of(expected), Shape{count}, Format("7s", 7));
  EXPECT_EQ(found.mismatches, 3);
  EXPECT_EQ(found.first, Shape{1000});
}

TEST(Verify, StopsWhenItIsAskedTo) {
  const std::vector<std::byte> bytes(8 << 20);
  const std::array<std::int64_t, 1> shape{8 << 20};
  std::stop_source stop;
  const Watch watch{stop.get_token(), [&](std::int64_t done, std::int64_t total) {
                      EXPECT_LT(done, total);
                      if (done > 0) stop.request_stop();
                    }};
  const auto expect_cancelled = [](auto&& call) {
    try {
      call();
      FAIL() << "it went on";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Errc::cancelled);
    }
  };
  expect_cancelled([&] { verify(bytes, bytes, shape, Format(), {.watch = watch}); });
  const DeviceBuffer buffer =
      DeviceBuffer::from_host(Device::host(), bytes.data(), shape, Format());
  expect_cancelled([&] { verify(buffer, buffer, {.watch = watch}); });  // stopped before it begins
}

TEST(Verify, FindsTheFirstMismatchOfAllPieces) {
  std::vector<std::byte> bytes(130 << 20);
  const std::array<std::int64_t, 1> shape{130 << 20};
  const DeviceBuffer a = DeviceBuffer::from_host(Device::host(), bytes.data(), shape, Format());
  bytes[(64 << 20) + 1] = bytes[(128 << 20) + 5] = std::byte{1};
  const DeviceBuffer b = DeviceBuffer::from_host(Device::host(), bytes.data(), shape, Format());
  const Comparison comparison = verify(a, b);
  EXPECT_EQ(comparison.mismatches, 2);
  EXPECT_EQ(comparison.first, (std::vector<std::int64_t>{(64 << 20) + 1}));
}

TEST(Verify, ComparesBitsAndNotNumbers) {
  EXPECT_TRUE(compare<double>({nan}, {nan}, "d").equal());
  EXPECT_FALSE(compare<double>({0.0}, {-0.0}, "d").equal());
  // NaNs look alike: the first byte that differs is shown as well.
  const float other_nan = std::bit_cast<float>(std::uint32_t{0x7fc00001});
  const Comparison found =
      compare<float>({std::numeric_limits<float>::quiet_NaN()}, {other_nan}, "<f");
  EXPECT_EQ(found.actual, "nan (byte 0 is 00)");
  EXPECT_EQ(found.expected, "nan (byte 0 is 01)");
}

TEST(Verify, ComparesOpaqueElementsByTheirBytes) {
  const Format opaque("not a format", 3);
  ASSERT_TRUE(opaque.opaque());
  const std::vector<std::uint8_t> expected{1, 2, 3, 4, 5, 6}, actual{1, 2, 3, 4, 5, 7};
  const Comparison found = verify(bytes_of(actual), bytes_of(expected), Shape{2}, opaque);
  EXPECT_EQ(found.mismatches, 1);
  EXPECT_EQ(found.first, Shape{1});
  EXPECT_EQ(found.actual, show_element(opaque, reinterpret_cast<const std::byte*>(&actual[3])));
}

TEST(Verify, ComparesSingleElementsAndNone) {
  const std::vector<std::uint8_t> none, five{5}, seven{7};
  EXPECT_EQ(describe(verify(bytes_of(none), bytes_of(none), Shape{0, 3}, Format())),
            "there are no elements to compare");
  EXPECT_EQ(describe(verify(bytes_of(five), bytes_of(five), Shape{}, Format())),
            "the only element is equal");
  EXPECT_EQ(describe(verify(bytes_of(five), bytes_of(seven), Shape{}, Format())),
            "1 of 1 element differs; the first at (): 5, expected 7");
}

TEST(Verify, RefusesArraysOfOtherSizes) {
  const std::vector<std::uint8_t> three(3), four(4);
  std::string message;
  EXPECT_EQ(code_of([&] { verify(bytes_of(three), bytes_of(four), Shape{4}, Format()); }, &message),
            Errc::invalid_argument);
  EXPECT_NE(message.find("the actual array has 3 bytes"), std::string::npos) << message;
  EXPECT_EQ(code_of([&] { verify(bytes_of(four), bytes_of(three), Shape{4}, Format()); }),
            Errc::invalid_argument);
}

// ---------------------------------------------------------------------------------------------
// With a tolerance

TEST(VerifyTolerance, IsAbsolutePlusRelativeToTheExpectedValue) {
  EXPECT_TRUE(close(1.25, 1.0, "d", absolute(0.25)));
  EXPECT_FALSE(close(1.25, 1.0, "d", absolute(0.24)));
  EXPECT_TRUE(close(-75.0, -100.0, "d", relative(0.25)));
  EXPECT_FALSE(close(-100.0, -75.0, "d", relative(0.25)));
  EXPECT_TRUE(close(-60.0, -100.0, "d", {.absolute = 15, .relative = 0.25, .ulp = 0}));
  EXPECT_TRUE(close(0.0, -0.0, "d", absolute(1e-300)));
  EXPECT_FALSE(close(-1.0, 1.0, "d", absolute(1.5)));
}

TEST(VerifyTolerance, CountsOnlyWhatIsOutsideOfIt) {
  const Comparison found = compare<float>({1.0F, 2.1F, 3.0F, 4.5F, 5.7F},
                                          {1.0F, 2.0F, 3.0F, 4.0F, 5.0F}, "f", absolute(0.2));
  EXPECT_EQ(found.mismatches, 2);
  EXPECT_EQ(found.first, Shape{3});
  EXPECT_EQ(found.actual, "4.5");
}

TEST(VerifyTolerance, NaNEqualsAnyNaNAndNothingElse) {
  const float payload = std::bit_cast<float>(std::uint32_t{0xffc12345});
  EXPECT_TRUE(close(payload, std::numeric_limits<float>::quiet_NaN(), "f", absolute(1e-9)));
  EXPECT_FALSE(close(1.0, nan, "d", absolute(1e9)));
  EXPECT_FALSE(close(nan, 1.0, "d", ulps(1 << 30)));
}

TEST(VerifyTolerance, InfinitiesAreEqualToThemselvesAlone) {
  EXPECT_TRUE(close(inf, inf, "d", relative(0.1)));
  EXPECT_FALSE(close(-inf, inf, "d", relative(0.1)));
  EXPECT_FALSE(close(1.0, inf, "d", relative(0.1)));
  EXPECT_FALSE(close(inf, 1.0, "d", absolute(1e308)));
  EXPECT_FALSE(close(std::numeric_limits<double>::max(), inf, "d", ulps(1)));
}

TEST(VerifyTolerance, CountsRepresentableNumbers) {
  const double one = 1.0;
  const double next = std::nextafter(one, 2.0);
  EXPECT_TRUE(close(next, one, "d", ulps(1)));
  EXPECT_FALSE(close(std::nextafter(next, 2.0), one, "d", ulps(1)));
  EXPECT_TRUE(close(std::nextafter(next, 2.0), one, "d", ulps(2)));
  EXPECT_TRUE(close(std::nextafter(one, 0.0), one, "d", ulps(1)));
  EXPECT_TRUE(close(std::nextafterf(-1.0F, -2.0F), -1.0F, "f", ulps(1)));
  EXPECT_FALSE(close(-1.0F, 1.0F, "f", ulps(1 << 24)));
}

TEST(VerifyTolerance, CountsThroughZero) {
  const double tiny = std::numeric_limits<double>::denorm_min();
  EXPECT_TRUE(close(tiny, -tiny, "d", ulps(2)));
  EXPECT_FALSE(close(tiny, -tiny, "d", ulps(1)));
  EXPECT_TRUE(close(-0.0, 0.0, "d", ulps(1)));
  EXPECT_FALSE(close(std::numeric_limits<double>::max(), std::numeric_limits<double>::lowest(), "d",
                     ulps(std::numeric_limits<std::int64_t>::max())));
}

TEST(VerifyTolerance, KnowsRealsThatHaveAName) {
  const std::uint16_t one = 0x3f80, next = 0x3f81;
  EXPECT_TRUE(close(next, one, "bfloat16", ulps(1)));
  EXPECT_TRUE(close(next, one, "bfloat16", absolute(0.0078125)));
  EXPECT_FALSE(close(next, one, "bfloat16", absolute(0.0078)));
  const std::uint8_t least = 0x01, minus_least = 0x81, no_number = 0x80, largest = 0x7f;
  EXPECT_TRUE(close(least, minus_least, "float8_e4m3fnuz", ulps(2)));
  EXPECT_FALSE(close(least, minus_least, "float8_e4m3fnuz", ulps(1)));
  EXPECT_FALSE(close(no_number, largest, "float8_e4m3fnuz", ulps(1000)));
  EXPECT_TRUE(close(no_number, no_number, "float8_e4m3fnuz", absolute(1)));
  const std::uint8_t two = 0x80, before = 0x7f;  // of an exponent without a sign: 2 and 1
  EXPECT_TRUE(close(two, before, "float8_e8m0fnu", ulps(1)));
  EXPECT_FALSE(close(two, before, "float8_e8m0fnu", absolute(0.9)));
}

TEST(VerifyTolerance, KnowsHalfs) {
  const std::uint16_t one = 0x3c00, one_and_an_ulp = 0x3c01, two = 0x4000, third = 0x3555;
  const std::uint16_t smallest = 0x0001, minus_smallest = 0x8001, infinity = 0x7c00, most = 0x7bff;
  EXPECT_TRUE(close(one_and_an_ulp, one, "e", ulps(1)));
  EXPECT_FALSE(close(one_and_an_ulp, one, "e", absolute(0.0009)));
  EXPECT_TRUE(close(one_and_an_ulp, one, "e", absolute(0.0009765625)));
  EXPECT_FALSE(close(two, one, "e", absolute(0.99)));
  EXPECT_TRUE(close(two, one, "e", relative(1)));
  EXPECT_TRUE(close(third, one, "e", absolute(0.66675)));  // 1 - 0.333251953125 = 0.666748046875
  EXPECT_FALSE(close(third, one, "e", absolute(0.66674)));
  EXPECT_TRUE(close(smallest, minus_smallest, "e", ulps(2)));
  EXPECT_TRUE(close(smallest, minus_smallest, "e", absolute(std::ldexp(1.0, -23))));
  EXPECT_FALSE(close(infinity, most, "e", ulps(1)));
  EXPECT_TRUE(close(swapped(one_and_an_ulp), swapped(one), ">e", ulps(1)));
}

TEST(VerifyTolerance, KnowsEveryByteOrder) {
  EXPECT_TRUE(close(swapped(1.5), swapped(1.0), ">d", absolute(0.5)));
  EXPECT_FALSE(close(swapped(1.5), swapped(1.0), ">d", absolute(0.4)));
  EXPECT_TRUE(close(swapped(std::nextafterf(1.0F, 2.0F)), swapped(1.0F), "!f", ulps(1)));
  EXPECT_TRUE(close(swapped(std::int32_t{-3}), swapped(std::int32_t{2}), ">i", absolute(5)));
  EXPECT_FALSE(close(swapped(std::int32_t{-3}), swapped(std::int32_t{2}), ">i", absolute(4)));
}

TEST(VerifyTolerance, KnowsLongDoublesButNoDistanceBetweenThem) {
  using Real = long double;
  EXPECT_TRUE(compare<Real>({1.5L, nan}, {1.0L, nan}, "g", absolute(0.5)).equal());
  EXPECT_FALSE(compare<Real>({1.5L}, {1.0L}, "g", absolute(0.4)).equal());
  std::string message;
  EXPECT_EQ(code_of([&] { compare<Real>({1.0L}, {1.0L}, "g", ulps(1)); }, &message),
            Errc::format_unsupported);
  EXPECT_NE(message.find("\"g\""), std::string::npos) << message;
  EXPECT_NE(message.find("long double"), std::string::npos) << message;
}

TEST(VerifyTolerance, MeasuresComplexNumbersByTheirMagnitude) {
  using Complex = std::complex<double>;
  EXPECT_TRUE(close(Complex(3, 4), Complex(0, 0), "Zd", absolute(5)));
  EXPECT_FALSE(close(Complex(3, 4), Complex(0, 0), "Zd", absolute(4.9)));
  EXPECT_TRUE(close(Complex(6, 8.5), Complex(6, 8), "Zd", relative(0.05)));
  EXPECT_TRUE(close(Complex(std::nextafter(1.0, 2.0), std::nextafter(2.0, 1.0)), Complex(1, 2),
                    "Zd", ulps(1)));
  EXPECT_TRUE(close(Complex(nan, 1.25), Complex(nan, 1), "Zd", absolute(0.25)));
  EXPECT_FALSE(close(Complex(nan, 1.25), Complex(nan, 1), "Zd", absolute(0.1)));
  EXPECT_FALSE(close(Complex(inf, 1), Complex(1, 1), "Zd", relative(1)));
  EXPECT_TRUE(close(std::complex<float>(1.5F, 0), std::complex<float>(1, 0), "Zf", absolute(0.5)));
}

TEST(VerifyTolerance, MeasuresIntegersExactly) {
  constexpr auto most = std::numeric_limits<std::int64_t>::max();
  constexpr auto least = std::numeric_limits<std::int64_t>::min();
  EXPECT_TRUE(close(most, most - 1, "q", ulps(1)));
  EXPECT_FALSE(close(most, most - 2, "q", ulps(1)));
  EXPECT_FALSE(close(most, most - 2, "q", absolute(1)));
  EXPECT_FALSE(close(least, most, "q", ulps(most)));
  EXPECT_FALSE(close(least, most, "q", absolute(1e19)));
  EXPECT_TRUE(close(least, most, "q", absolute(2e19)));
  EXPECT_TRUE(close(std::uint64_t{0}, std::uint64_t{1} << 63, "Q", relative(1)));
  EXPECT_TRUE(close(std::int8_t{-128}, std::int8_t{127}, "b", absolute(255)));
  EXPECT_FALSE(close(std::int8_t{-128}, std::int8_t{127}, "b", absolute(254)));
  EXPECT_TRUE(close(std::uint16_t{65535}, std::uint16_t{65500}, "H", relative(0.001)));
}

TEST(VerifyTolerance, LooksIntoStructsAndSubArrays) {
  struct Sample {
    std::int32_t id;
    float values[2][2];
    double weight;
  };
  static_assert(sizeof(Sample) == 32);
  const char* const format = "T{i:id:(2,2)f:values:xxxxd:weight:}";
  const Sample expected{7, {{1, 2}, {3, 4}}, 0.5};
  Sample actual = expected;
  EXPECT_TRUE(close(actual, expected, format, absolute(0.1)));
  actual.values[1][0] = 3.0625F;
  EXPECT_TRUE(close(actual, expected, format, absolute(0.1)));
  EXPECT_FALSE(close(actual, expected, format, absolute(0.05)));
  actual.values[1][0] = 3;
  actual.weight = 0.75;
  EXPECT_FALSE(close(actual, expected, format, absolute(0.1)));
  actual.weight = 0.5;
  actual.id = 8;
  EXPECT_FALSE(close(actual, expected, format, absolute(0.1)));
}

TEST(VerifyTolerance, IgnoresPaddingWhichBitsDoNot) {
  std::vector<std::uint8_t> expected(8, 0), actual(8, 0);
  actual[2] = 9;
  const Format format("T{b:a:xxxi:b:}", 8);
  ASSERT_FALSE(format.opaque()) << format.why_opaque();
  const auto found = [&](const Tolerance& tolerance) {
    return verify(bytes_of(actual), bytes_of(expected), Shape{1}, format, {tolerance});
  };
  EXPECT_TRUE(found(absolute(0.5)).equal());
  EXPECT_FALSE(found({}).equal());
  EXPECT_NE(found({}).actual.find("(byte 2 is 09)"), std::string::npos) << found({}).actual;
}

TEST(VerifyTolerance, IsRefusedWhereElementsAreNotNumbers) {
  const std::vector<std::uint8_t> bytes(16, 1);
  const auto refusal = [&](const char* text, std::int64_t itemsize) {
    std::string message;
    const Format format(text, itemsize);
    const auto code = code_of(
        [&] {
          verify(bytes_of(bytes), bytes_of(bytes), Shape{16 / itemsize}, format, {absolute(1)});
        },
        &message);
    EXPECT_NE(message.find(text), std::string::npos) << message;
    return code;
  };
  EXPECT_EQ(refusal("who knows", 4), Errc::format_unsupported);
  EXPECT_EQ(refusal("i", 8), Errc::format_unsupported);  // opaque: the size is not the itemsize
  EXPECT_EQ(refusal("8s", 8), Errc::format_unsupported);
  EXPECT_EQ(refusal("?", 1), Errc::format_unsupported);
  EXPECT_EQ(refusal("T{i:a:4s:name:}", 8), Errc::format_unsupported);
}

TEST(VerifyTolerance, MustBeFiniteAndNotNegative) {
  for (const Tolerance& bad : {absolute(-1), absolute(nan), relative(inf), ulps(-1)}) {
    EXPECT_EQ(code_of([&] { close(1.0, 1.0, "d", bad); }), Errc::invalid_argument);
  }
}

// ---------------------------------------------------------------------------------------------
// Results on a device

class VerifyResults : public ::testing::Test {
 protected:
  static DeviceBuffer buffer(const std::vector<std::int32_t>& values, const Shape& shape,
                             const char* format = "i") {
    return DeviceBuffer::from_host(Device::host(), values.data(), shape, Format(format, 4));
  }
  /// The same elements in Fortran order; borrows `memory`.
  static DeviceBuffer fortran(std::vector<std::int32_t>& memory,
                              const std::vector<std::int32_t>& values, const Shape& shape) {
    for (std::int64_t row = 0; row < shape[0]; ++row) {
      for (std::int64_t column = 0; column < shape[1]; ++column) {
        memory[static_cast<std::size_t>(column * shape[0] + row)] =
            values[static_cast<std::size_t>(row * shape[1] + column)];
      }
    }
    return make_buffer({.device = Device::host(),
                        .format = Format("i", 4),
                        .shape = shape,
                        .strides = {4, 4 * shape[0]},
                        .data = reinterpret_cast<std::byte*>(memory.data()),
                        .memory = nullptr,
                        .stream = {},
                        .pending = nullptr});
  }
};

TEST_F(VerifyResults, AreComparedWithHostArrays) {
  const std::vector<std::int32_t> expected{1, 2, 3, 4, 5, 6};
  EXPECT_EQ(describe(verify(buffer({1, 2, 3, 4, 5, 6}, {2, 3}), bytes_of(expected))),
            "all 6 elements are equal");
  EXPECT_EQ(describe(verify(buffer({1, 2, 3, 4, 9, 6}, {2, 3}), bytes_of(expected))),
            "1 of 6 elements differs; the first at (1, 1): 9, expected 5");
  EXPECT_TRUE(
      verify(buffer({1, 2, 3, 4, 9, 6}, {2, 3}), bytes_of(expected), {absolute(4)}).equal());
}

TEST_F(VerifyResults, AreComparedWithEachOther) {
  const DeviceBuffer expected = buffer({1, 2, 3, 4, 5, 6}, {2, 3});
  EXPECT_TRUE(verify(buffer({1, 2, 3, 4, 5, 6}, {2, 3}), expected).equal());
  const Comparison found = verify(buffer({1, 2, 3, 4, 7, 8}, {2, 3}), expected);
  EXPECT_EQ(describe(found), "2 of 6 elements differ; the first at (1, 1): 7, expected 5");
  EXPECT_TRUE(verify(buffer({1, 2, 3, 4, 7, 8}, {2, 3}), expected, {absolute(2)}).equal());
  EXPECT_EQ(verify(buffer({}, {0, 3}), buffer({}, {0, 3})).elements, 0);
}

TEST_F(VerifyResults, AreComparedInCOrderWhateverTheirStrides) {
  const std::vector<std::int32_t> values{1, 2, 3, 4, 5, 6}, other{1, 2, 0, 0, 5, 6};
  std::vector<std::int32_t> memory(6), other_memory(6);
  const DeviceBuffer transposed = fortran(memory, values, {2, 3});
  const DeviceBuffer other_transposed = fortran(other_memory, other, {2, 3});
  const char* const expected = "2 of 6 elements differ; the first at (0, 2): 0, expected 3";
  EXPECT_TRUE(verify(transposed, buffer(values, {2, 3})).equal());
  EXPECT_TRUE(verify(transposed, bytes_of(values)).equal());
  EXPECT_EQ(describe(verify(other_transposed, buffer(values, {2, 3}))), expected);
  EXPECT_EQ(describe(verify(other_transposed, transposed)), expected);
  EXPECT_EQ(describe(verify(other_transposed, bytes_of(values))), expected);
}

TEST_F(VerifyResults, MustAgreeInShapeAndFormat) {
  const DeviceBuffer one = buffer({1, 2, 3, 4, 5, 6}, {2, 3});
  std::string message;
  EXPECT_EQ(code_of(
                [&] {
                  verify(one, buffer({1, 2, 3, 4, 5, 6}, {3, 2}));
                },
                &message),
            Errc::invalid_argument);
  EXPECT_NE(message.find("(2, 3) and (3, 2)"), std::string::npos) << message;
  EXPECT_EQ(code_of(
                [&] {
                  verify(one, buffer({1, 2, 3, 4, 5, 6}, {2, 3}, "I"));
                },
                &message),
            Errc::invalid_argument);
  EXPECT_NE(message.find("\"i\" of itemsize 4 and \"I\""), std::string::npos) << message;
  const std::vector<std::int32_t> five(5);
  EXPECT_EQ(code_of([&] { verify(one, bytes_of(five)); }), Errc::invalid_argument);
}

}  // namespace
}  // namespace multibuffer
