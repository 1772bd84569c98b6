#include <multibuffer/multibuffer.hpp>

#include "tests/testing/throws.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <complex>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <memory>
#include <numeric>
#include <optional>
#include <type_traits>
#include <vector>

namespace multibuffer {
namespace {

using testing::expect_error;

using View = ElementView<const float, 2>;
static_assert(std::is_trivially_copyable_v<View> && std::is_standard_layout_v<View>);
static_assert(sizeof(View) == 64);
static_assert(std::is_trivially_copyable_v<ElementView<const double, 6, 3>>);
static_assert(std::is_trivially_copyable_v<RowView<const float>> &&
              sizeof(RowView<const float>) == 24);
static_assert(std::is_trivially_copyable_v<RowsView<const float>> &&
              std::is_standard_layout_v<RowsView<const float>>);
static_assert(std::random_access_iterator<decltype(begin(std::declval<View>()))>);
static_assert(std::random_access_iterator<decltype(device_begin(std::declval<View>()))>);
static_assert(std::random_access_iterator<RowView<const float>::Iterator>);
static_assert(std::random_access_iterator<RowsIterator<const float>>);
static_assert(std::is_trivially_copyable_v<decltype(begin(std::declval<View>()))>);
static_assert(std::is_trivially_copyable_v<decltype(device_begin(std::declval<View>()))>);

const Device host = Device::host();

/// Rows of `length` floats in one allocation, 10 * row + column, `gap` floats apart.
struct Rows {
  std::vector<float> memory;
  std::vector<const float*> pointers;

