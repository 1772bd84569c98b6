#include <multibuffer/multibuffer.hpp>

#include "tests/testing/on_device.hpp"
#include "tests/testing/throws.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

// Rows of unequal length, on every backend that this machine has.

namespace multibuffer {
namespace {

using testing::expect_error;
using Ints = std::vector<std::int32_t>;
using Numbers = std::vector<std::int64_t>;

class RaggedTest : public testing::OnDevice {
 protected:
  /// Rows {20, 21, 22}, {}, {0, 1}, {10}, each in memory of its own.
  static RaggedView view() {
    static const Ints a{20, 21, 22}, b{0, 1}, c{10};
    static const std::array<const std::int32_t*, 4> rows{a.data(), nullptr, b.data(), c.data()};
    static const Numbers lengths{3, 0, 2, 1};
    return RaggedView::from_rows(rows.data(), lengths);
  }
  RaggedArray array(const UploadOptions& options = {}) const {
    return upload(view(), device(), options);
  }
  DeviceBuffer index_buffer(const Numbers& values) const {
    const Numbers shape{static_cast<std::int64_t>(values.size())};
    return DeviceBuffer::from_host(device(), values.data(), shape, Format("q", 8));
  }
  void change(const DeviceBuffer& buffer, const Numbers& values) const {
    GatherOptions options;
    options.out = output_of(buffer);
    const Numbers shape{static_cast<std::int64_t>(values.size())};
    copy(upload(ArrayView::dense(values.data(), shape, Format("q", 8)), device()), options);
  }
};

Ints ints(const DeviceBuffer& buffer) { return buffer.to_host<std::int32_t>(); }
Numbers longs(const DeviceBuffer& buffer) { return buffer.to_host<std::int64_t>(); }

// ---- Arrays and their views

TEST_P(RaggedTest, KnowsTheLengthsOfItsRows) {
  const RaggedArray all = array();
  EXPECT_EQ(all.rows(), 4);
  EXPECT_EQ(all.items(), 6);
  EXPECT_EQ(all.longest(), 3);
  EXPECT_EQ(all.lengths(), (Numbers{3, 0, 2, 1}));
  EXPECT_EQ(all.length(2), 2);
  EXPECT_EQ(all.item_shape(), Numbers{});
  expect_error(Errc::index_out_of_range, "row 4 of 4", [&] { all.length(4); });
}

TEST_P(RaggedTest, SlicesMoveNoRows) {
  const RaggedArray all = array();
  const RaggedArray back = all.slice({{}, {}, -2});
  EXPECT_EQ(back.lengths(), (Numbers{1, 0}));
  EXPECT_EQ(back.storage_bytes(), all.storage_bytes());
  EXPECT_EQ(ints(pack(all.slice({2, {}, 1})).values), (Ints{0, 1, 10}));
  EXPECT_EQ(ints(pack(all.slice({1, {}, 1}).slice({{}, {}, 2})).values), Ints{10});
  EXPECT_EQ(all.slice({4, {}, 1}).rows(), 0);
  expect_error(Errc::invalid_argument, "step 0", [&] { all.slice({{}, {}, 0}); });
}

TEST_P(RaggedTest, ARowIsAnArray) {
  const RaggedArray all = array();
  EXPECT_EQ(ints(copy(all.row(0))), (Ints{20, 21, 22}));
  EXPECT_EQ(ints(copy(all.row(-2).reverse(0))), (Ints{1, 0}));
  EXPECT_EQ(all.row(1).shape(), Numbers{0});
  EXPECT_EQ(ints(*all.row(3).as_buffer()), Ints{10});
  expect_error(Errc::index_out_of_range, "row 4 of 4", [&] { all.row(4); });
  expect_error(Errc::index_out_of_range, "row -5 of 4", [&] { all.row(-5); });
}

TEST_P(RaggedTest, ARowKeepsTheWhole) {
  std::optional<DeviceArray> row;
  {
    const RaggedArray all = array();
    row.emplace(all.row(0));
  }
  EXPECT_EQ(ints(copy(*row)), (Ints{20, 21, 22}));
}

TEST_P(RaggedTest, RowsThatShareAStartTravelOnce) {
  const std::vector<std::int32_t> values(1000, 7);
  const std::array<const std::int32_t*, 3> rows{values.data(), values.data(), values.data()};
  const RaggedArray array =
      upload(RaggedView::from_rows(rows.data(), Numbers{10, 1000, 500}), device());
  EXPECT_LT(array.storage_bytes(), 4000 + 1024);
  EXPECT_EQ(pack(array).values.shape(), Numbers{1510});
  EXPECT_EQ(ints(pack(array).values), Ints(1510, 7));
}

TEST_P(RaggedTest, WithoutRowsThereIsNothing) {
  const RaggedArray none = upload(RaggedView({}, {}, Format("i", 4), {3}), device());
  EXPECT_EQ(none.longest(), 0);
  const PackedRows packed = pack(none);
  EXPECT_EQ(packed.values.shape(), (Numbers{0, 3}));
  EXPECT_EQ(longs(packed.offsets), Numbers{0});
  EXPECT_EQ(pad(none).shape(), (Numbers{0, 0, 3}));
  expect_error(Errc::index_out_of_range, "1 indices", [&] { pack(none, {Indices(Numbers{0})}); });
}

TEST_P(RaggedTest, ItemsHaveAxes) {
  const Ints values{0, 1, 2, 3, 4, 5, 6, 7};
  const auto dense = ArrayView::dense(values.data(), Numbers{4, 2}, Format("i", 4));
  const RaggedArray array = upload(RaggedView::from_offsets(dense, Numbers{0, 1, 4}), device());
  EXPECT_EQ(array.item_shape(), Numbers{2});
  EXPECT_EQ(array.row(1).shape(), (Numbers{3, 2}));
  const DeviceBuffer padded = pad(array);
  EXPECT_EQ(padded.shape(), (Numbers{2, 3, 2}));
  EXPECT_EQ(ints(padded), (Ints{0, 1, 0, 0, 0, 0, 2, 3, 4, 5, 6, 7}));
}

TEST_P(RaggedTest, FieldsOfStructsAreViews) {
  struct Point {
    std::int32_t x;
    std::int16_t y[2];
  };
  const std::array<Point, 3> points{{{1, {2, 3}}, {4, {5, 6}}, {7, {8, 9}}}};
  const auto dense = ArrayView::dense(points.data(), Numbers{3}, Format("T{<i:x:(2)<h:y:}", 8));
  const RaggedArray array = upload(RaggedView::from_offsets(dense, Numbers{0, 2, 3}), device());
  EXPECT_EQ(ints(pack(array.field("x")).values), (Ints{1, 4, 7}));
  const DeviceBuffer y = pad(array.field("y"));
  EXPECT_EQ(y.shape(), (Numbers{2, 2, 2}));
  EXPECT_EQ(y.to_host<std::int16_t>(), (std::vector<std::int16_t>{2, 3, 5, 6, 8, 9, 0, 0}));
  PackOptions options;
  options.format = native_format<float>();
  const PackedRows floats = pack(array.field("y").slice({{}, {}, -1}), {}, options);
  EXPECT_EQ(floats.values.to_host<float>(), (std::vector<float>{8, 9, 2, 3, 5, 6}));
  EXPECT_EQ(copy(array.field("y").row(0)).to_host<std::int16_t>(),
            (std::vector<std::int16_t>{2, 3, 5, 6}));
  expect_error(Errc::invalid_argument, "z", [&] { array.field("z"); });
}

TEST_P(RaggedTest, AxesOfPartsCountBesideThoseOfTheRows) {
  const RaggedArray all = array();
  const std::vector<Axis> most(max_axes - 2, Axis{1, 4, 0});
  EXPECT_EQ(pad(all.reinterpret(0, Format("i", 4), most)).shape().size(), std::size_t{max_axes});
  const std::vector<Axis> more(max_axes - 1, Axis{1, 4, 0});
  expect_error(Errc::invalid_argument, "65 axes; a ragged array has at most 64",
               [&] { all.reinterpret(0, Format("i", 4), more); });
}

TEST_P(RaggedTest, RowsAreNotUpdated) {
  const Ints values{1, 2, 3};
  const auto dense = ArrayView::dense(values.data(), Numbers{3}, Format("i", 4));
  const RaggedArray all = array();
  expect_error(Errc::invalid_argument, "rows of a ragged array are not updated",
               [&] { update(all.row(0), dense); });
  EXPECT_EQ(ints(copy(all.row(0))), (Ints{20, 21, 22}));
}

TEST_P(RaggedTest, PlacementsThatCannotBeAreErrors) {
  UploadOptions options;
  options.placement = PlacementKind::preserved;
  expect_error(Errc::invalid_argument, "not preserved", [&] { array(options); });
  options = {};
  options.keep_sources = true;
  expect_error(Errc::invalid_argument, "sources", [&] { array(options); });
  const std::vector<const std::byte*> starts{nullptr};
  expect_error(Errc::format_unsupported, "Python objects",
               [&] { upload(RaggedView(starts, Numbers{0}, Format("O", 8)), device()); });
}

TEST_P(RaggedTest, RowsOfADeviceAreUsedInPlace) {
  const Ints values{5, 6, 7, 8, 9};
  const DeviceBuffer here =
      DeviceBuffer::from_host(device(), values.data(), Numbers{5}, Format("i", 4));
  here.synchronize();
  UploadOptions options;
  options.placement = PlacementKind::in_place;
  options.owner = std::make_shared<const DeviceBuffer>(here);
  options.memory = output_of(here).memory;
  const RaggedArray array =
      upload(RaggedView::from_offsets(here.view(), Numbers{0, 1, 1, 5}), device(), options);
  EXPECT_EQ(array.placement(), PlacementKind::in_place);
  EXPECT_EQ(array.row(2).as_buffer()->data(), here.data() + 4);
  EXPECT_EQ(ints(pad(array)), (Ints{5, 0, 0, 0, 0, 0, 0, 0, 6, 7, 8, 9}));
  // Written over rows that are still to be read, the result would be wrong.
  PackOptions over;
  over.out = output_of(here);
  expect_error(Errc::invalid_argument, "overlaps", [&] { pack(array, {}, over); });
}

TEST(RaggedInPlace, AGpuIsToldWhichRowItCannotRead) {
  if (list_devices().devices.size() == 1) GTEST_SKIP() << list_devices().why_no_cuda;
  UploadOptions options;
  options.placement = PlacementKind::in_place;
  const Ints values{1, 2};
  const std::array<const std::int32_t*, 2> rows{nullptr, values.data()};
  expect_error(Errc::invalid_argument, "leaf 1 of 2 (8 bytes", [&] {
    upload(RaggedView::from_rows(rows.data(), Numbers{0, 2}), Device::open("cuda"), options);
  });
}

TEST(RaggedInPlace, RowsOnTheHostNeedNotMove) {
  Ints a{1, 2, 3}, b{4};
  const std::array<const std::int32_t*, 2> rows{a.data(), b.data()};
  UploadOptions options;
  options.placement = PlacementKind::in_place;
  const RaggedArray array =
      upload(RaggedView::from_rows(rows.data(), Numbers{3, 1}), Device::host(), options);
  b[0] = 99;
  EXPECT_EQ(ints(pack(array).values), (Ints{1, 2, 3, 99}));
  EXPECT_EQ(array.row(0).as_span<const std::int32_t>().data(), a.data());
  // A part of the rows may be written to while the others are read.
  PackOptions over;
  over.out = Output{.data = a.data(), .bytes = 4};
  EXPECT_EQ(ints(pack(array.slice({1, 2, 1}), {}, over).values), Ints{99});
  EXPECT_EQ(a[0], 99);
  over.out->bytes = 12;
  expect_error(Errc::invalid_argument, "overlaps", [&] { pack(array.slice({0, 1, 1}), {}, over); });
}

/// Large results are written past the caches, and shared by threads wherever rows end.
TEST(LargeRagged, IsPackedAndPaddedAsTheReferenceDoes) {
  std::vector<std::byte> memory(std::size_t{40} << 20);
  for (std::size_t i = 0; i < memory.size(); ++i) memory[i] = static_cast<std::byte>(i * 31 >> 3);
  // One row has half of the bytes; the others are long, short and empty.
  Numbers lengths{std::int64_t{20} << 20};
  std::vector<const std::byte*> starts{memory.data() + 1};
  for (std::int64_t at = lengths[0] + 3, i = 0; i < 1000; ++i) {
    lengths.push_back(i % 4 == 0 ? 70001 : i % 4 == 1 ? i % 90 : i % 4 == 2 ? 0 : 1);
    starts.push_back(memory.data() + at);
    at += lengths.back() + i % 3;
  }
  ASSERT_LE(starts.back() + lengths.back(), memory.data() + memory.size());
  const RaggedView view(starts, lengths, Format("B", 1));
  const RaggedArray array = upload(view, Device::host());
  const auto expected = reference::pack(view);
  EXPECT_TRUE(verify(pack(array).values, expected.values.bytes).equal());
  PackOptions as_shorts;
  as_shorts.format = native_format<std::int16_t>();
  const auto shorts = reference::pack(view, {}, as_shorts.format);
  EXPECT_TRUE(verify(pack(array, {}, as_shorts).values, shorts.values.bytes).equal());
  const auto fill = std::byte{7};
  for (const bool before : {false, true}) {
    PadOptions options{.length = 60007, .fill = &fill};
    options.side = before ? PadSide::before : PadSide::after;
    options.truncation = before ? Truncation::drop_begin : Truncation::drop_end;
    const auto padded = reference::pad(
        view, {.length = 60007, .fill = &fill, .before = before, .keeps_end = before});
    EXPECT_TRUE(verify(pad(array, {}, options), padded.bytes).equal());
  }
}

// ---- pack

TEST_P(RaggedTest, PacksRowsOneAfterTheOther) {
  const PackedRows packed = pack(array());
  EXPECT_EQ(ints(packed.values), (Ints{20, 21, 22, 0, 1, 10}));
  EXPECT_EQ(longs(packed.offsets), (Numbers{0, 3, 3, 5, 6}));
}

TEST_P(RaggedTest, PacksTheRowsThatIndicesSelect) {
  const PackedRows packed = pack(array(), {Indices(Numbers{3, 1, -4, 3})});
  EXPECT_EQ(ints(packed.values), (Ints{10, 20, 21, 22, 10}));
  EXPECT_EQ(longs(packed.offsets), (Numbers{0, 1, 1, 4, 5}));
  EXPECT_EQ(ints(pack(array(), {Indices(Numbers{9, -9}), IndexMode::clip}).values),
            (Ints{10, 20, 21, 22}));
  EXPECT_EQ(ints(pack(array(), {Indices(Numbers{6}), IndexMode::wrap}).values), (Ints{0, 1}));
  expect_error(Errc::index_out_of_range, "index 4 at position (1,)", [&] {
    pack(array(), {Indices(Numbers{0, 4})});
  });
  const Numbers two_axes{0, 1};
  expect_error(Errc::invalid_argument, "(2, 1)", [&] {
    pack(array(), {Indices(two_axes, Numbers{2, 1})});
  });
}

TEST_P(RaggedTest, IndicesOnTheDeviceSelect) {
  const DeviceBuffer indices = index_buffer({3, 0, 1});
  const PackedRows fetched = pack(array(), {Indices(indices)});
  EXPECT_EQ(ints(fetched.values), (Ints{10, 20, 21, 22}));
  PackOptions options;
  options.items = 6;
  options.offset_bytes = 4;
  const PackedRows packed = pack(array(), {Indices(indices)}, options);
  EXPECT_EQ(ints(packed.offsets), (Ints{0, 1, 4, 4}));
  Ints values = ints(packed.values);
  EXPECT_EQ(values.size(), on_device() ? 6U : 4U);
  values.resize(4);
  EXPECT_EQ(values, (Ints{10, 20, 21, 22}));
  EXPECT_EQ(ints(pad(array(), {Indices(indices)})), (Ints{10, 0, 0, 20, 21, 22, 0, 0, 0}));
}

TEST_P(RaggedTest, BadIndicesOnTheDeviceAreReportedByWhatTheyMade) {
  const DeviceBuffer indices = index_buffer({3, 7, 1});
  const auto report = [](const auto& make) {
    expect_error(Errc::index_out_of_range, "index 7 at position (1,)", make);
  };
  report([&] { pack(array(), {Indices(indices)}).values.synchronize(); });
  report([&] { pad(array(), {Indices(indices)}).synchronize(); });
  PackOptions options;
  options.items = 6;
  report([&] { pack(array(), {Indices(indices)}, options).values.synchronize(); });
  report([&] { pack(array(), {Indices(indices)}, options).offsets.synchronize(); });
}

TEST_P(RaggedTest, RowsThatDoNotFitAreLeftOutAndReported) {
  PackOptions options;
  options.items = 3;
  expect_error(Errc::invalid_argument, "5 items, and there is room for 3", [&] {
    const DeviceBuffer indices = index_buffer({0, 2});
    pack(array(), {Indices(indices)}, options).values.synchronize();
  });
  expect_error(Errc::invalid_argument, "5 items, and there is room for 3", [&] {
    pack(array(), {Indices(Numbers{0, 2})}, options);
  });
}

TEST_P(RaggedTest, OffsetsMayBeOf32Bits) {
  PackOptions options;
  options.offset_bytes = 4;
  EXPECT_EQ(ints(pack(array(), {}, options).offsets), (Ints{0, 3, 3, 5, 6}));
  options.offset_bytes = 2;
  expect_error(Errc::invalid_argument, "offsets of 2 bytes", [&] { pack(array(), {}, options); });
  // Items of no bytes: as many as one likes.
  const std::vector<const std::byte*> starts(3, nullptr);
  const RaggedArray many =
      upload(RaggedView(starts, Numbers(3, 1'000'000'000), Format("B", 1), {0}), device());
  options.offset_bytes = 4;
  expect_error(Errc::size_overflow, "a size is too large: the selected rows have 3000000000 items",
               [&] { pack(many, {}, options); });
  EXPECT_EQ(longs(pack(many).offsets).back(), 3'000'000'000);
}

TEST_P(RaggedTest, ConvertsAsItPacks) {
  PackOptions options;
  options.format = native_format<std::uint8_t>();
  options.overflow = Overflow::saturate;
  const Ints a{-5, 300}, b{7};
  const std::array<const std::int32_t*, 2> rows{a.data(), b.data()};
  const RaggedArray array = upload(RaggedView::from_rows(rows.data(), Numbers{2, 1}), device());
  EXPECT_EQ(pack(array, {}, options).values.to_host<std::uint8_t>(),
            (std::vector<std::uint8_t>{0, 255, 7}));
  options.format = Format("T{<i:x:}", 4);
  expect_error(Errc::format_unsupported, "struct", [&] { pack(array, {}, options); });
}

TEST_P(RaggedTest, PacksIntoTheCallersMemory) {
  Ints out(6, -1);
  PackOptions options;
  options.out = Output{.data = out.data(), .bytes = 24};
  const PackedRows packed = pack(array(), {}, options);
  EXPECT_EQ(packed.values.data(), reinterpret_cast<std::byte*>(out.data()));
  EXPECT_EQ(out, (Ints{20, 21, 22, 0, 1, 10}));
  options.out->bytes = 20;
  expect_error(Errc::invalid_argument, "20 bytes", [&] { pack(array(), {}, options); });
  options.out->bytes = 48;
  options.out->strides = {8};
  expect_error(Errc::invalid_argument, "dense in C order", [&] { pack(array(), {}, options); });
}

TEST_P(RaggedTest, IndicesMayLieInTheOutput) {
  Numbers both{3, 0};
  PackOptions options;
  options.out = Output{.data = both.data(), .bytes = 16};
  pack(array(), {Indices(both)}, options);
  Ints out(4);
  std::memcpy(out.data(), both.data(), 16);
  EXPECT_EQ(out, (Ints{10, 20, 21, 22}));
}

TEST_P(RaggedTest, TakenRowsAreAnArrayThatSharesThem) {
  const Numbers indices{2, -4, 1, 2};
  std::optional<RaggedArray> taken;
  {
    const RaggedArray all = array();
    taken.emplace(take(all, {Indices(indices)}));
  }
  EXPECT_EQ(taken->lengths(), (Numbers{2, 3, 0, 2}));
  EXPECT_EQ(ints(pack(*taken).values), (Ints{0, 1, 20, 21, 22, 0, 1}));
  EXPECT_EQ(ints(copy(taken->row(1))), (Ints{20, 21, 22}));
  const RaggedArray again = take(taken->slice({{}, {}, -1}), {Indices(index_buffer({2, 0}))});
  EXPECT_EQ(ints(pad(again)), (Ints{20, 21, 22, 0, 1, 0}));
  EXPECT_EQ(take(again, {Indices(Numbers{})}).rows(), 0);
  expect_error(Errc::index_out_of_range, "index 2 at position (0,)",
               [&] { take(again, {Indices(Numbers{2})}); });
}

TEST_P(RaggedTest, RowsThatAreTakenTwiceMayHaveTooManyItems) {
  const std::vector<const std::byte*> starts{nullptr};
  const std::int64_t huge = std::int64_t{1} << 62;
  const RaggedArray one = upload(RaggedView(starts, Numbers{huge}, Format("B", 1), {0}), device());
  EXPECT_EQ(one.items(), huge);
  const RaggedArray taken = take(one, {Indices(Numbers{0, 0})});
  EXPECT_EQ(taken.lengths(), (Numbers{huge, huge}));
  expect_error(Errc::size_overflow, "number of items", [&] { taken.items(); });
  expect_error(Errc::size_overflow, "number of items", [&] { pack(taken); });
}

// ---- pad

TEST_P(RaggedTest, PadsToTheLongestRow) {
  const DeviceBuffer padded = pad(array());
  EXPECT_EQ(padded.shape(), (Numbers{4, 3}));
  EXPECT_EQ(ints(padded), (Ints{20, 21, 22, 0, 0, 0, 0, 1, 0, 10, 0, 0}));
  EXPECT_EQ(pad(array(), {Indices(Numbers{3, 2})}).shape(), (Numbers{2, 2}));
}

TEST_P(RaggedTest, PadsOnEitherSideWithAnyElement) {
  PadOptions options;
  const std::int32_t fill = -7;
  options.fill = &fill;
  options.length = 4;
  options.side = PadSide::before;
  const Numbers some{2, 1};
  const RowSelection rows{Indices(some)};
  EXPECT_EQ(ints(pad(array(), rows, options)), (Ints{-7, -7, 0, 1, -7, -7, -7, -7}));
  options.side = PadSide::after;
  EXPECT_EQ(ints(pad(array(), rows, options)), (Ints{0, 1, -7, -7, -7, -7, -7, -7}));
}

TEST_P(RaggedTest, PadsBetweenRowsOfItemsThatAreApart) {
  Ints numbers(6 * 4);
  for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = static_cast<std::int32_t>(i);
  const auto items = ArrayView::dense(numbers.data(), Numbers{6}, Format("16x", 16));
  const RaggedArray all = upload(RaggedView::from_offsets(items, Numbers{0, 2, 2, 5, 6}), device());
  // Of an item the first number and the third.
  const RaggedArray array = all.reinterpret(0, Format("i", 4), std::array{Axis{2, 8, 0}});
  PadOptions options;
  const std::int32_t fill = -1;
  options.fill = &fill;
  EXPECT_EQ(ints(pad(array, {}, options)), (Ints{0, 2,  4,  6,  -1, -1, -1, -1, -1, -1, -1, -1,
                                                 8, 10, 12, 14, 16, 18, 20, 22, -1, -1, -1, -1}));
  options.side = PadSide::before;
  EXPECT_EQ(ints(pad(array, {}, options)), (Ints{-1, -1, 0,  2,  4,  6,  -1, -1, -1, -1, -1, -1,
                                                 8,  10, 12, 14, 16, 18, -1, -1, -1, -1, 20, 22}));
}

TEST_P(RaggedTest, TruncatesAsAsked) {
  PadOptions options;
  options.length = 2;
  expect_error(Errc::invalid_argument, "row 0 has 3 items, and the padded length is 2",
               [&] { pad(array(), {}, options); });
  expect_error(Errc::invalid_argument, "row 0 at position 1 has 3 items", [&] {
    pad(array(), {Indices(Numbers{2, -4})}, options);
  });
  expect_error(Errc::invalid_argument, "row 3 at position 0 has 3 items", [&] {
    pad(array().slice({{}, {}, -1}), {Indices(Numbers{3, 0})}, options);
  });
  options.truncation = Truncation::drop_end;
  EXPECT_EQ(ints(pad(array(), {}, options)), (Ints{20, 21, 0, 0, 0, 1, 10, 0}));
  options.truncation = Truncation::drop_begin;
  options.side = PadSide::before;
  EXPECT_EQ(ints(pad(array(), {}, options)), (Ints{21, 22, 0, 0, 0, 1, 0, 10}));
  options.length = 0;
  EXPECT_EQ(pad(array(), {}, options).shape(), (Numbers{4, 0}));
  options.length = -1;
  expect_error(Errc::invalid_argument, "-1 items", [&] { pad(array(), {}, options); });
}

TEST_P(RaggedTest, TheFillIsOfTheResultsFormat) {
  PadOptions options;
  options.format = native_format<float>();
  const float fill = -std::numeric_limits<float>::infinity();
  options.fill = &fill;
  EXPECT_EQ(pad(array(), {Indices(Numbers{3, 2})}, options).to_host<float>(),
            (std::vector<float>{10, fill, 0, 1}));
}

TEST_P(RaggedTest, FillsOfAnySizeRepeat) {
  // 12 and 24 bytes: no part of a word of 16.
  for (const std::int64_t size : {3, 5, 12, 24, 100}) {
    std::vector<std::byte> row(static_cast<std::size_t>(2 * size)), fill(row.size() / 2);
    for (std::size_t i = 0; i < row.size(); ++i) row[i] = static_cast<std::byte>(i);
    for (std::size_t i = 0; i < fill.size(); ++i) fill[i] = static_cast<std::byte>(200 + i);
    const std::vector<const std::byte*> starts{row.data(), row.data()};
    const RaggedView view(starts, Numbers{1, 2}, Format(std::to_string(size) + "s", size));
    PadOptions options;
    options.fill = fill.data();
    options.length = 9;
    const auto expected = reference::pad(view, {.length = 9, .fill = fill.data()});
    EXPECT_TRUE(verify(pad(upload(view, device()), {}, options), expected.bytes).equal());
  }
}

// ---- The reference

TEST(RaggedReference, RefusesLengthsAndSizesThatCannotBe) {
  const Ints values{1, 2};
  const std::array<const std::int32_t*, 2> rows{values.data(), values.data()};
  const RaggedView view = RaggedView::from_rows(rows.data(), Numbers{2, 1});
  expect_error(Errc::invalid_argument, "-1 items", [&] { reference::pad(view, {.length = -1}); });
  constexpr std::int64_t huge = std::int64_t{1} << 61;
  expect_error(Errc::size_overflow, "size of the result",
               [&] { reference::pad(view, {.length = huge}); });
  expect_error(Errc::size_overflow, "number of items",
               [&] { reference::pad(view, {.length = 2 * huge}); });
  const Format wide("d", 8);
  expect_error(Errc::size_overflow, "size of the result", [&] {
    reference::pad(view, {.length = huge / 4}, {Numbers{0, 0}}, wide);
  });
  const RaggedView empty_items(std::vector<const std::byte*>{nullptr}, Numbers{2 * huge},
                               Format("B", 1), {0});
  expect_error(Errc::size_overflow, "number of items", [&] {
    reference::pack(empty_items, {Numbers{0, 0}});
  });
}

// ---- Plans

TEST_P(RaggedTest, PlansRunIntoTheSameMemory) {
  const PackPlan packs(array(), {Indices(Numbers{3, 0})});  // the array itself is gone
  const PadPlan pads(array(), {Indices(Numbers{3, 0})});
  const std::byte* const memory = packs.result().values.data();
  for (int i = 0; i < 3; ++i) {
    // What users write over results is no business of a run's. Offsets that were written once, and
    // would stay wrong, are read-only, which not all consumers can be told.
    const DeviceBuffer& offsets = packs.result().offsets;
    EXPECT_TRUE(offsets.readonly());
    expect_error(Errc::invalid_argument, "read-only", [&] { output_of(offsets); });
    GatherOptions over;
    over.out =
        Output{.data = offsets.data(), .bytes = offsets.nbytes(), .space = offsets.view().space()};
    const Numbers wrong{7, 7, 7};
    copy(upload(ArrayView::dense(wrong.data(), Numbers{3}, Format("q", 8)), device()), over)
        .synchronize();
    over.out = output_of(packs.result().values);
    copy(array().row(0).slice(0, {0, 1, 1}),
         {.out = Output{over.out->data, 4, over.out->space, {}, over.out->memory}});
    EXPECT_EQ(ints(packs.run().values), (Ints{10, 20, 21, 22}));
    EXPECT_EQ(ints(pads.run()), (Ints{10, 0, 0, 20, 21, 22}));
    EXPECT_EQ(packs.result().values.data(), memory);
  }
}

TEST_P(RaggedTest, PlansReadDeviceIndicesAnew) {
  if (!on_device()) GTEST_SKIP() << "indices in host memory are copied";
  const DeviceBuffer indices = index_buffer({0, 2});
  PackOptions options;
  expect_error(Errc::invalid_argument, "needs `items`",
               [&] { PackPlan(array(), {Indices(indices)}, options); });
  options.items = 6;
  const PackPlan packs(array(), {Indices(indices)}, options);
  const PadPlan pads(array(), {Indices(indices)});
  EXPECT_EQ(longs(packs.run().offsets), (Numbers{0, 3, 5}));
  EXPECT_FALSE(packs.result().offsets.readonly());  // each run writes them anew
  EXPECT_EQ(ints(pads.run()), (Ints{20, 21, 22, 0, 1, 0}));
  change(indices, {-1, 0});
  EXPECT_EQ(longs(packs.run().offsets), (Numbers{0, 1, 4}));
  EXPECT_EQ(ints(packs.result().values).front(), 10);
  EXPECT_EQ(ints(pads.run()), (Ints{10, 0, 0, 20, 21, 22}));
  change(indices, {1, 5});
  packs.run();
  pads.run();
  for (int i = 0; i < 2; ++i) {
    expect_error(Errc::index_out_of_range, "index 5 at position (1,) on axis 0, whose extent is 4",
                 [&] { packs.result().offsets.synchronize(); });
    expect_error(Errc::index_out_of_range, "index 5", [&] { pads.result().synchronize(); });
  }
  change(indices, {2, 1});
  EXPECT_EQ(longs(packs.run().offsets), (Numbers{0, 2, 2}));
  EXPECT_EQ(ints(pads.run()), (Ints{0, 1, 0, 0, 0, 0}));
}

TEST_P(RaggedTest, PlansOnADeviceDoNotWriteToHostMemory) {
  Ints out(6);
  PackOptions options;
  options.out = Output{.data = out.data(), .bytes = 24};
  if (on_device()) {
    expect_error(Errc::invalid_argument, "cannot write to host memory",
                 [&] { PackPlan(array(), {}, options); });
    return;
  }
  PackPlan(array(), {}, options).run();
  EXPECT_EQ(out, (Ints{20, 21, 22, 0, 1, 10}));
}

TEST_P(RaggedTest, PlansWithoutItemsHaveNothingToDo) {
  const PackPlan packs(array(), {Indices(Numbers{1, 1})});
  EXPECT_EQ(packs.run().values.shape(), Numbers{0});
  EXPECT_EQ(longs(packs.run().offsets), (Numbers{0, 0, 0}));
  EXPECT_EQ(PadPlan(array(), {Indices(Numbers{})}).run().shape(), (Numbers{0, 0}));
}

INSTANTIATE_TEST_SUITE_P(On, RaggedTest, ::testing::Values("host", "cuda"),
                         [](const auto& tested) { return std::string(tested.param); });

}  // namespace
}  // namespace multibuffer
