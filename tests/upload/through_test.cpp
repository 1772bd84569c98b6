#include <multibuffer/multibuffer.hpp>

#include "tests/testing/cases.hpp"
#include "tests/testing/on_device.hpp"
#include "tests/testing/random_array.hpp"
#include "tests/testing/throws.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <numeric>
#include <optional>
#include <string>
#include <utility>
#include <vector>

// Axes through tables, on every backend that this machine has.

namespace multibuffer {
namespace {

using testing::cases;
using testing::expect_error;
using testing::Random;
using Ints = std::vector<std::int32_t>;
using Numbers = std::vector<std::int64_t>;

std::int64_t size_of(const Numbers& shape) {
  return std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies{});
}

class ThroughTest : public testing::OnDevice {
 protected:
  DeviceBuffer on(const Ints& values, const Numbers& shape) const {
    return DeviceBuffer::from_host(device(), values.data(), shape, Format("i", 4));
  }
  DeviceBuffer on(const Numbers& values, const Numbers& shape) const {
    return DeviceBuffer::from_host(device(), values.data(), shape, Format("q", 8));
  }
  /// Writes other values where those of `buffer` are.
  void change(const DeviceBuffer& buffer, const Ints& values) const {
    GatherOptions options;
    options.out = output_of(buffer);
    copy(upload(ArrayView::dense(values.data(), buffer.shape(), Format("i", 4)), device()),
         options);
  }

  /// Pages of 3 slots of 2 numbers, 100 * page + 10 * slot + number, each page in memory of its
  /// own or all in one block.
  DeviceArray pages(bool behind_pointers) {
    for (int page = 0; page < 4; ++page)
      for (int slot = 0; slot < 3; ++slot)
        for (int number = 0; number < 2; ++number)
          memory_[static_cast<std::size_t>((page * 3 + slot) * 2 + number)] =
              100 * page + 10 * slot + number;
    const Numbers shape{4, 3, 2};
    if (!behind_pointers)
      return upload(ArrayView::dense(memory_.data(), shape, Format("i", 4)), device());
    // Pages 0 and 1 change places, and the last one is there twice.
    for (const int page : {1, 0, 2, 3, 3}) pointers_.push_back(memory_.data() + page * 6);
    UploadOptions options;
    options.simplify.duplicate = false;
    const DeviceArray array =
        upload(ArrayView::from_rows(pointers_, 6), device(), options).slice(0, {{}, 4, 1});
    const Numbers inner{4, 3, 2};
    return *array.reshape(inner);
  }

