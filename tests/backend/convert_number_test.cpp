#include "host/backend/convert_number.hpp"

#include <multibuffer/reference.hpp>

#include "host/cpu/convert_items.hpp"
#include "host/gather/conversion.hpp"
#include "tests/testing/cases.hpp"
#include "tests/testing/number_samples.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <limits>
#include <string>
#include <vector>

namespace multibuffer {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

/// A 16-bit float as its definition has it.
double value_of(std::uint32_t bits, int fraction_bits) {
  const int bias = (1 << (14 - fraction_bits)) - 1;
  const auto fraction = static_cast<double>(bits & ((1U << fraction_bits) - 1));
  const auto exponent = static_cast<int>(bits & 0x7fff) >> fraction_bits;
  const double hidden = exponent == 0 ? 0 : std::ldexp(1, fraction_bits);
  const double size = std::ldexp(hidden + fraction, std::max(exponent, 1) - bias - fraction_bits);
  const bool special = exponent == 2 * bias + 1;
  const double value = !special ? size : fraction == 0 ? infinity : std::nan("");
  return (bits & 0x8000) != 0 ? -value : value;
}

template <class T>
constexpr int fraction_bits = std::is_same_v<T, Half> ? 10 : 7;

template <class T>
T from_bits(std::uint32_t bits) {
  return {static_cast<std::uint16_t>(bits)};
}

/// Floats of every size, and pairs whose product or sum is beside a number of some kind.
TEST(Fused, IsTheProcessorsMultiplyAddInEveryBit) {
  testing::Random random(7);
  const auto any = [&] {
    const float special[] = {0.0F,
                             -0.0F,
                             1.0F,
                             -1.0F,
                             1e-45F,
                             -1e-45F,
                             1.1754944e-38F,
                             3.4e38F,
                             -3.4e38F,
                             0x1.fffffep-1F,
                             1 / 255.0F,
                             std::numeric_limits<float>::infinity(),
                             -std::numeric_limits<float>::infinity(),
                             std::nanf("")};
    if (random.chance(20)) return special[random.next() % std::size(special)];
    const auto bits = static_cast<std::uint32_t>(random.next());
    return std::bit_cast<float>(bits);
  };
  const auto expect_same = [](float a, float b, float c) {
    const float expected = std::fmaf(a, b, c);
    const float made = fused(a, b, c);
    const bool same = std::isnan(expected) ? std::isnan(made)
                                           : std::bit_cast<std::uint32_t>(made) ==
                                                 std::bit_cast<std::uint32_t>(expected);
    ASSERT_TRUE(same) << a << " * " << b << " + " << c << " is " << expected << ", not " << made;
  };
  for (int i = 0; i < testing::cases(1'000'000) && !HasFatalFailure(); ++i) {
    const float a = any();
    const float b = any();
    expect_same(a, b, any());
    // What the product leaves of a term of its size, and terms at its last place and below.
    const float product = a * b;
    expect_same(a, b, -product);
    expect_same(a, b, std::ldexp(product, static_cast<int>(random.between(-60, 60))));
    const int exponent = std::isnormal(product) ? std::ilogb(product) : 0;
    expect_same(a, b, std::ldexp(1.0F, exponent + static_cast<int>(random.between(-30, 30))));
    // Results that are subnormal.
    expect_same(std::ldexp(a, -140), b, std::ldexp(any(), -140));
  }
}

TEST(Fused, ScaledNumbersHaveOneNaN) {
  const float nan = scaled(-std::nanf("1"), 1, 0);
  EXPECT_EQ(std::bit_cast<std::uint32_t>(nan), 0x7fc00000U);
  const float infinite = std::numeric_limits<float>::infinity();
  EXPECT_EQ(std::bit_cast<std::uint32_t>(scaled(infinite, 0, 1)), 0x7fc00000U);
  EXPECT_EQ(std::bit_cast<std::uint32_t>(scaled(infinite, 1, -infinite)), 0x7fc00000U);
  EXPECT_EQ(scaled(3e38F, 2, -3e38F), 3e38F);  // a product beyond float32 is no number yet
}

template <class T>
class ShortReals : public ::testing::Test {};
using ShortRealTypes = ::testing::Types<Half, BFloat16>;
TYPED_TEST_SUITE(ShortReals, ShortRealTypes);

TYPED_TEST(ShortReals, AreWhatTheirDigitsSay) {
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    const float value = widened(from_bits<TypeParam>(bits));
    const double expected = value_of(bits, fraction_bits<TypeParam>);
    if (std::isnan(expected)) {
      EXPECT_TRUE(std::isnan(value)) << bits;
    } else {
      EXPECT_EQ(static_cast<double>(value), expected) << bits;
    }
    EXPECT_EQ(std::signbit(value), (bits & 0x8000) != 0) << bits;
  }
}