  Rows(std::int64_t count, std::int64_t length, std::int64_t gap) {
    memory.resize(static_cast<std::size_t>(count * (length + gap)));
    for (std::int64_t i = 0; i < count; ++i) {
      float* row = memory.data() + i * (length + gap);
      for (std::int64_t j = 0; j < length; ++j) row[j] = static_cast<float>(10 * i + j);
      pointers.push_back(row);
    }
  }
};

UploadOptions in_place() {
  UploadOptions options;
  options.placement = PlacementKind::in_place;
  return options;
}

TEST(Elements, OneTypeReadsRowsInOrderAndShuffled) {
  Rows rows(6, 4, 3);
  const DeviceArray in_order = upload(ArrayView::from_rows(rows.pointers, 4), host, in_place());
  std::vector<const float*> shuffled = rows.pointers;
  std::rotate(shuffled.begin(), shuffled.begin() + 2, shuffled.end() - 1);
  std::swap(shuffled[0], shuffled[5]);
  const DeviceArray tabled = upload(ArrayView::from_rows(shuffled, 4), host, in_place());
  ASSERT_EQ(in_order.layout().levels(), 0);
  ASSERT_EQ(tabled.layout().levels(), 1);
  const View a = elements<float, 2>(in_order);
  const View b = elements<float, 2>(tabled);
  for (std::int64_t i = 0; i < 6; ++i) {
    EXPECT_EQ(a.row(i).contiguous(), rows.pointers[static_cast<std::size_t>(i)]);
    EXPECT_EQ(b.row(i).contiguous(), shuffled[static_cast<std::size_t>(i)]);
    for (std::int64_t j = 0; j < 4; ++j) EXPECT_EQ(&b(i, j), &b.row(i)[j]);
  }
}

TEST(Elements, ArraysWithoutElementsHaveViewsThatReadNothing) {
  const Rows rows(3, 4, 1);
  const DeviceArray array = upload(ArrayView::from_rows(rows.pointers, 4), host);
  const auto none = elements<float, 2>(array.slice(1, {2, 2, 1}));
  EXPECT_EQ(none.size(), 0);
  EXPECT_TRUE(begin(none) == end(none));
  EXPECT_EQ(std::reduce(begin(none), end(none)), 0.0F);
  EXPECT_EQ(end(elements<float, 2>(array.slice(0, {2, 2, 1}))).position(), 0);
}

TEST(Elements, AnotherRankIsRefused) {
  const Rows rows(3, 4, 1);
  const DeviceArray array = upload(ArrayView::from_rows(rows.pointers, 4), host);
  expect_error(Errc::invalid_argument, "ask for a Rank of 2", [&] { elements<float, 3>(array); });
}

TEST(Elements, MoreTablesThanTheViewFollowsAreRefused) {
  Rows rows(3, 4, 1);
  std::swap(rows.pointers[0], rows.pointers[1]);
  UploadOptions options;
  options.simplify.flatten = false;
  const DeviceArray array = upload(ArrayView::from_rows(rows.pointers, 4), host, options);
  expect_error(Errc::invalid_argument, "ask for Levels = 1, or copy()",
               [&] { elements<float, 2, 0>(array); });
  EXPECT_EQ((elements<float, 2, 3>(array)(2, 1)), 21.0F);
}

TEST(Elements, AnotherTypeIsRefusedAndTheSameByAnotherNameIsNot) {
  const std::vector<std::int64_t> numbers{1, 2, 3};
  const std::vector<std::int64_t> shape{3};
  const DeviceArray array = upload(ArrayView::dense(numbers.data(), shape, Format("l", 8)), host);
  EXPECT_EQ((elements<std::int64_t, 1>(array)(1)), 2);
  EXPECT_EQ((elements<const std::int64_t, 1>(array)(1)), 2);
  expect_error(Errc::invalid_argument, "format 'l', 8 bytes, for a type of format 'd'",
               [&] { elements<double, 1>(array); });
  const DeviceArray swapped =
      upload(ArrayView::dense(numbers.data(), shape, Format(">q", 8)), host);
  expect_error(Errc::invalid_argument, "to_native()", [&] { elements<std::int64_t, 1>(swapped); });
}

struct Pixel {
  std::uint8_t red, green, blue;
};
struct Sample {
  std::int32_t label;
  float value;
};
struct Half {
  std::uint16_t bits;
};

}  // namespace
}  // namespace multibuffer
template <>
struct multibuffer::ElementFormat<multibuffer::Half> {
  static std::optional<Format> get() { return Format("e", 2); }
};
namespace multibuffer {
namespace {

TEST(Elements, StructsOfTheCallersReadElementsOfTheirSize) {
  const std::vector<Sample> samples{{1, 0.5F}, {2, 1.5F}};
  const std::vector<std::int64_t> shape{2};
  const DeviceArray array =
      upload(ArrayView::dense(samples.data(), shape, Format("T{i:label:f:value:}", 8)), host);
  EXPECT_EQ((elements<Sample, 1>(array)(1).value), 1.5F);
  expect_error(Errc::invalid_argument, "8 bytes, for a type of 3 bytes",
               [&] { elements<Pixel, 1>(array); });
  const DeviceArray swapped =
      upload(ArrayView::dense(samples.data(), shape, Format("T{>i:label:f:value:}", 8)), host);
  expect_error(Errc::invalid_argument, "other byte order", [&] { elements<Sample, 1>(swapped); });

  const std::vector<std::byte> pixels(6, std::byte{7});
  const DeviceArray opaque =
      upload(ArrayView::dense(pixels.data(), shape, Format::bytes(3, "pixels")), host);
  EXPECT_EQ((elements<Pixel, 1>(opaque)(1).blue), 7);
}

TEST(Elements, AFormatOfATypeIsChecked) {
  const std::vector<Half> halves{{0x3C00}, {0x4000}};
  const std::vector<std::int64_t> shape{2};
  const DeviceArray array = upload(ArrayView::dense(halves.data(), shape, Format("e", 2)), host);
  EXPECT_EQ((elements<Half, 1>(array)(1).bits), 0x4000);
  const DeviceArray others = upload(ArrayView::dense(halves.data(), shape, Format("h", 2)), host);
  expect_error(Errc::invalid_argument, "format 'h'", [&] { elements<Half, 1>(others); });
}

TEST(Elements, ComplexNumbersAreElements) {
  const std::vector<std::complex<float>> numbers{{1, 2}, {3, 4}};
  const std::vector<std::int64_t> shape{2};
  const DeviceArray array =
      upload(ArrayView::dense(numbers.data(), shape, native_format<std::complex<float>>()), host);
  EXPECT_EQ((elements<std::complex<float>, 1>(array)(1)), (std::complex<float>{3, 4}));
}

// ---- Alignment: what a device would trap on

/// Bytes at an address that is a multiple of 16.
struct alignas(16) Bytes {
  std::array<std::byte, 256> data{};
};

TEST(Elements, AnOddAddressIsRefused) {
  const Bytes bytes;
  const std::vector<std::int64_t> shape{4};
  const auto at = [&](int offset) {
    return upload(ArrayView::dense(bytes.data.data() + offset, shape, Format("f", 4)), host,
                  in_place());
  };
  expect_error(Errc::invalid_argument, "the first element is at the address",
               [&] { elements<float, 1>(at(1)); });
  EXPECT_EQ((elements<float, 1>(at(4)).size()), 4);
}

TEST(Elements, AnOddStrideIsRefusedUnlessNothingMovesAlongIt) {
  const Bytes bytes;
  const ArrayView view(bytes.data.data(), Format("i", 4), Layout({{3, 9, 0}, {2, 4, 0}}, {0}));
  const DeviceArray array = upload(view, host, in_place());
  expect_error(Errc::invalid_argument, "axis 0 has a stride of 9 bytes",
               [&] { elements<std::int32_t, 2>(array); });
  EXPECT_EQ((elements<std::int32_t, 2>(array.slice(0, {0, 1, 1})).size()), 2);
  EXPECT_EQ((elements<std::int32_t, 2>(array.slice(0, {0, 0, 1})).size()), 0);
  EXPECT_EQ((elements<std::int32_t, 2>(upload(view, host)).size()), 6) << "packed, it is dense";
}

/// Rows at these offsets, each of two int32.
DeviceArray rows_at(const Bytes& bytes, const std::vector<int>& offsets, bool narrow,
                    PlacementKind kind = PlacementKind::in_place) {
  std::vector<const std::int32_t*> pointers;
  for (const int offset : offsets)
    pointers.push_back(reinterpret_cast<const std::int32_t*>(bytes.data.data() + offset));
  UploadOptions options;
  options.placement = kind;
  options.simplify = {.flatten = false, .narrow = narrow};
  return upload(ArrayView::from_rows(pointers, 2), host, options);
}

TEST(Elements, RowsAtOddAddressesAreRefusedWhateverTheirEntriesCountIn) {
  const Bytes bytes;
  for (const bool narrow : {true, false}) {
    for (const auto kind : {PlacementKind::in_place, PlacementKind::preserved}) {
      expect_error(Errc::invalid_argument, "aligned to 4 bytes", [&] {
        elements<std::int32_t, 2>(rows_at(bytes, {0, 18, 40}, narrow, kind));
      });
      expect_error(Errc::invalid_argument, "aligned to 4 bytes", [&] {
        elements<std::int32_t, 2>(rows_at(bytes, {2, 18, 42}, narrow, kind));
      });
      EXPECT_EQ((elements<std::int32_t, 2>(rows_at(bytes, {4, 16, 40}, narrow, kind)).size()), 6);
      EXPECT_EQ((elements<std::int32_t, 2>(rows_at(bytes, {16}, narrow, kind)).size()), 2);
    }
    EXPECT_EQ((elements<std::int32_t, 2>(rows_at(bytes, {1, 18, 43}, narrow, PlacementKind::packed))
                   .size()),
              6);
  }
}

TEST(Elements, AnUpdateThatMovesRowsToOddAddressesIsRefused) {
  const Bytes bytes;
  const auto pointers = [&](int second) {
    std::vector<const std::int32_t*> rows;
    for (const int offset : {0, second, 16})
      rows.push_back(reinterpret_cast<const std::int32_t*>(bytes.data.data() + offset));
    return rows;
  };
  UploadOptions options;
  options.placement = PlacementKind::preserved;
  options.simplify = {.flatten = false, .duplicate = false, .narrow = false};
  // Either way 24 bytes travel, and stay as they lie.
  const auto even = pointers(8), odd = pointers(6);
  const DeviceArray array = upload(ArrayView::from_rows(even, 2), host, options);
  EXPECT_EQ((elements<std::int32_t, 2>(array).size()), 6);
  expect_error(Errc::invalid_argument, "another layout",
               [&] { update(array, ArrayView::from_rows(odd, 2)); });
}

// ---- Rows

TEST(Rows, AreThoseOfAnArrayOfTwoAxes) {
  Rows memory(5, 3, 2);
  std::swap(memory.pointers[0], memory.pointers[3]);
  const DeviceArray array = upload(ArrayView::from_rows(memory.pointers, 3), host, in_place());
  for (const DeviceArray& view : {array, array.reverse(0), array.slice(0, {1, {}, 2})}) {
    const RowsView<const float> found = rows<float>(view);
    const auto wanted = elements<float, 2>(view);
    ASSERT_EQ(found.size(), wanted.extent(0));
    std::int64_t i = 0;
    for (const RowView<const float> row : found) EXPECT_EQ(row.data(), wanted.row(i++).data());
  }
}

TEST(Rows, OfAnArrayWhoseTableHasOneEntryLieBehindIt) {
  Rows memory(2, 6, 2);
  std::swap(memory.pointers[0], memory.pointers[1]);
  UploadOptions options = in_place();
  options.simplify.flatten = false;
  const DeviceArray array =
      upload(ArrayView::from_rows(memory.pointers, 6), host, options).index(0, 1);
  const std::array<std::int64_t, 2> shape{2, 3};
  const DeviceArray block = *array.reshape(shape);
  ASSERT_EQ(block.layout().levels(), 1);
  EXPECT_EQ(rows<float>(block)[1][2], 5.0F);
}

TEST(Rows, AnArrayWhoseLastAxisCountsInATableHasNone) {
  Rows memory(5, 3, 2);
  std::swap(memory.pointers[0], memory.pointers[3]);
  const DeviceArray array =
      upload(ArrayView::from_rows(memory.pointers, 3), host, in_place()).transpose();
  expect_error(Errc::invalid_argument, "axis 1, the last one", [&] { rows<float>(array); });
  const auto view = elements<float, 2>(array);
  EXPECT_FALSE(view.has_rows());
  EXPECT_EQ(view(2, 0), 32.0F);
  EXPECT_EQ(std::reduce(begin(view), end(view)),
            std::reduce(memory.memory.begin(), memory.memory.end()));
}

/// {20, 21, 22}, {}, {0, 1}, {10}, the first and the last in shared memory.
RaggedArray unequal_rows(const UploadOptions& options = {}) {
  static const std::vector<float> numbers{20, 21, 22, 10}, others{0, 1};
  static const std::array<const float*, 4> rows{numbers.data(), nullptr, others.data(),
                                                numbers.data() + 3};
  static const std::vector<std::int64_t> lengths{3, 0, 2, 1};
  return upload(RaggedView::from_rows(rows.data(), lengths), host, options);
}

TEST(Rows, OfARaggedArrayHaveItsLengthsWhereverTheyLie) {
  using Lists = std::vector<std::vector<float>>;
  const auto listed = [](const RaggedArray& array) {
    Lists lists;
    for (const auto row : rows<float>(array)) lists.emplace_back(row.begin(), row.end());
    return lists;
  };
  const auto owner = std::make_shared<int>(0);
  UploadOptions wide, in_place;
  wide.simplify.narrow = false;
  in_place.placement = PlacementKind::in_place;
  in_place.owner = owner;
  for (const UploadOptions& options : {UploadOptions{}, wide, in_place}) {
    const RaggedArray array = unequal_rows(options);
    EXPECT_EQ(listed(array), (Lists{{20, 21, 22}, {}, {0, 1}, {10}}));
    EXPECT_EQ(listed(array.slice({std::nullopt, std::nullopt, -1})),
              (Lists{{10}, {0, 1}, {}, {20, 21, 22}}));
    EXPECT_EQ(listed(array.slice({1, 4, 2})), (Lists{{}, {10}}));
  }
  EXPECT_EQ(listed(unequal_rows().slice({0, 0})), Lists());
}

TEST(Rows, OfARaggedArrayAreRefusedAsElementsAre) {
  expect_error(Errc::invalid_argument, "for a type of format 'i'",
               [&] { rows<int>(unequal_rows()); });
  std::array<std::byte, 32> bytes{};
  const std::array<const std::byte*, 2> starts{bytes.data(), bytes.data() + 6};
  const std::vector<std::int64_t> lengths{1, 2};
  UploadOptions in_place;
  in_place.placement = PlacementKind::in_place;
  in_place.owner = std::make_shared<int>(0);
  const RaggedView odd(starts, lengths, Format("f", 4));
  expect_error(Errc::invalid_argument, "rows lie at multiples of 2 bytes from each other",
               [&] { rows<float>(upload(odd, host, in_place)); });
  EXPECT_EQ(rows<float>(upload(odd, host)).size(), 2);
  const RaggedView pairs(starts, lengths, Format("h", 2), {2});
  expect_error(Errc::invalid_argument, "rows of items of shape (2,)",
               [&] { rows<std::int16_t>(upload(pairs, host)); });
}

TEST(Rows, OfUnequalLengthsHaveAnOffsetAndALengthEach) {
  const std::vector<float> values{1, 2, 3, 4, 5, 6};
  const std::vector<std::uint32_t> offsets{3, 0, 2};
  const std::vector<std::int64_t> lengths{3, 2, 0};
  const RowsView<const float> rows(reinterpret_cast<const unsigned char*>(values.data()),
                                   {.count = 3,
                                    .stride = 4,
                                    .distance = 0,
                                    .unit = 4,
                                    .table = offsets.data(),
                                    .step = 1,
                                    .lengths = lengths.data(),
                                    .length_step = 1,
                                    .length = 0,
                                    .wide = 0,
                                    .wide_lengths = 1});
  std::vector<std::vector<float>> found;
  for (const RowView<const float> row : rows) found.emplace_back(row.begin(), row.end());
  EXPECT_EQ(found, (std::vector<std::vector<float>>{{4, 5, 6}, {1, 2}, {}}));
}

// ---- Algorithms of the standard library

class Algorithms : public ::testing::Test {
 protected:
  Algorithms() : memory_(40, 7, 3), array_(upload(shuffled(), host, in_place())) {}
  ArrayView shuffled() {
    for (std::size_t i = 0; i < 20; ++i)
      std::swap(memory_.pointers[i], memory_.pointers[(i * 11 + 5) % 40]);
    for (std::size_t i = 0; i < 40; ++i)
      sorted_.insert(sorted_.end(), memory_.pointers[i], memory_.pointers[i] + 7);
    return ArrayView::from_rows(memory_.pointers, 7);
  }
  Rows memory_;
  std::vector<float> sorted_;
  DeviceArray array_;
  View view_ = elements<float, 2>(array_);
};

TEST_F(Algorithms, Reduce) {
  ASSERT_EQ(array_.layout().levels(), 1);
  const float sum = std::reduce(sorted_.begin(), sorted_.end());
  EXPECT_EQ(std::reduce(begin(view_), end(view_)), sum);
  EXPECT_EQ(std::reduce(device_begin(view_), device_end(view_)), sum);
}

TEST_F(Algorithms, CopyAndCopyIf) {
  std::vector<float> copied(begin(view_), end(view_));
  EXPECT_EQ(copied, sorted_);
  std::vector<float> large, wanted;
  const auto is_large = [](float value) { return value > 200; };
  std::copy_if(begin(view_), end(view_), std::back_inserter(large), is_large);
  std::copy_if(sorted_.begin(), sorted_.end(), std::back_inserter(wanted), is_large);
  EXPECT_EQ(large, wanted);
}

TEST_F(Algorithms, RangesAndLoops) {
  std::vector<float> copied;
  for (const float element : view_) copied.push_back(element);
  EXPECT_EQ(copied, sorted_);
  EXPECT_EQ(*std::ranges::max_element(begin(view_), end(view_)), std::ranges::max(sorted_));
}

TEST_F(Algorithms, SortOfCopiedKeysAndLowerBound) {
  std::vector<float> keys(begin(view_), end(view_));
  std::sort(keys.begin(), keys.end());
  // The same rows in the order of their numbers are sorted, and searched by jumps.
  const Rows ordered(40, 7, 3);
  UploadOptions options = in_place();
  options.simplify.flatten = false;
  const DeviceArray array = upload(ArrayView::from_rows(ordered.pointers, 7), host, options);
  const View view = elements<float, 2>(array);
  EXPECT_TRUE(std::equal(begin(view), end(view), keys.begin(), keys.end()));
  for (const float key : {-1.0F, 0.0F, 55.0F, 57.5F, 396.0F, 1000.0F})
    EXPECT_EQ(std::lower_bound(begin(view), end(view), key) - begin(view),
              std::lower_bound(keys.begin(), keys.end(), key) - keys.begin());
}

}  // namespace
}  // namespace multibuffer