  Ints memory_ = Ints(24);
  std::vector<const std::int32_t*> pointers_;
};

Ints numbers(const DeviceBuffer& buffer) { return buffer.to_host<std::int32_t>(); }

TEST_P(ThroughTest, AnAxisHasTheTablesAxes) {
  for (const bool behind_pointers : {false, true}) {
    const DeviceArray array = pages(behind_pointers);
    EXPECT_EQ(array.layout().levels(), behind_pointers ? 1 : 0);
    const DeviceArray through = array.through(0, on(Ints{3, 0, 0, 2, 1, 3}, {3, 2}));
    EXPECT_EQ(through.shape(), (Numbers{3, 2, 3, 2}));
    EXPECT_EQ(through.layout().levels(), behind_pointers ? 2 : 1);
    const int second = behind_pointers ? 100 : 0;
    EXPECT_EQ(numbers(copy(through.index(0, 0).index(1, 2))),
              (Ints{320, 321, 20 + second, 21 + second}));
    EXPECT_EQ(numbers(take(through.index(2, 1).index(2, 0), 1, Indices(Numbers{1}))),
              (Ints{10 + second, 210, 310}));
  }
}

TEST_P(ThroughTest, EntriesAreReadAtEachUse) {
  const DeviceBuffer table = on(Ints{0, 1}, {2});
  const DeviceArray through = pages(false).through(0, table).index(1, 0).index(1, 0);
  const Plan plan(through, Selection{});
  EXPECT_EQ(numbers(plan.run()), (Ints{0, 100}));
  change(table, {3, 2});
  EXPECT_EQ(numbers(copy(through)), (Ints{300, 200}));
  EXPECT_EQ(numbers(plan.run()), (Ints{300, 200}));
}

TEST_P(ThroughTest, TheTableIsKept) {
  std::optional<DeviceBuffer> table = on(Numbers{2, 1}, {2});
  const DeviceArray through = pages(false).through(0, *table);
  table.reset();
  EXPECT_EQ(numbers(copy(through.index(1, 0).index(1, 0))), (Ints{200, 100}));
}

TEST_P(ThroughTest, AnyAxisOfADenseArrayGoesThroughATable) {
  const DeviceArray array = pages(false);
  const DeviceBuffer table = on(Ints{1, 0, 1}, {3});
  EXPECT_EQ(numbers(copy(array.through(-1, table).index(0, 1).index(0, 2))), (Ints{121, 120, 121}));
  EXPECT_EQ(numbers(copy(array.reverse(1).through(1, table).index(0, 0).index(1, 0))),
            (Ints{10, 20, 10}));
  // And one after the other, through a first table whose entries are positions in the second.
  const DeviceArray twice = array.through(0, on(Ints{3, 2, 1, 0}, {4})).through(0, table);
  EXPECT_EQ(twice.layout().levels(), 2);
  EXPECT_EQ(numbers(copy(twice.index(1, 0).index(1, 0))), (Ints{200, 300, 200}));
}

TEST_P(ThroughTest, EntriesThatNoIndexLeadsToMayBeAnything) {
  for (const bool behind_pointers : {false, true}) {
    const DeviceArray through =
        pages(behind_pointers).through(0, on(Ints{2, -1, 3, 1 << 30}, {2, 2}));
    EXPECT_EQ(numbers(copy(through.index(1, 0).index(1, 0).index(1, 1))), (Ints{201, 301}));
    const Numbers rows{1, 0}, columns{0, 0};
    EXPECT_EQ(numbers(gather(through.index(2, 0).index(2, 0),
                             Selection::at(std::vector<Indices>{Indices(rows), Indices(columns)}))),
              (Ints{300, 200}));
  }
}

TEST_P(ThroughTest, IndicesOfTheTableAreChecked) {
  const DeviceArray through = pages(false).through(0, on(Ints{2, 3}, {2}));
  expect_error(Errc::index_out_of_range, "on axis 0, whose extent is 2", [&] {
    take(through, 0, Indices(Numbers{1, 2}));
  });
}

TEST_P(ThroughTest, CheckTableNamesTheFirstBadEntry) {
  const DeviceArray array = pages(false);
  EXPECT_NO_THROW(check_table(array, 0, on(Ints{3, 0}, {2})));
  expect_error(Errc::index_out_of_range,
               "entry 4 at position (1, 0) of a table for axis 0, whose extent is 4", [&] {
                 check_table(array, 0, on(Ints{3, 0, 4, -1}, {2, 2}));
               });
  const DeviceBuffer padded = on(Numbers{3, -1}, {2});
  expect_error(Errc::index_out_of_range, "entry -1 at position (1,)",
               [&] { check_table(array, -3, padded); });
  EXPECT_NO_THROW(check_table(array, 0, padded, NegativeEntries::unread));
}

TEST_P(ThroughTest, WhatIsNoTableIsRefused) {
  const DeviceArray array = pages(false);
  const float reals[] = {0, 1};
  const Numbers shape{2};
  expect_error(Errc::invalid_argument, "int32 or int64", [&] {
    array.through(0, DeviceBuffer::from_host(device(), reals, shape, Format("f", 4)));
  });
  expect_error(Errc::invalid_argument, "int32 or int64", [&] {
    array.through(0, DeviceBuffer::from_host(device(), reals, shape, Format(">i", 4)));
  });
  const Numbers three{3};
  const DeviceBuffer bytes =
      DeviceBuffer::from_host(device(), memory_.data(), three, Format("i", 4));
  const DeviceBuffer gappy =
      bytes.reinterpret(Format("B", 1), {12}, {1}).reinterpret(Format("i", 4), {2}, {6});
  expect_error(Errc::invalid_argument, "axis 0 has a stride of 6 bytes",
               [&] { array.through(0, gappy); });
  expect_error(Errc::invalid_argument, "axis 3", [&] { array.through(3, bytes); });
}

TEST_P(ThroughTest, OnlySingleEntriesOfTheFirstTableCanBeNamed) {
  const DeviceArray array = pages(true);
  const DeviceBuffer table = on(Ints{0, 1}, {2});
  expect_error(Errc::invalid_argument, "axis 1 counts behind a pointer table",
               [&] { array.through(1, table); });
  expect_error(Errc::invalid_argument, "axis 0 moves 2 entries of a pointer table", [&] {
    array.slice(0, {0, 4, 2}).through(0, table);
  });
}

TEST_P(ThroughTest, AnAxisWithoutIndicesHasNoTable) {
  const DeviceArray none = pages(false).slice(0, {0, 0, 1});
  expect_error(Errc::index_out_of_range, "a table of 2 entries for axis 0, whose extent is 0", [&] {
    none.through(0, on(Ints{0, 1}, {2}));
  });
  EXPECT_EQ(copy(none.through(0, on(Ints{}, {0, 3}))).shape(), (Numbers{0, 3, 3, 2}));
  EXPECT_EQ(copy(none.slice(1, {0, 0, 1}).through(0, on(Ints{5}, {1}))).size(), 0);
}

TEST_P(ThroughTest, AnUpdateIsOneOfWhatWasUploaded) {
  const DeviceArray array = pages(false);
  const DeviceArray through = array.through(0, on(Ints{3, 1}, {2}));
  Ints other = memory_;
  for (std::int32_t& number : other) number += 1000;
  const Numbers shape{4, 3, 2};
  update(through, ArrayView::dense(other.data(), shape, Format("i", 4)));
  EXPECT_EQ(numbers(copy(through.index(1, 0).index(1, 0))), (Ints{1300, 1100}));
  EXPECT_EQ(numbers(copy(array.index(1, 0).index(1, 0))), (Ints{1000, 1100, 1200, 1300}));
}

TEST_P(ThroughTest, PointersAreUpdatedAsThoseOfWhatWasUploaded) {
  pages(true);
  UploadOptions options;
  options.keep_sources = true;
  const DeviceArray array = upload(ArrayView::from_rows(pointers_, 6), device(), options);
  const DeviceArray through = array.through(0, on(Ints{0}, {1}));
  std::reverse(pointers_.begin(), pointers_.end());
  const DeviceArray again = update_pointers(through, ArrayView::from_rows(pointers_, 6));
  EXPECT_EQ(again.shape(), (Numbers{5, 6}));
  EXPECT_EQ(numbers(copy(again.index(1, 0))), (Ints{300, 300, 200, 0, 100}));
  EXPECT_EQ(numbers(copy(through.index(1, 0))), (Ints{100}));
}

TEST_P(ThroughTest, AnOutputOverTheTableIsRefused) {
  const DeviceBuffer table = on(Ints{0, 1, 2, 3, 0, 1}, {6});
  const DeviceArray through = pages(false).through(0, table).index(1, 0).index(1, 0);
  GatherOptions options;
  options.out = output_of(table);
  expect_error(Errc::invalid_argument, "overlaps the table", [&] { copy(through, options); });
}

TEST_P(ThroughTest, ItsTablesAreTheCallersThenTheArraysOwn) {
  const DeviceArray array = pages(true);
  const DeviceBuffer table = on(Ints{3, 0, 0, 2}, {2, 2});
  const DeviceArray through = array.through(0, table);
  const std::vector<DeviceBuffer> tables = through.tables();
  ASSERT_EQ(tables.size(), 2U);
  EXPECT_EQ(tables[0].data(), table.data());
  EXPECT_EQ(tables[0].shape(), (Numbers{2, 2}));
  EXPECT_EQ(tables[1].data(), array.tables()[0].data());
  EXPECT_EQ(tables[1].size(), 5);
  EXPECT_TRUE(tables[1].readonly());
  EXPECT_EQ(through.unit(), array.unit());
  EXPECT_EQ(through.address(), array.address());
}

TEST(Through, AnArrayThatWouldBeTooLargeIsRefused) {
  const Ints memory(24), entry{0};
  const Numbers shape{4, 3, 2}, one{1};
  const std::int64_t many = std::int64_t{1} << 30;
  const DeviceArray array =
      upload(ArrayView::dense(memory.data(), shape, Format("i", 4)), Device::host());
  const DeviceBuffer broadcast =
      DeviceBuffer::from_host(Device::host(), entry.data(), one, Format("i", 4))
          .reinterpret(Format("i", 4), {many, many}, {0, 0});
  expect_error(Errc::size_overflow, "the size of the array", [&] { array.through(0, broadcast); });
  EXPECT_EQ(array.through(0, broadcast.reinterpret(Format("i", 4), {many}, {0})).shape()[0], many);
}

TEST(Through, AFieldOfStructsGoesThroughATable) {
  const std::vector<std::array<std::int32_t, 2>> structs{{0, 1}, {10, 11}, {20, 21}};
  const Numbers shape{3}, two{2};
  const Ints entries{2, 0};
  const DeviceArray field =
      upload(ArrayView::dense(structs.data(), shape, Format("T{i:x:i:y:}", 8)), Device::host())
          .field("y");
  const DeviceArray through = field.through(
      0, DeviceBuffer::from_host(Device::host(), entries.data(), two, Format("i", 4)));
  EXPECT_EQ(numbers(copy(through)), (Ints{21, 1}));
}

TEST(Through, AnOutputOverAnyPageOfAnArrayInPlaceIsRefused) {
  std::vector<std::int32_t> memory(12);
  const Numbers shape{6, 2}, one{1};
  const Ints entries{0};
  UploadOptions options;
  options.placement = PlacementKind::in_place;
  const DeviceArray array =
      upload(ArrayView::dense(memory.data(), shape, Format("i", 4)), Device::host(), options);
  const DeviceArray through = array.through(
      0, DeviceBuffer::from_host(Device::host(), entries.data(), one, Format("i", 4)));
  GatherOptions over;
  // The entry may lead there when it is read.
  over.out = Output{memory.data() + 10, 8, MemorySpace::host};
  expect_error(Errc::invalid_argument, "overlaps the array", [&] { copy(through, over); });
}

TEST(Through, ElementViewsFollowIt) {
  const std::vector<float> values{0, 1, 2, 3, 4, 5};
  const Numbers shape{3, 2}, table_shape{2, 2};
  const Ints entries{2, 0, 1, 2};
  const DeviceArray through =
      upload(ArrayView::dense(values.data(), shape, Format("f", 4)), Device::host())
          .through(0, DeviceBuffer::from_host(Device::host(), entries.data(), table_shape,
                                              Format("i", 4)));
  const auto view = elements<float, 3>(through);
  EXPECT_EQ(view(1, 1, 1), 5.0F);
  EXPECT_EQ(view.row(0, 1)[1], 1.0F);
  EXPECT_EQ((std::vector<float>(begin(view), end(view))),
            (std::vector<float>{4, 5, 0, 1, 2, 3, 4, 5}));
}

// ---- Any array through any table, against a gather by the same entries

/// An array of small integers, dense or behind shuffled pointers, and some view of it.
struct RandomPages {
  std::vector<std::int16_t> memory;
  std::vector<const std::int16_t*> pointers;
  DeviceArray array;