TYPED_TEST(ShortReals, KeepTheirBitsThroughEveryWiderReal) {
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    const float value = widened(from_bits<TypeParam>(bits));
    // A NaN is quiet afterwards.
    const std::uint32_t quiet = std::isnan(value) ? 1U << (fraction_bits<TypeParam> - 1) : 0;
    EXPECT_EQ((converted<TypeParam, false>(value).bits), bits | quiet) << bits;
    EXPECT_EQ((converted<TypeParam, false>(to_double(value)).bits), bits | quiet) << bits;
  }
}

/// A real halfway between neighbours goes to the even one, and the next real on either side to
/// the nearer: from float, and from double, whose next real a float could not tell from halfway.
TYPED_TEST(ShortReals, AreTheNearestOnes) {
  const auto expect = [](auto value, std::uint32_t bits) {
    EXPECT_EQ((converted<TypeParam, false>(value).bits), bits) << value;
    EXPECT_EQ((converted<TypeParam, false>(-value).bits), bits | 0x8000) << value;
  };
  const std::uint32_t infinite = (0x7fffU >> fraction_bits<TypeParam>) << fraction_bits<TypeParam>;
  for (std::uint32_t low = 0; low < infinite; ++low) {
    const double below = value_of(low, fraction_bits<TypeParam>);
    // Beyond the largest it goes on as if there were larger ones, and those are infinite.
    const double above = low + 1 == infinite
                             ? below + (below - value_of(low - 1, fraction_bits<TypeParam>))
                             : value_of(low + 1, fraction_bits<TypeParam>);
    const double halfway = below + (above - below) / 2;
    const std::uint32_t even = low + low % 2;
    expect(halfway, even);
    expect(std::nextafter(halfway, infinity), low + 1);
    expect(std::nextafter(halfway, 0.0), low);
    const auto halfway_float = static_cast<float>(halfway);
    if (static_cast<double>(halfway_float) != halfway) continue;  // below float's last place
    expect(halfway_float, even);
    expect(std::nextafter(halfway_float, std::numeric_limits<float>::infinity()), low + 1);
    expect(std::nextafter(halfway_float, 0.0F), low);
  }
}

TYPED_TEST(ShortReals, AreTheNearestToIntegers) {
  const auto expect = [](auto value) {
    // No bit of such an integer is lost in a long double, nor where it has 53 of them.
    const auto exact = static_cast<long double>(value);
    const auto rounded = static_cast<double>(exact);
    ASSERT_EQ(static_cast<long double>(rounded), exact);
    EXPECT_EQ((converted<TypeParam, false>(value).bits),
              (converted<TypeParam, false>(rounded).bits))
        << value;
  };
  for (std::int32_t value = -140'000; value <= 140'000; ++value) {
    expect(value);
    expect(std::int64_t{value});
    if (value >= 0) expect(static_cast<std::uint32_t>(value));
    if (value >= 0 && value < 65536) expect(static_cast<std::uint16_t>(value));
  }
  // Halfway between two bfloat16, and one off, with more bits than double has.
  for (int exponent = 9; exponent < 63; ++exponent)
    for (std::int64_t digits = 0x80; digits < 0x100; ++digits) {
      const std::int64_t halfway = (2 * digits + 1) << (exponent - 8);
      const auto low = static_cast<std::uint32_t>((exponent + 127) << 7 | (digits & 0x7f));
      for (const std::int64_t off : {-1, 0, 1}) {
        const std::uint32_t nearest = off == 0 ? low + (low & 1) : off < 0 ? low : low + 1;
        if constexpr (std::is_same_v<TypeParam, BFloat16>) {
          EXPECT_EQ((converted<BFloat16, false>(halfway + off).bits), nearest);
          EXPECT_EQ((converted<BFloat16, false>(-halfway - off).bits), nearest | 0x8000);
          EXPECT_EQ((converted<BFloat16, false>(static_cast<std::uint64_t>(halfway + off)).bits),
                    nearest);
          EXPECT_EQ(
              (converted<BFloat16, false>(2 * static_cast<std::uint64_t>(halfway + off)).bits),
              nearest + 0x80);
        } else if (exponent > 17) {
          EXPECT_EQ((converted<Half, false>(halfway + off).bits), 0x7c00);
          EXPECT_EQ((converted<Half, false>(-halfway - off).bits), 0xfc00);
        }
      }
    }
}

