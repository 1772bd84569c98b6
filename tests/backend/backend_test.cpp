#include <multibuffer/multibuffer.hpp>

#include "tests/testing/on_device.hpp"
#include "tests/testing/throws.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <numeric>
#include <span>
#include <string>
#include <vector>

// Without this the address sanitizer ends the program where memory that is not there is asked for.
extern "C" const char* __asan_default_options();  // NOLINT: the sanitizer's name
extern "C" const char* __asan_default_options() { return "allocator_may_return_null=1"; }

// One body of tests for every backend; those of a backend that this machine lacks are skipped.

namespace multibuffer {
namespace {

using testing::expect_error;
using Numbers = std::vector<std::int64_t>;

class BackendTest : public testing::OnDevice {};

/// `count` rows of `length` numbers 100 * row + column, each in memory of its own.
struct Rows {
  std::vector<std::vector<std::int32_t>> data;
  std::vector<std::int32_t*> pointers;
  std::int64_t length;

  Rows(std::int64_t count, std::int64_t row_length) : length(row_length) {
    for (std::int32_t i = 0; i < count; ++i) {
      data.emplace_back(static_cast<std::size_t>(length));
      std::iota(data.back().begin(), data.back().end(), 100 * i);
    }
    for (std::vector<std::int32_t>& row : data) pointers.push_back(row.data());
  }
  ArrayView view() const {
    return ArrayView::from_rows<std::int32_t>(pointers.data(),
                                              static_cast<std::int64_t>(pointers.size()), length);
  }
};

std::vector<std::int32_t> numbers(const DeviceBuffer& buffer) {
  const std::vector<std::byte> bytes = buffer.to_host();
  std::vector<std::int32_t> result(bytes.size() / sizeof(std::int32_t));
  std::memcpy(result.data(), bytes.data(), bytes.size());
  return result;
}

using Ints = std::vector<std::int32_t>;

TEST_P(BackendTest, UploadsAndCopiesBack) {
  const Rows rows(3, 4);
  for (const PlacementKind kind : {PlacementKind::packed, PlacementKind::preserved}) {
    UploadOptions options;
    options.placement = kind;
    const DeviceArray array = upload(rows.view(), device(), options);
    EXPECT_EQ(array.placement(), kind);
    const DeviceBuffer buffer = copy(array);
    EXPECT_EQ(buffer.shape(), (Numbers{3, 4}));
    EXPECT_EQ(buffer.strides(), (Numbers{16, 4}));
    EXPECT_EQ(numbers(buffer), (Ints{0, 1, 2, 3, 100, 101, 102, 103, 200, 201, 202, 203}));
  }
}

TEST_P(BackendTest, UploadIsASnapshot) {
  Rows rows(2, 2);
  const DeviceArray array = upload(rows.view(), device());
  rows.data[0][0] = -1;
  EXPECT_EQ(numbers(copy(array)), (Ints{0, 1, 100, 101}));
}

TEST_P(BackendTest, ViewsOfAnUploadedArrayReachTheSameElements) {
  const Rows rows(4, 5);
  const DeviceArray array = upload(rows.view(), device());
  EXPECT_EQ(numbers(copy(array.slice(0, {3, {}, -2}).slice(1, {1, {}, 3}))),
            (Ints{301, 304, 101, 104}));
  EXPECT_EQ(numbers(copy(array.index(0, 2).reverse(0))), (Ints{204, 203, 202, 201, 200}));
  EXPECT_EQ(numbers(copy(array.index(1, -1))), (Ints{4, 104, 204, 304}));
  EXPECT_EQ(numbers(copy(array.transpose().slice(0, {0, 2, 1}))),
            (Ints{0, 100, 200, 300, 1, 101, 201, 301}));
}

TEST_P(BackendTest, FortranOrderIsAMatterOfStrides) {
  const Rows rows(2, 3);
  const DeviceBuffer buffer = copy(upload(rows.view(), device()), {.order = Order::F});
  EXPECT_EQ(buffer.strides(), (Numbers{4, 8}));
  EXPECT_FALSE(buffer.is_c_contiguous());
  EXPECT_EQ(numbers(buffer), (Ints{0, 1, 2, 100, 101, 102})) << "to_host is in C order";
}

TEST_P(BackendTest, TakesAlongAnyAxis) {
  const Rows rows(4, 3);
  const DeviceArray array = upload(rows.view(), device());
  const Numbers list{2, -1, 2};
  EXPECT_EQ(numbers(take(array, 0, Indices(list))),
            (Ints{200, 201, 202, 300, 301, 302, 200, 201, 202}));
  const std::vector<std::int32_t> short_list{0, 2};
  EXPECT_EQ(numbers(take(array, -1, Indices(short_list))),
            (Ints{0, 2, 100, 102, 200, 202, 300, 302}));
  const Numbers square{0, 1, 2, 3};
  const DeviceBuffer buffer = take(array, 0, Indices(square, {2, 2}));
  EXPECT_EQ(buffer.shape(), (Numbers{2, 2, 3}));
  const DeviceBuffer none = take(array, 1, Indices(Numbers{}));
  EXPECT_EQ(none.shape(), (Numbers{4, 0}));
  EXPECT_TRUE(none.to_host().empty());
}

TEST_P(BackendTest, IndexModesMeanWhatTheyMeanInNumPy) {
  const Rows rows(3, 1);
  const DeviceArray array = upload(rows.view(), device());
  const Numbers wild{-7, -4, -1, 0, 2, 3, 100};
  EXPECT_EQ(numbers(take(array, 0, Indices(wild), IndexMode::clip)),
            (Ints{0, 0, 0, 0, 200, 200, 200}));
  EXPECT_EQ(numbers(take(array, 0, Indices(wild), IndexMode::wrap)),
            (Ints{200, 200, 200, 0, 200, 0, 100}));
}

TEST_P(BackendTest, HostIndicesAreCheckedBeforeAnythingIsWritten) {
  const Rows rows(3, 2);
  const DeviceArray array = upload(rows.view(), device());
  Ints out(8, -1);
  GatherOptions request;
  request.out = Output{out.data(), 32, MemorySpace::host, {}};
  const Numbers bad{0, 1, 3, 9};
  expect_error(Errc::index_out_of_range, "index 3 at position (1, 0) on axis 0, whose extent is 3",
               [&] {
                 take(array, 0, Indices(bad, {2, 2}), request);
               });
  EXPECT_EQ(out, Ints(8, -1));
  expect_error(Errc::index_out_of_range, "index -3 at position (0,) on axis 1",
               [&] { take(array, 1, Indices(Numbers{-3})); });
  expect_error(Errc::index_out_of_range, "1 indices for axis 0, whose extent is 0", [&] {
    take(array.slice(0, {0, 0, 1}), 0, Indices(Numbers{0}));
  });
}

template <class T>
void expect_each_to_be_refused(const DeviceArray& array, std::span<const T> bad) {
  std::vector<T> values(100, T{2});
  values[3] = -3;
  EXPECT_EQ(take(array, 0, Indices(values)).shape()[0], 100);
  for (const T value : bad) {
    values[97] = value;
    expect_error(Errc::index_out_of_range,
                 "index " + std::to_string(value) + " at position (97,) on axis 0",
                 [&] { take(array, 0, Indices(values)); });
  }
}

TEST_P(BackendTest, IndicesOutOfRangeAreFoundInEitherWidth) {
  const Rows rows(3, 2);
  const DeviceArray array = upload(rows.view(), device());
  expect_each_to_be_refused<std::int32_t>(array, std::array{3, -4, INT32_MAX, INT32_MIN});
  expect_each_to_be_refused<std::int64_t>(
      array, std::array<std::int64_t, 6>{3, -4, INT64_MAX, INT64_MIN, 1LL << 32, -(1LL << 32)});
}

TEST_P(BackendTest, DeviceIndicesAreCheckedWhenTheResultIsAskedFor) {
  const Rows rows(3, 2);
  const DeviceArray array = upload(rows.view(), device());
  const Numbers good{2, -3}, bad{0, 5, -9, 1};
  const auto on_device = [&](const Numbers& values) {
    return Indices(DeviceBuffer::from_host(device(), values.data(),
                                           Numbers{static_cast<std::int64_t>(values.size())},
                                           Format("q", 8)));
  };
  EXPECT_EQ(numbers(take(array, 0, on_device(good))), (Ints{200, 201, 0, 1}));
  expect_error(Errc::index_out_of_range, "index 5 at position (1,) on axis 0, whose extent is 3",
               [&] { take(array, 0, on_device(bad)).synchronize(); });
  // Under another format, too.
  expect_error(Errc::index_out_of_range, "index 5",
               [&] { take(array, 0, on_device(bad)).reinterpret(Format("f", 4)).synchronize(); });
}

TEST_P(BackendTest, CoordinatesPickElements) {
  const Rows rows(4, 5);
  const DeviceArray array = upload(rows.view(), device());
  const Numbers row{0, 3, 1}, column{4, 0, -2};
  const std::vector<Indices> both{Indices(row), Indices(column)};
  EXPECT_EQ(numbers(gather(array, Selection::at(both))), (Ints{4, 300, 103}));
  // Broadcast against each other: a column of rows and a row of columns.
  const std::vector<Indices> outer{Indices(row, {3, 1}), Indices(column, {1, 3})};
  EXPECT_EQ(numbers(gather(array, Selection::at(outer))),
            (Ints{4, 0, 3, 304, 300, 303, 104, 100, 103}));
  const std::vector<Indices> uneven{Indices(row), Indices(Numbers{0, 1})};
  expect_error(Errc::invalid_argument, "do not broadcast",
               [&] { gather(array, Selection::at(uneven)); });
}

TEST_P(BackendTest, NoSelectionIsEverything) {
  const Rows rows(4, 5);
  const DeviceArray array = upload(rows.view(), device());
  const Ints all = numbers(copy(array));
  EXPECT_EQ(numbers(gather(array, {})), all);
  EXPECT_EQ(numbers(gather(array, {}, {})), all);
  EXPECT_EQ(numbers(gather(array, Selection::at({}))), all);
  EXPECT_EQ(gather(array, {}, {.order = Order::F}).strides(), (Numbers{4, 16}));
}

TEST_P(BackendTest, IndicesThatAreBroadcastAwayMayBeAnything) {
  const Rows rows(4, 5);
  const DeviceArray array = upload(rows.view(), device());
  const Numbers far{99, -99}, none;
  const std::vector<Indices> both{Indices(far, {2, 1}), Indices(none, {1, 0})};
  EXPECT_EQ(gather(array, Selection::at(both)).shape(), (Numbers{2, 0}));
  const DeviceArray empty = array.slice(1, {0, 0, 1});
  expect_error(Errc::index_out_of_range, "99", [&] { take(empty, 0, Indices(far)); });
}

TEST_P(BackendTest, AnOutputOverItsIndicesIsRefusedOrRight) {
  const Numbers source{10, 11, 12, 13}, index{3, 0, 2, 1};
  const DeviceArray array =
      upload(ArrayView::dense(source.data(), Numbers{4}, Format("q", 8)), device());
  const DeviceBuffer buffer =
      DeviceBuffer::from_host(device(), index.data(), Numbers{4}, Format("q", 8));
  GatherOptions request;
  request.out = output_of(buffer);
  if (device().kind() == DeviceKind::cuda) {
    expect_error(Errc::invalid_argument, "the output overlaps an index array",
                 [&] { take(array, 0, Indices(buffer), request); });
  } else {
    EXPECT_EQ(take(array, 0, Indices(buffer), request).to_host().size(), 32U);
    Numbers result(4);
    std::memcpy(result.data(), buffer.to_host().data(), 32);
    EXPECT_EQ(result, (Numbers{13, 10, 12, 11}));
  }
}

TEST_P(BackendTest, GroupsGoWhereNumPyPutsThem) {
  std::vector<std::int32_t> cube(2 * 3 * 4);
  std::iota(cube.begin(), cube.end(), 0);
  const DeviceArray array =
      upload(ArrayView::dense(cube.data(), Numbers{2, 3, 4}, Format("i", 4)), device());
  const Numbers two{1, 0}, more{2, 3};
  Selection apart;  // a[[1, 0], :, [2, 3]]: the index axes are no neighbours
  apart.groups = {{{0, 2}, {Indices(two), Indices(more)}, {}}};
  EXPECT_EQ(gather(array, apart).shape(), (Numbers{2, 3}));
  EXPECT_EQ(numbers(gather(array, apart)), (Ints{14, 18, 22, 3, 7, 11}));
  apart.groups[0].position = 1;
  EXPECT_EQ(gather(array, apart).shape(), (Numbers{2, 3}));
  apart.groups[0].position = 3;
  EXPECT_EQ(numbers(gather(array, apart)), (Ints{14, 3, 18, 7, 22, 11}));
  Selection together;  // a[:, [1, 0], [2, 3]]
  together.groups = {{{1, 2}, {Indices(two), Indices(more)}, {}}};
  EXPECT_EQ(numbers(gather(array, together)), (Ints{6, 3, 18, 15}));
  Selection independent;  // a[np.ix_([1, 0], [2, 1], ...)]
  independent.groups = {{{0}, {Indices(two)}, {}}, {{2}, {Indices(more)}, {}}};
  EXPECT_EQ(gather(array, independent).shape(), (Numbers{2, 3, 2}));
  EXPECT_EQ(numbers(gather(array, independent)),
            (Ints{14, 15, 18, 19, 22, 23, 2, 3, 6, 7, 10, 11}));
}

TEST_P(BackendTest, WritesIntoTheCallersMemory) {
  const Rows rows(2, 3);
  const DeviceArray array = upload(rows.view(), device());
  Ints out(10, -1);
  GatherOptions request;
  request.out = Output{out.data(), 40, MemorySpace::host, {20, 4}};  // rows of 5
  copy(array, request);
  EXPECT_EQ(out, (Ints{0, 1, 2, -1, -1, 100, 101, 102, -1, -1}));

  const auto refused = [&](const std::string& part, Output output) {
    request.out = output;
    expect_error(Errc::invalid_argument, part, [&] { copy(array, request); });
  };
  refused("the output has 23 bytes; shape (2, 3) needs 24",
          {out.data(), 23, MemorySpace::host, {}});
  refused("needs 24", {nullptr, 40, MemorySpace::host, {}});
  refused("1 strides", {out.data(), 40, MemorySpace::host, {4}});
  refused("makes elements overlap", {out.data(), 40, MemorySpace::host, {8, 4}});
  refused("output stride -4 of axis 1 is negative; reverse the axis of the array instead",
          {out.data(), 40, MemorySpace::host, {12, -4}});
}

TEST_P(BackendTest, WritesIntoAnEarlierResult) {
  const Rows rows(2, 3);
  const DeviceArray array = upload(rows.view(), device());
  const DeviceBuffer first = copy(array, {.order = Order::F});
  GatherOptions request;
  request.out = output_of(first);
  const DeviceBuffer second = copy(array.reverse(0), request);
  EXPECT_EQ(second.data(), first.data());
  EXPECT_EQ(second.strides(), first.strides());
  EXPECT_EQ(numbers(second), (Ints{100, 101, 102, 0, 1, 2}));
}

TEST_P(BackendTest, IndexBuffersMayBeOnTheHost) {
  const Rows rows(3, 1);
  const DeviceArray array = upload(rows.view(), device());
  const Numbers values{2, 0};
  const Indices indices(
      DeviceBuffer::from_host(Device::host(), values.data(), Numbers{2}, Format("q", 8)));
  EXPECT_EQ(numbers(take(array, 0, indices)), (Ints{200, 0}));
}

TEST_P(BackendTest, IndicesOfAnEmptyResultAreCheckedToo) {
  const DeviceArray empty =
      upload(ArrayView::dense(nullptr, Numbers{3, 0}, Format("d", 8)), device());
  const Numbers bad{5};
  expect_error(Errc::index_out_of_range, "index 5", [&] { take(empty, 0, Indices(bad)); });
  expect_error(Errc::index_out_of_range, "index 5", [&] {
    take(empty, 0,
         Indices(DeviceBuffer::from_host(device(), bad.data(), Numbers{1}, Format("q", 8))));
  });
}

TEST_P(BackendTest, LongRunsArriveWhole) {
  // Longer than what one thread takes at a time, and no multiple of it.
  std::vector<std::byte> memory((std::size_t{3} << 20) + 77);
  for (std::size_t i = 0; i < memory.size(); ++i) memory[i] = static_cast<std::byte>(i * 31 >> 4);
  const Numbers shape{static_cast<std::int64_t>(memory.size())};
  const DeviceArray array = upload(ArrayView::dense(memory.data(), shape, Format()), device());
  EXPECT_TRUE(copy(array).to_host() == memory);
}

TEST_P(BackendTest, SelectionsThatMakeNoSense) {
  const Rows rows(2, 3);
  const DeviceArray array = upload(rows.view(), device());
  const Numbers zero{0};
  const Indices index(zero);
  expect_error(Errc::invalid_argument, "axis 2 of an array with 2 axes",
               [&] { take(array, 2, index); });
  Selection request;
  request.groups = {{{0}, {index}, {}}, {{-2}, {index}, {}}};
  expect_error(Errc::invalid_argument, "axis 0 is indexed twice", [&] { gather(array, request); });
  request.groups = {{{0, 1}, {index}, {}}};
  expect_error(Errc::invalid_argument, "1 index arrays for 2 axes",
               [&] { gather(array, request); });
  expect_error(Errc::invalid_argument, "3 coordinates for an array with 2 axes", [&] {
    gather(array, Selection::at(std::vector{index, index, index}));
  });
  expect_error(Errc::invalid_argument, "do not have the shape (2,)", [&] { Indices(zero, {2}); });
}

TEST_P(BackendTest, IndexBuffersAreIntegers) {
  const double values[] = {0, 1};
  const auto buffer = DeviceBuffer::from_host(device(), values, Numbers{2}, Format("d", 8));
  expect_error(Errc::invalid_argument, "32- or 64-bit signed integers, not 'd'",
               [&] { Indices{buffer}; });
}

TEST_P(BackendTest, ElementsOfAnySize) {
  for (const std::int64_t itemsize : {1, 2, 3, 5, 8, 12, 16, 20, 24, 31, 48, 64, 100, 1000, 4097}) {
    const std::int64_t count = 5;
    std::vector<std::byte> memory(static_cast<std::size_t>(2 * count * itemsize));
    for (std::size_t i = 0; i < memory.size(); ++i)
      memory[i] = static_cast<std::byte>(i * 37 % 251);
    const std::byte* rows[] = {memory.data() + count * itemsize, memory.data(),
                               memory.data() + count * itemsize};
    const ArrayView view(rows, Format(std::to_string(itemsize) + "s", itemsize),
                         Layout({{3, 8, 0}, {count, itemsize, 1}}, {0, 0}));
    const DeviceArray array = upload(view, device());
    const Numbers order{4, 2, 2, 0};
    const std::vector<std::byte> result = take(array.reverse(0), 1, Indices(order)).to_host();
    std::vector<std::byte> expected;
    for (int i = 2; i >= 0; --i)
      for (const std::int64_t j : order)
        expected.insert(expected.end(), rows[i] + j * itemsize, rows[i] + (j + 1) * itemsize);
    EXPECT_EQ(result, expected) << "itemsize " << itemsize;
  }
}

TEST_P(BackendTest, FieldsAreViewsOfTheElements) {
  std::vector<std::byte> memory(3 * 12);
  for (std::size_t i = 0; i < memory.size(); ++i) memory[i] = static_cast<std::byte>(i);
  const std::byte* rows[] = {memory.data() + 24, memory.data(), memory.data() + 12};
  const Format format("T{B:a:3x(2,2)H:b:}", 12);
  const DeviceArray array =
      upload(ArrayView(rows, format, Layout({{3, 8, 0}, {1, 12, 1}}, {0, 0})), device());
  const DeviceArray field = array.field("b");
  EXPECT_EQ(field.format().text(), "H");
  EXPECT_EQ(field.shape(), (Numbers{3, 1, 2, 2}));
  EXPECT_EQ(array.field("a").shape(), (Numbers{3, 1}));
  const std::vector<std::byte> bytes = copy(field.index(3, 1).index(1, 0)).to_host();
  const int expected[] = {30, 31, 34, 35, 6, 7, 10, 11, 18, 19, 22, 23};
  ASSERT_EQ(bytes.size(), std::size(expected));
  for (std::size_t i = 0; i < bytes.size(); ++i)
    EXPECT_EQ(std::to_integer<int>(bytes[i]), expected[i]);

  const std::vector<std::string> both{"a", "b"}, swapped{"b", "a"}, twice{"a", "a"};
  EXPECT_EQ(array.fields(both).format().type().fields.size(), 2U);
  EXPECT_EQ(array.fields(both).itemsize(), 12);
  EXPECT_EQ(copy(array.fields(both).field("b")).to_host(), copy(field).to_host());
  const DeviceArray only_b = array.fields(std::span(both).last(1));
  EXPECT_EQ(only_b.shape(), (Numbers{3, 1}));
  EXPECT_EQ(only_b.format().type().fields.at(0).offset, 4);
  EXPECT_EQ(copy(only_b).to_host(), copy(array).to_host());
  expect_error(Errc::invalid_argument, "'a' does not come after 'b'",
               [&] { array.fields(swapped); });
  expect_error(Errc::invalid_argument, "'a' does not come after 'a'", [&] { array.fields(twice); });

  expect_error(Errc::invalid_argument, "no field 'c'; there are 'a', 'b'",
               [&] { array.field("c"); });
  expect_error(Errc::format_unsupported, "'H' have no fields", [&] { field.field("a"); });
  expect_error(Errc::invalid_argument, "bytes -1 to 1", [&] {
    array.reinterpret(0, Format(), std::vector<Axis>{{2, -1, 0}});
  });
  expect_error(Errc::invalid_argument, "bytes 9 to 13 of elements that have 12",
               [&] { array.reinterpret(9, Format("i", 4)); });
}

TEST_P(BackendTest, ArraysWithoutElementsOrAxes) {
  const DeviceArray empty =
      upload(ArrayView::dense(nullptr, Numbers{0, 3}, Format("d", 8)), device());
  EXPECT_EQ(copy(empty).shape(), (Numbers{0, 3}));
  EXPECT_TRUE(copy(empty, {.order = Order::F}).to_host().empty());
  const std::int32_t value = 42;
  const DeviceArray scalar = upload(ArrayView::dense(&value, Numbers{}, Format("i", 4)), device());
  EXPECT_EQ(numbers(copy(scalar)), Ints{42});
  EXPECT_EQ(numbers(copy(scalar.insert_axis(0))), Ints{42});
}

TEST_P(BackendTest, VerifyFindsTheFirstDifference) {
  const Rows rows(300, 257);
  const DeviceBuffer actual = copy(upload(rows.view(), device()));
  Ints changed = numbers(actual);
  const auto again = [&] {
    return DeviceBuffer::from_host(device(), changed.data(), actual.shape(), actual.format());
  };
  EXPECT_TRUE(verify(actual, again()).equal());
  changed[7 * 257 + 13] = -5;
  changed[299 * 257] = -6;
  const Comparison comparison = verify(actual, again());
  EXPECT_EQ(comparison.mismatches, 2);
  EXPECT_EQ(comparison.first, (Numbers{7, 13}));
  EXPECT_EQ(comparison.actual, "713");
  EXPECT_EQ(comparison.expected, "-5");
}

TEST_P(BackendTest, StopsWhenAsked) {
  const Rows rows(100, 100'000);
  std::stop_source source;
  source.request_stop();
  UploadOptions options;
  options.watch.stop = source.get_token();
  expect_error(Errc::cancelled, "", [&] { upload(rows.view(), device(), options); });
}

TEST_P(BackendTest, ReportsProgressToTheEnd) {
  const Rows rows(100, 100'000);
  std::int64_t last = 0, all = 0;
  UploadOptions options;
  options.watch.progress = [&](std::int64_t done, std::int64_t total) {
    EXPECT_GE(done, last);
    last = done;
    all = total;
  };
  upload(rows.view(), device(), options);
  EXPECT_EQ(all, 100 * 100'000 * 4);
  EXPECT_GT(last, 0);
}

TEST_P(BackendTest, OutOfMemoryGivesTheSizes) {
  const std::byte zero{};
  const std::int64_t huge = std::int64_t{1} << 46;
  const DeviceArray array =
      upload(ArrayView(&zero, Format(), Layout({{huge, 0, 0}}, {0})), device());
  expect_error(Errc::out_of_device_memory, std::to_string(huge) + " bytes", [&] { copy(array); });
  EXPECT_THROW(copy(array), std::bad_alloc);  // as handlers know it that know no Error
}

INSTANTIATE_TEST_SUITE_P(On, BackendTest, ::testing::Values("host", "cuda"),
                         [](const auto& tested) { return std::string(tested.param); });

TEST(Device, NamesThatAreNone) {
  expect_error(Errc::invalid_argument, "there are auto, host, cuda, and cuda:N",
               [] { Device::open("gpu"); });
  expect_error(Errc::invalid_argument, "write cuda:0", [] { Device::open("cuda:x"); });
  if (list_devices().devices.size() == 1)
    expect_error(Errc::device_unavailable, "", [] { Device::open("cuda"); });
}

TEST(Device, TheHostIsAlwaysThere) {
  EXPECT_EQ(list_devices().devices.back().name, "host");
  EXPECT_GT(Device::host().info().memory_bytes, 0);
  EXPECT_EQ(Device::open("host"), Device::host());
}

TEST(InPlace, DeviceMemoryIsNotTheHostsToRead) {
  const std::byte memory[4]{};
  const ArrayView elsewhere(memory, Format(), Layout({{4, 1, 0}}, {0}), true, MemorySpace::device);
  expect_error(Errc::invalid_argument, "the host cannot read device memory",
               [&] { upload(elsewhere, Device::host()); });
}

TEST(InPlace, OnTheHostNothingMoves) {
  Rows rows(3, 4);
  UploadOptions options;
  options.placement = PlacementKind::in_place;
  const auto owner = std::make_shared<int>(0);
  options.owner = owner;
  {
    const DeviceArray array = upload(rows.view(), Device::host(), options);
    rows.data[1][2] = -7;
    EXPECT_EQ(numbers(copy(array.index(0, 1))), (Ints{100, 101, -7, 103}));
    EXPECT_EQ(owner.use_count(), 3);
  }
  options.owner.reset();
  EXPECT_EQ(owner.use_count(), 1);
}

}  // namespace
}  // namespace multibuffer