  RandomPages(Random& random, const Device& device)
      : memory(filled()), array(made(random, device)) {}

 private:
  static std::vector<std::int16_t> filled() {
    std::vector<std::int16_t> values(4096);
    std::iota(values.begin(), values.end(), std::int16_t{0});
    return values;
  }
  DeviceArray made(Random& random, const Device& device) {
    UploadOptions options;
    options.placement = random.pick({PlacementKind::automatic, PlacementKind::preserved});
    options.simplify = {random.chance(70), random.chance(50), random.chance(80)};
    const Format format("h", 2);
    if (random.chance(50)) {
      Numbers shape;
      for (int axes = random.between(1, 4); axes > 0; --axes) shape.push_back(random.between(1, 6));
      DeviceArray dense = upload(ArrayView::dense(memory.data(), shape, format), device, options);
      for (int i = 0; i < dense.ndim(); ++i)
        if (random.chance(30))
          dense = random.chance(50) ? dense.reverse(i) : dense.slice(i, {{}, {}, 2});
      return random.chance(30) ? dense.transpose() : dense;
    }
    const std::int64_t rows = random.between(2, 9), length = random.between(1, 6) * 8;
    for (std::int64_t i = 0; i < rows; ++i)
      pointers.push_back(memory.data() + random.between(0, 30) * length);
    const DeviceArray behind = upload(ArrayView::from_rows(pointers, length), device, options);
    const Numbers shape{rows, length / 8, 2, 4};
    const DeviceArray split = random.chance(50) ? *behind.reshape(shape) : behind;
    return random.chance(30) ? split.transpose() : split;
  }
};

/// Whether `axis` may go through a table.
bool is_eligible(const DeviceArray& array, int axis) {
  const Axis& at = array.layout().axes()[static_cast<std::size_t>(axis)];
  return array.layout().levels() == 0 || (at.level == 0 && at.stride == 1);
}

/// Entries in C order, and a table of them on the device that may lie in any order of its axes.
struct RandomTable {
  Numbers shape, entries;
  DeviceBuffer table;