// ---------------------------------------------------------------------------------------------
// Floats of 8 bits, by their definitions: the value of each code, and the nearest of all values

/// Returns the value of a code, by the name of its type.
double value_of_float8(const std::string& name, std::uint32_t code) {
  if (name == "float8_e8m0fnu")
    return code == 0xff ? std::nan("") : std::ldexp(1.0, static_cast<int>(code) - 127);
  const int fraction_bits = name[10] - '0';  // float8_eXmY
  const int exponent_bits = name[8] - '0';
  const bool has_infinity = name.size() == 11;
  const bool has_minus_zero = !name.ends_with("fnuz");
  const int bias =
      name.ends_with("b11fnuz") ? 11 : (1 << (exponent_bits - 1)) - (has_minus_zero ? 1 : 0);
  const std::uint32_t rest = code & 0x7f;
  const std::uint32_t fraction = rest & ((1U << fraction_bits) - 1);
  const std::uint32_t exponent = rest >> fraction_bits;
  const bool is_highest = exponent == (1U << exponent_bits) - 1;
  if (has_infinity && is_highest && fraction != 0) return std::nan("");
  if (has_minus_zero && !has_infinity && rest == 0x7f) return std::nan("");
  if (!has_minus_zero && code == 0x80) return std::nan("");
  const double size = has_infinity && is_highest ? infinity
                      : exponent == 0
                          ? std::ldexp(fraction, 1 - bias - fraction_bits)
                          : std::ldexp(fraction + (1U << fraction_bits),
                                       static_cast<int>(exponent) - bias - fraction_bits);
  return code >= 0x80 ? -size : size;
}

class Float8s : public ::testing::TestWithParam<ScalarType> {
 protected:
  const ScalarRow& row() const { return row_of(GetParam()); }
  double value(std::uint32_t code) const { return value_of_float8(std::string(row().name), code); }
  float widened_code(std::uint32_t code) const {
    return widened(Float8{static_cast<std::uint8_t>(code)}, row().float8);
  }
  template <class From>
  std::uint32_t code_of(From number) const {
    return converted_by<Float8, false>(row().float8, number).bits;
  }
};

TEST_P(Float8s, AreWhatTheirDigitsSay) {
  for (std::uint32_t code = 0; code < 0x100; ++code) {
    const double expected = value(code);
    const float number = widened_code(code);
    if (std::isnan(expected)) {
      EXPECT_TRUE(std::isnan(number)) << code;
    } else {
      EXPECT_EQ(static_cast<double>(number), expected) << code;
      EXPECT_EQ(std::signbit(number), std::signbit(expected)) << code;
    }
  }
}

TEST_P(Float8s, KeepTheirCodesThroughEveryWiderReal) {
  for (std::uint32_t code = 0; code < 0x100; ++code) {
    const float number = widened_code(code);
    // The NaNs of infinity's exponent are quiet afterwards.
    const bool is_nan = std::isnan(number);
    const std::uint32_t quiet = is_nan && row().float8.specials == Float8Specials::ieee
                                    ? 1U << (row().float8.fraction_bits - 1)
                                    : 0;
    EXPECT_EQ(code_of(number), code | quiet) << code;
    EXPECT_EQ(code_of(to_double(number)), code | quiet) << code;
  }
}

