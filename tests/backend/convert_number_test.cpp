#include "host/backend/convert_number.hpp"

#include <multibuffer/reference.hpp>

#include "host/cpu/convert_items.hpp"
#include "host/gather/conversion.hpp"
#include "tests/testing/number_samples.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
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

/// What lies halfway between neighbours goes to the even one, and the next real on either side to
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