  RandomTable(Random& random, const Device& device, std::int64_t extent)
      : shape(random_shape(random)),
        entries(random_entries(random, size_of(shape), extent)),
        table(made(random, device)) {}

 private:
  static Numbers random_shape(Random& random) {
    Numbers shape;
    for (int axes = random.between(0, 3); axes > 0; --axes) shape.push_back(random.between(1, 7));
    return shape;
  }
  static Numbers random_entries(Random& random, std::int64_t count, std::int64_t extent) {
    Numbers entries;
    for (; count > 0; --count) entries.push_back(random.between(std::int64_t{0}, extent - 1));
    return entries;
  }
  /// The last axis may lie outermost, and there may be gaps.
  DeviceBuffer made(Random& random, const Device& device) const {
    const bool is_wide = random.chance(50), is_turned = random.chance(50);
    const std::int64_t itemsize = is_wide ? 8 : 4, gap = random.between(1, 2);
    Numbers strides(shape.size());
    std::int64_t stride = gap;
    for (std::size_t i = 0; i < shape.size(); ++i) {
      const std::size_t axis = is_turned ? i : shape.size() - 1 - i;
      strides[axis] = stride;
      stride *= shape[axis];
    }
    Numbers spread(static_cast<std::size_t>(stride), -1);
    for (std::int64_t i = 0; i < std::ssize(entries); ++i) {
      std::int64_t rest = i, at = 0;
      for (std::size_t axis = shape.size(); axis-- > 0; rest /= shape[axis])
        at += rest % shape[axis] * strides[axis];
      spread[static_cast<std::size_t>(at)] = entries[static_cast<std::size_t>(i)];
    }
    for (std::int64_t& each : strides) each *= itemsize;
    const Numbers flat{stride};
    const Ints narrow(spread.begin(), spread.end());
    const Format format = is_wide ? Format("q", 8) : Format("i", 4);
    const void* values = is_wide ? static_cast<const void*>(spread.data()) : narrow.data();
    return DeviceBuffer::from_host(device, values, flat, format)
        .reinterpret(format, shape, strides);
  }
};

void check_through(std::uint64_t seed, const Device& device) {
  Random random(seed);
  const RandomPages pages(random, device);
  const int axis = random.between(0, pages.array.ndim() - 1);
  const auto at = static_cast<std::size_t>(axis);
  if (!is_eligible(pages.array, axis)) return;
  const RandomTable table(random, device, pages.array.shape()[at]);
  check_table(pages.array, axis, table.table);
  const DeviceArray through = pages.array.through(axis, table.table);

  Selection selection;
  selection.groups.push_back({{axis}, {Indices(table.entries, table.shape)}, axis});
  const DeviceBuffer expected = gather(pages.array, selection);
  ASSERT_EQ(through.shape(), expected.shape()) << "seed " << seed;
  ASSERT_EQ(copy(through).to_host(), expected.to_host()) << "seed " << seed;

  // Views of it, and index arrays on it.
  const DeviceArray dense = upload(expected.view(), device, [&] {
    UploadOptions in_place;
    in_place.placement = PlacementKind::in_place;
    expected.synchronize();
    return in_place;
  }());
  const auto operations = testing::random_operations(random, through.shape(), 3);
  DeviceArray a = through, b = dense;
  for (const ViewOperation& operation : operations) {
    a = a.apply(operation);
    b = b.apply(operation);
  }
  ASSERT_EQ(copy(a).to_host(), copy(b).to_host()) << "seed " << seed;
  const testing::RandomRequest request(random, a.shape());
  testing::Request wanted = request.request();
  if (random.chance(40)) wanted.format = Format("f", 4);
  ASSERT_EQ(gather(a, wanted, wanted).to_host(), gather(b, wanted, wanted).to_host())
      << "seed " << seed << " " << request.describe();
}

TEST_P(ThroughTest, AnyArrayThroughAnyTableIsAGatherByItsEntries) {
  for (std::uint64_t seed = 70'000'000; seed < 70'000'000 + cases(2000U); ++seed) {
    check_through(seed, device());
    if (HasFatalFailure()) return;
  }
}

INSTANTIATE_TEST_SUITE_P(On, ThroughTest, ::testing::Values("host", "cuda"),
                         [](const auto& tested) { return std::string(tested.param); });

}  // namespace
}  // namespace multibuffer