/// A real halfway between neighbours goes to the even one, and the next real on either side to
/// the nearer: from float, and from double, whose next real a float could not tell from halfway.
TEST_P(Float8s, AreTheNearestOnes) {
  const bool is_signed = row().float8.specials != Float8Specials::last_of_all;
  const std::uint32_t largest = row().float8.largest;
  const auto expect = [&](auto number, std::uint32_t code) {
    EXPECT_EQ(code_of(number), code) << number;
    if (is_signed) {
      const bool is_one_zero = row().float8.specials == Float8Specials::minus_zero && code == 0;
      EXPECT_EQ(code_of(-number), is_one_zero ? 0 : code | 0x80) << number;
    } else {
      EXPECT_EQ(code_of(-number), 0xffU) << number;
    }
  };
  for (std::uint32_t low = 0; low <= largest; ++low) {
    const double below = value(low);
    const double above =
        low < largest ? value(low + 1) : 2 * below - (is_signed ? value(low - 1) : 0);
    const double halfway = low < largest || is_signed ? (below + above) / 2 : 1.5 * below;
    // Powers of two have one digit, which is odd.
    const std::uint32_t even = is_signed ? low + (low & 1) : low + 1;
    expect(below, low);
    expect(static_cast<float>(halfway), even);
    expect(std::nextafter(static_cast<float>(halfway), 0.0F), low);
    expect(std::nextafter(static_cast<float>(halfway), std::numeric_limits<float>::infinity()),
           low + 1);
    expect(halfway, even);
    expect(std::nextafter(halfway, 0.0), low);
    expect(std::nextafter(halfway, infinity), low + 1);
  }
  for (const double number : {1e39, 1e300, infinity}) expect(number, largest + 1);
  expect(std::numeric_limits<float>::max(), largest + 1);
  if (is_signed) {
    expect(1e-300, 0);
    expect(std::numeric_limits<float>::denorm_min(), 0);
  } else {
    EXPECT_EQ(code_of(1e-300), 0U) << "the least";
    EXPECT_EQ(code_of(0.0), 0xffU);
  }
}

TEST_P(Float8s, RoundIntegersOnce) {
  for (int exponent = 0; exponent < 63; ++exponent)
    for (const std::int64_t step : {-1, 0, 1})
      for (const std::int64_t half :
           {std::int64_t{0}, (std::int64_t{1} << exponent) / 2, (std::int64_t{1} << exponent) / 4,
            (std::int64_t{1} << exponent) / 16}) {
        const std::int64_t number = (std::int64_t{1} << exponent) + half + step;
        if (number <= 0) continue;
        // As the long double, which is exact, would be rounded: to the nearest of all.
        std::uint32_t nearest = row().float8.largest + 1;
        long double least = infinity;
        for (std::uint32_t code = 0; code <= row().float8.largest; ++code) {
          const auto distance =
              std::abs(static_cast<long double>(value(code)) - static_cast<long double>(number));
          const bool wins_tie =
              distance == least && (code % 2 == 0 || row().float8.fraction_bits == 0);
          if (distance < least || wins_tie) {
            least = distance;
            nearest = code;
          }
        }
        // Beyond the last, where it would be the nearest of an endless row.
        const auto last = static_cast<long double>(value(row().float8.largest));
        const auto before = static_cast<long double>(value(row().float8.largest - 1));
        const auto step_there = row().float8.fraction_bits == 0 ? last : last - before;
        const bool is_odd = row().float8.largest % 2 == 1 || row().float8.fraction_bits == 0;
        const auto over = static_cast<long double>(number) - last;
        if (over > step_there / 2 || (over == step_there / 2 && is_odd))
          nearest = row().float8.largest + 1;
        EXPECT_EQ(code_of(number), nearest) << number;
        EXPECT_EQ(code_of(static_cast<std::uint64_t>(number)), nearest) << number;
      }
}

INSTANTIATE_TEST_SUITE_P(OfTheTable, Float8s, ::testing::ValuesIn([] {
                           std::vector<ScalarType> scalars;
                           for (const ScalarRow& row : scalar_table)
                             if (row.float8.largest != 0) scalars.push_back(row.scalar);
                           return scalars;
                         }()),
                         [](const auto& parameter) {
                           return std::string(row_of(parameter.param).name);
                         });

