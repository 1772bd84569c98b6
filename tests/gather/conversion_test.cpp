#include "host/gather/conversion.hpp"

#include <multibuffer/multibuffer.hpp>

#include "host/cpu/host_gather.hpp"
#include "tests/testing/cases.hpp"
#include "tests/testing/number_samples.hpp"
#include "tests/testing/on_device.hpp"
#include "tests/testing/random_plan.hpp"
#include "tests/testing/throws.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

// Elements that are converted as they are gathered, on every backend; those of a backend that this
// machine lacks are skipped.

namespace multibuffer {
namespace {

using testing::cases;
using testing::expect_error;
using Numbers = std::vector<std::int64_t>;

template <class T>
std::vector<T> elements(const DeviceBuffer& buffer) {
  const std::vector<std::byte> bytes = buffer.to_host();
  std::vector<T> result(bytes.size() / sizeof(T));
  std::memcpy(result.data(), bytes.data(), bytes.size());
  return result;
}

GatherOptions into(const Format& format, Overflow overflow = Overflow::wrap) {
  GatherOptions request;
  request.format = format;
  request.overflow = overflow;
  return request;
}

class ConversionTest : public testing::OnDevice {
 protected:
  /// Three rows of four, in memory of their own and out of order.
  ArrayView view() const {
    static const std::int32_t rows[3][4] = {{-1, 1, 300, 65537}, {4, 5, 6, 7}, {8, 9, 10, -11}};
    static const std::array<const std::int32_t*, 3> pointers{rows[2], rows[0], rows[1]};
    return ArrayView::from_rows(pointers.data(), 3, 4);
  }
  DeviceArray array() const { return upload(view(), device()); }
};

TEST_P(ConversionTest, IsPartOfAnyGather) {
  const Numbers rows{1, -1};
  const DeviceBuffer taken = take(array(), 0, Indices(rows), into(Format("f", 4)));
  EXPECT_EQ(taken.format(), Format("f", 4));
  EXPECT_EQ(taken.shape(), (Numbers{2, 4}));
  EXPECT_EQ(elements<float>(taken), (std::vector<float>{-1, 1, 300, 65537, 4, 5, 6, 7}));
  const Numbers columns{3, 2};
  const std::vector<Indices> coordinates{Indices(rows), Indices(columns)};
  EXPECT_EQ(
      elements<std::int16_t>(gather(array(), Selection::at(coordinates), into(Format("h", 2)))),
      (std::vector<std::int16_t>{1, 6}));
  EXPECT_EQ(
      elements<double>(copy(array().slice(1, {{}, {}, -2}).transpose(), into(Format("d", 8)))),
      (std::vector<double>{-11, 65537, 7, 9, 1, 5}));
}

TEST_P(ConversionTest, WrapsOrSaturatesIntegers) {
  const DeviceArray row = array().index(0, 1);
  EXPECT_EQ(elements<std::uint8_t>(copy(row, into(Format("B", 1)))),
            (std::vector<std::uint8_t>{255, 1, 44, 1}));
  EXPECT_EQ(elements<std::uint8_t>(copy(row, into(Format("B", 1), Overflow::saturate))),
            (std::vector<std::uint8_t>{0, 1, 255, 255}));
}

TEST_P(ConversionTest, TheFormatSaysTheByteOrder) {
  const DeviceArray row = array().index(0, 1);
  EXPECT_EQ(elements<std::uint16_t>(copy(row, into(Format(">H", 2)))),
            (std::vector<std::uint16_t>{0xffff, 0x0100, 0x2c01, 0x0100}));
  const DeviceBuffer foreign = copy(row, into(Format(">i", 4)));
  EXPECT_EQ(foreign.format().text(), ">i");
  EXPECT_EQ(elements<std::int32_t>(foreign)[1], 0x01000000);
  // The same bits under another name.
  EXPECT_EQ(copy(row, into(Format("<i", 4))).format().text(), "<i");
}

TEST_P(ConversionTest, ComplexNumbersAreConvertedPartByPart) {
  const std::array<float, 4> parts{1, -2, 0.5, 4};
  const DeviceArray complex =
      upload(ArrayView::dense(parts.data(), Numbers{2}, Format("Zf", 8)), device()).reverse(0);
  EXPECT_EQ(elements<double>(copy(complex, into(Format("Zd", 16)))),
            (std::vector<double>{0.5, 4, 1, -2}));
  EXPECT_EQ(elements<float>(copy(array().index(0, 2), into(Format("Zf", 8)))),
            (std::vector<float>{4, 0, 5, 0, 6, 0, 7, 0}));
  expect_error(Errc::format_unsupported, "the imaginary parts would be lost",
               [&] { copy(complex, into(Format("f", 4))); });
}

TEST_P(ConversionTest, GoesIntoMemoryOfTheResultsOwnSize) {
  constexpr double nobody = -77;
  std::vector<double> memory(30, nobody);
  GatherOptions request = into(Format("d", 8));
  request.out = Output{memory.data(), 240, MemorySpace::host, {80, 16}};
  const DeviceBuffer result = copy(array(), request);
  EXPECT_EQ(result.strides(), (Numbers{80, 16}));
  EXPECT_EQ(result.format(), Format("d", 8));
  const std::vector<double> numbers = elements<double>(copy(array(), into(Format("d", 8))));
  ASSERT_EQ(numbers.size(), 12U);
  for (std::size_t i = 0; i < memory.size(); ++i) {
    const bool is_element = i % 10 < 8 && i % 2 == 0;
    EXPECT_EQ(memory[i], is_element ? numbers[i / 10 * 4 + i % 10 / 2] : nobody) << i;
  }
  request.out = Output{memory.data(), 90, MemorySpace::host, {}};
  expect_error(Errc::invalid_argument, "needs 96", [&] { copy(array(), request); });
}

TEST_P(ConversionTest, OfAPlanIsRunAgain) {
  const Numbers rows{2, 0};
  const Plan plan(array(), {.groups = {{{0}, {Indices(rows)}, {}}}}, into(Format("e", 2)));
  for (int i = 0; i < 2; ++i) {
    GatherOptions other = into(Format("e", 2));
    other.out = output_of(plan.result());
    copy(array().slice(0, {0, 2, 1}), other);  // over what the run before has written
    EXPECT_EQ(elements<std::uint16_t>(plan.run()),
              (std::vector<std::uint16_t>{0x4400, 0x4500, 0x4600, 0x4700, 0x4800, 0x4880, 0x4900,
                                          0xc980}));
  }
}

TEST_P(ConversionTest, OfGathersInPieces) {
  const Numbers columns{3, 0, 1};
  const GatherOptions request = into(Format("Zd", 16));
  const Selection selection{.groups = {{{1}, {Indices(columns)}, {}}}};
  const std::vector<double> expected = elements<double>(gather(array(), selection, request));
  ASSERT_EQ(expected.size(), 18U);
  const PiecesOptions options{.gather = request, .memory_limit = 4096};
  const DeviceBuffer pieces = gather_in_pieces(view(), device(), selection, options);
  EXPECT_EQ(pieces.format(), Format("Zd", 16));
  EXPECT_EQ(elements<double>(pieces), expected);
}

/// Dense, in vectors as wide as they get; backwards, number by number; and off all alignment.
TEST_P(ConversionTest, OfEveryPairOfKindsIsWhatTheReferenceMakesOfIt) {
  testing::for_each_conversion([&](const Format& from, const Format& to, Overflow overflow) {
    constexpr std::size_t most = 6000;
    std::vector<std::byte> numbers = testing::samples_of(from);
    const auto itemsize = static_cast<std::size_t>(from.itemsize());
    const std::size_t count = std::min(numbers.size() / itemsize, most) / 16 * 16;
    if (numbers.size() > most * itemsize) {  // spread over all
      const std::size_t step = numbers.size() / itemsize / most;
      for (std::size_t i = 0; i < count; ++i)
        std::memmove(numbers.data() + i * itemsize, numbers.data() + i * step * itemsize, itemsize);
    }
    numbers.resize(count * itemsize);
    const Numbers shape{static_cast<std::int64_t>(count)};
    const std::vector<std::byte> expected =
        reference::converted({shape, numbers}, from, to, {.overflow = overflow}).bytes;
    const auto check = [&](const DeviceArray& array, const char* how) {
      EXPECT_EQ(copy(array, into(to, overflow)).to_host(), expected)
          << how << " '" << from.text() << "' to '" << to.text() << "'";
    };
    const DeviceArray array = upload(ArrayView::dense(numbers.data(), shape, from), device());
    check(array, "dense");
    std::vector<std::byte> reversed(numbers.size() + 1);
    for (std::size_t i = 0; i < count; ++i)
      std::memcpy(reversed.data() + 1 + (count - 1 - i) * itemsize, numbers.data() + i * itemsize,
                  itemsize);
    const auto bytes = static_cast<std::int64_t>(reversed.size());
    const Format all(std::to_string(bytes) + "s", bytes);
    const std::array<Axis, 1> axes{Axis{shape[0], -from.itemsize(), 0}};
    const DeviceArray backwards =
        upload(ArrayView::dense(reversed.data(), Numbers{1}, all), device())
            .reinterpret(bytes - from.itemsize(), from, axes)
            .index(0, 0);
    check(backwards, "backwards");
  });
}

TEST_P(ConversionTest, OfNothingIsStillChecked) {
  const DeviceArray none = array().slice(0, {0, 0, 1});
  EXPECT_EQ(copy(none, into(Format("d", 8))).strides(), (Numbers{8, 8}));
  expect_error(Errc::format_unsupported, "is no number",
               [&] { copy(none, into(Format("4s", 4))); });
}

INSTANTIATE_TEST_SUITE_P(EveryBackend, ConversionTest, ::testing::Values("host", "cuda"),
                         [](const auto& parameter) { return std::string(parameter.param); });

TEST(ConversionOf, SaysWhatItCannotDoAndWhy) {
  const auto expect = [](const Format& from, const Format& to, const std::string& why) {
    expect_error(Errc::format_unsupported, why, [&] { conversion_of(from, to, Overflow::wrap); });
  };
  const Format f("f", 4);
  expect(Format("T{f:x:}", 4), f, "'T{f:x:}' is a struct; convert its fields one by one");
  expect(f, Format("nonsense", 4), "'nonsense' is not understood");
  expect(Format("P", 8), Format("Q", 8), "'P' is no number");
  expect(Format("g", 16), f, "'g' is made of long doubles");
  expect(Format("Zd", 16), Format("d", 8), "the imaginary parts would be lost");
  expect(Format("Zd", 16), Format("?", 1),
         "complex numbers become complex alone, and a bool is none");
  expect(f, Format("Zg", 32), "'Zg' is made of long doubles");
  const Format seconds("datetime64[s]", 8);
  for (const char* const other : {"datetime64[ms]", "timedelta64[s]", "datetime64", "d", "Q"})
    expect(seconds, Format(other, 8), "becomes an int64, 'q', alone");
  expect(f, seconds, "becomes an int64, 'q', alone");
}

TEST(ConversionOf, DatesAreCounts) {
  const Format counts("q", 8);
  for (const char* const text : {"datetime64[s]", "timedelta64[25us]", "datetime64"}) {
    const Format date(text, 8);
    EXPECT_FALSE(conversion_of(date, counts, Overflow::wrap));
    EXPECT_FALSE(conversion_of(counts, date, Overflow::saturate));
    const Format swapped(std::string(">") + text, 8);
    const Conversion reordering{ScalarType::uint64, ScalarType::uint64, true, false, false};
    EXPECT_EQ(conversion_of(swapped, counts, Overflow::wrap), reordering);
    EXPECT_EQ(conversion_of(swapped, date, Overflow::wrap), reordering);
  }
}

TEST(ConversionOf, IsNoneWhereElementsStayWhatTheyAre) {
  for (const auto& [from, to] :
       std::vector<std::pair<Format, Format>>{{Format("l", 8), Format("<q", 8)},
                                              {Format("T{f:x:}", 4), Format("T{f:x:}", 4)},
                                              {Format("unknown", 3), Format("unknown", 3)},
                                              {Format("g", 16), Format("=g", 16)},
                                              {Format("3s", 3), Format(">3s", 3)},
                                              {Format("bfloat16", 2), Format("bfloat16", 2)}})
    EXPECT_FALSE(conversion_of(from, to, Overflow::wrap)) << from.text() << " " << to.text();
  // In the other byte order, also what is no number; complex ones and strings in their parts.
  const auto reordering = conversion_of(Format(">2w", 8), Format("<2w", 8), Overflow::wrap);
  ASSERT_TRUE(reordering);
  EXPECT_EQ(*reordering, (Conversion{ScalarType::uint32, ScalarType::uint32, true, false, false}));
}

TEST(HostGather, CopiesAndConvertsWhateverAPlanSays) {
  testing::Random random(1);
  for (int i = 0; i < cases(5000); ++i) {
    testing::Case c = testing::CaseMaker(random, {.conversions = 60, .scalings = 40}).make();
    const std::vector<std::byte> expected = c.expected();
    std::fill_n(c.out[0].data(), c.out[0].bytes(), testing::prefill);
    const HostPlans plans(c.plan);
    for (const CopyPlan& part : plans.parts())
      for (std::int64_t begin = 0, end = 0; begin < part.rows; begin = end) {
        end = std::min(part.rows, begin + random.between(std::int64_t{1}, part.rows));
        host_gather(part, begin, end, random.chance(50));
      }
    ASSERT_EQ(std::memcmp(c.out[0].data(), expected.data(), expected.size()), 0)
        << "plan " << i << ", " << c.plan.rows << " rows of " << c.plan.run_bytes << " bytes";
  }
}

TEST(HostGather, TellsItsProgressInBytesOfTheResult) {
  const std::vector<std::uint8_t> source(std::size_t{3} << 20);
  const DeviceArray array =
      upload(ArrayView::dense(source.data(), Numbers{3 << 20}, Format("B", 1)), Device::host());
  GatherOptions request = into(Format("d", 8));
  std::vector<std::int64_t> steps{0};
  request.watch.progress = [&](std::int64_t done, std::int64_t total) {
    EXPECT_EQ(total, 24 << 20);
    EXPECT_GE(done, steps.back());
    steps.push_back(done);
  };
  copy(array, request);
  EXPECT_EQ(steps.back(), 24 << 20);
}

TEST(HostGather, ConvertsLongRunsAndTransposes) {
  constexpr std::int64_t side = 700;
  std::vector<std::uint16_t> source(side * side);
  for (std::size_t i = 0; i < source.size(); ++i) source[i] = static_cast<std::uint16_t>(i * 31);
  const DeviceArray array =
      upload(ArrayView::dense(source.data(), Numbers{side, side}, Format("H", 2)), Device::host());
  const std::vector<float> straight = elements<float>(copy(array, into(Format("f", 4))));
  const std::vector<float> turned = elements<float>(copy(array.transpose(), into(Format("f", 4))));
  for (std::size_t i = 0; i < side; ++i)
    for (std::size_t j = 0; j < side; ++j) {
      ASSERT_EQ(straight[i * side + j], static_cast<float>(source[i * side + j]));
      ASSERT_EQ(turned[j * side + i], static_cast<float>(source[i * side + j]));
    }
}

}  // namespace
}  // namespace multibuffer