TEST(ToInteger, GoesTowardsZeroAndNoFurtherThanThereIs) {
  EXPECT_EQ((to_integer<std::int32_t>(-1.9)), -1);
  EXPECT_EQ((to_integer<std::uint8_t>(-0.9F)), 0);
  EXPECT_EQ((to_integer<std::uint8_t>(255.9F)), 255);
  EXPECT_EQ((to_integer<std::uint8_t>(-3.0)), 0);
  EXPECT_EQ((to_integer<std::int32_t>(2147483520.0F)), 2147483520);
  EXPECT_EQ((to_integer<std::int32_t>(2147483648.0F)), 2147483647);
  EXPECT_EQ((to_integer<std::int64_t>(9223372036854774784.0)), 9223372036854774784);
  EXPECT_EQ((to_integer<std::int64_t>(1e300)), std::numeric_limits<std::int64_t>::max());
  EXPECT_EQ((to_integer<std::int64_t>(-1e300)), std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ((to_integer<std::uint64_t>(1.8446744073709550e19)), 18446744073709549568U);
  EXPECT_EQ((to_integer<std::uint64_t>(infinity)), std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ((to_integer<std::int16_t>(std::nan(""))), 0);
}

TEST(ToInteger, WrapsOrSaturatesIntegers) {
  EXPECT_EQ((to_integer<std::uint8_t, false>(-1)), 255);
  EXPECT_EQ((to_integer<std::uint8_t, true>(-1)), 0);
  EXPECT_EQ((to_integer<std::int8_t, false>(200)), -56);
  EXPECT_EQ((to_integer<std::int8_t, true>(200)), 127);
  EXPECT_EQ((to_integer<std::int64_t, true>(~std::uint64_t{0})),
            std::numeric_limits<std::int64_t>::max());
  EXPECT_EQ((to_integer<std::int64_t, false>(~std::uint64_t{0})), -1);
}

static_assert(reversed_bytes(std::uint16_t{0x0102}) == 0x0201);
static_assert(reversed_bytes(std::uint32_t{0x01020304}) == 0x04030201);
static_assert(reversed_bytes(std::uint64_t{0x0102030405060708}) == 0x0807060504030201);
static_assert(to_half(1.5F).bits == 0x3e00, "what devices run, compilers can");

// ---------------------------------------------------------------------------------------------
// Every pair of kinds, against the reference

void expect_like_the_reference(const Format& from, const Format& to, Overflow overflow) {
  const std::vector<std::byte> numbers = testing::samples_of(from);
  const auto count = static_cast<std::int64_t>(numbers.size()) / from.itemsize();
  const reference::Result source{{count}, numbers};
  const auto expected = reference::converted(source, from, to, {.overflow = overflow});
  const auto conversion = conversion_of(from, to, overflow);
  if (!conversion) {
    EXPECT_EQ(expected.bytes, numbers) << from.text() << " to " << to.text();
    return;
  }
  // At every alignment, in turn.
  static std::size_t off = 0;
  off = (off + 1) % 16;
  std::vector<std::byte> in(numbers.size() + off), out(expected.bytes.size() + off + 16);
  std::ranges::copy(numbers, in.begin() + static_cast<std::ptrdiff_t>(off));
  const ConvertItems convert(*conversion);
  convert(out.data() + off, in.data() + off,
          static_cast<std::int64_t>(numbers.size()) / convert.from_bytes());
  const auto size = static_cast<std::size_t>(to.itemsize());
  for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
    const std::byte* made = out.data() + off + i * size;
    if (std::memcmp(made, expected.bytes.data() + i * size, size) == 0) continue;
    ADD_FAILURE() << "'" << from.text() << "' to '" << to.text() << "', "
                  << show_element(from,
                                  numbers.data() + static_cast<std::ptrdiff_t>(i) * from.itemsize())
                  << ": " << show_element(to, made) << ", not "
                  << show_element(to, expected.bytes.data() + i * size);
    return;
  }
  for (std::size_t i = expected.bytes.size() + off; i < out.size(); ++i)
    EXPECT_EQ(out[i], std::byte{0});
}

TEST(ConvertItems, DoesAsTheReferenceDoesForEveryPairOfKinds) {
  testing::for_each_conversion(expect_like_the_reference);
}

}  // namespace
}  // namespace multibuffer
