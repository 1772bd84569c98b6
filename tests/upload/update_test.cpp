#include <multibuffer/multibuffer.hpp>

#include "tests/testing/on_device.hpp"
#include "tests/testing/throws.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

// One body of tests for every backend; those of a backend that this machine lacks are skipped.

namespace multibuffer {
namespace {

using testing::expect_error;
using Ints = std::vector<std::int32_t>;
using Numbers = std::vector<std::int64_t>;

class UpdateTest : public testing::OnDevice {
 protected:
  /// A row of four, in memory of its own.
  const std::int32_t* row(std::int32_t first) {
    auto memory = std::make_unique<std::int32_t[]>(4);
    std::iota(memory.get(), memory.get() + 4, first);
    memory_.push_back(std::move(memory));
    return memory_.back().get();
  }
  static ArrayView view(const std::vector<const std::int32_t*>& rows) {
    return ArrayView::from_rows<const std::int32_t>(rows.data(),
                                                    static_cast<std::int64_t>(rows.size()), 4);
  }
  DeviceArray upload_keeping(const std::vector<const std::int32_t*>& rows,
                             PlacementKind kind = PlacementKind::automatic) {
    UploadOptions options;
    options.keep_sources = true;
    options.placement = kind;
    return upload(view(rows), device(), options);
  }
  static std::int32_t* writable(const std::int32_t* row) { return const_cast<std::int32_t*>(row); }
  /// The first element of each row.
  static Ints firsts(const DeviceArray& array) {
    const std::vector<std::byte> bytes = copy(array.index(1, 0)).to_host();
    Ints result(bytes.size() / 4);
    if (!bytes.empty()) std::memcpy(result.data(), bytes.data(), bytes.size());
    return result;
  }

 private:
  std::vector<std::unique_ptr<std::int32_t[]>> memory_;
};

// ---- New contents

TEST_P(UpdateTest, NewContentsAreSeenByEveryView) {
  const std::int32_t* shared = row(10);
  // Once as one dense tensor, once through a table.
  for (const std::vector<const std::int32_t*>& rows :
       {std::vector{row(0), row(100), row(200)}, std::vector{shared, row(100), shared}}) {
    const DeviceArray array = upload(view(rows), device());
    const DeviceArray reversed = array.reverse(0);
    *writable(rows[1]) = -7;
    EXPECT_EQ(firsts(array)[1], 100) << "an upload is a snapshot";
    const std::int64_t bytes = array.storage_bytes();
    update(reversed, view(rows));
    EXPECT_EQ(firsts(array), (Ints{*rows[0], -7, *rows[2]}));
    EXPECT_EQ(firsts(reversed), (Ints{*rows[2], -7, *rows[0]}));
    EXPECT_EQ(array.storage_bytes(), bytes);
  }
}

TEST_P(UpdateTest, NewContentsMayComeFromElsewhere) {
  const std::int32_t *a = row(0), *b = row(100), *c = row(200);
  const DeviceArray array = upload(view({a, b, a, a}), device());
  update(array, view({c, c, b, c}));
  EXPECT_EQ(firsts(array), (Ints{200, 200, 100, 200}));
  EXPECT_EQ(firsts(array.slice(0, {1, {}, 2})), (Ints{200, 200}));
}

TEST_P(UpdateTest, WhatNeedsAnotherLayoutIsRefusedAndNothingIsWritten) {
  const std::vector<const std::int32_t*> rows{row(0), row(100), row(200)};
  const DeviceArray array = upload(view(rows), device());
  const std::vector<const std::int32_t*> shared{rows[0], rows[0], rows[0]};
  expect_error(Errc::invalid_argument, "its rows need another layout on the device",
               [&] { update(array, view(shared)); });
  const std::vector<const std::int32_t*> fewer{rows[0], rows[1]};
  expect_error(Errc::invalid_argument, "its shape is (2, 4), the array's (3, 4)",
               [&] { update(array, view(fewer)); });
  const ArrayView floats(rows.data(), Format("f", 4), Layout({{3, 8, 0}, {4, 4, 1}}, {0, 0}));
  expect_error(Errc::invalid_argument, "its format is 'f', the array's 'i'",
               [&] { update(array, floats); });
  EXPECT_EQ(firsts(array), (Ints{0, 100, 200}));
}

TEST_P(UpdateTest, TheStrideOfAnAxisOfOneElementMeansNothing) {
  const std::int32_t *a = row(0), *b = row(10), *c = row(5), *d = row(6);
  const std::vector<const std::int32_t*> before{a, b, a}, after{c, d, c};
  const auto rows_of_one = [](const std::vector<const std::int32_t*>& rows, std::int64_t stride) {
    return ArrayView(rows.data(), Format("i", 4),
                     Layout({{3, 8, 0}, {1, stride, 1}, {4, 4, 1}}, {0, 0}));
  };
  const DeviceArray array = upload(rows_of_one(before, 400), device());
  update(array, rows_of_one(after, 16));
  EXPECT_EQ(firsts(array.index(1, 0)), (Ints{5, 6, 5}));
}

/// Three levels of tables of four: 32 pointers into `first` tables of pointers into `second` ones.
struct Tower {
  Tower(std::size_t first, std::size_t second, const std::vector<const std::int32_t*>& rows)
      : tables_2(second), tables_1(first) {
    std::size_t number = 1;
    const auto next = [&](std::size_t count) { return (number = number * 31 % 1009) % count; };
    for (auto& table : tables_2)
      for (const void*& entry : table) entry = rows[next(rows.size())];
    for (std::size_t i = 0; i < first; ++i)
      for (std::size_t j = 0; j < 4; ++j)
        tables_1[i][j] = tables_2[(4 * i + j) < second ? 4 * i + j : next(second)].data();
    for (std::size_t i = 0; i < 32; ++i) tables_0[i] = tables_1[i < first ? i : next(first)].data();
    std::swap(tables_0[3], tables_0[17]);
  }
  ArrayView view() const {
    return ArrayView(tables_0.data(), Format("i", 4),
                     Layout({{32, 8, 0}, {4, 8, 1}, {4, 8, 2}, {4, 4, 3}}, {0, 0, 0, 0}));
  }
  std::vector<std::array<const void*, 4>> tables_2, tables_1;
  std::array<const void*, 32> tables_0{};
};

TEST_P(UpdateTest, TablesThatOnlyTogetherTakeTheSameAreRefused) {
  std::vector<const std::int32_t*> rows;
  for (std::int32_t i = 0; i < 8; ++i) rows.push_back(row(10 * i));
  const Tower before(31, 16, rows), after(16, 32, rows);
  const Simplify plain{.flatten = false, .duplicate = false, .narrow = true};
  UploadOptions options;
  options.simplify = plain;
  options.placement = PlacementKind::packed;
  const DeviceArray array = upload(before.view(), device(), options);
  ASSERT_EQ(array.storage_bytes(), upload(after.view(), device(), options).storage_bytes());
  const std::vector<std::byte> bytes = copy(array).to_host();
  expect_error(Errc::invalid_argument, "another layout", [&] { update(array, after.view()); });
  EXPECT_EQ(copy(array).to_host(), bytes);
}

TEST_P(UpdateTest, NewContentsOfNothing) {
  const ArrayView none = ArrayView::dense(nullptr, Numbers{0, 3}, Format("d", 8));
  const DeviceArray array = upload(none, device());
  update(array, none);
  EXPECT_EQ(copy(array).shape(), (Numbers{0, 3}));
}

// ---- New pointers

TEST_P(UpdateTest, OnlyNewLeavesTravel) {
  std::vector<const std::int32_t*> rows{row(0), row(100), row(200), row(300)};
  const DeviceArray old = upload_keeping(rows);
  EXPECT_EQ(firsts(old), (Ints{0, 100, 200, 300}));
  rows[1] = row(500);
  rows.push_back(rows[3]);
  *writable(rows[0]) = -1;  // of a leaf that is known, the old contents stay
  const DeviceArray array = update_pointers(old.slice(0, {2, 3, 1}), view(rows));
  EXPECT_EQ(firsts(array), (Ints{0, 500, 200, 300, 300}));
  EXPECT_EQ(firsts(array.reverse(0).slice(0, {0, 2, 1})), (Ints{300, 300}));
  EXPECT_EQ(firsts(old), (Ints{0, 100, 200, 300}));
  const Numbers order{4, 0, 1};
  EXPECT_EQ(take(array, 0, Indices(order)).shape(), (Numbers{3, 4}));
}

TEST_P(UpdateTest, LeavesOutliveTheArrayTheyCameWith) {
  const std::int32_t *a = row(0), *b = row(100), *c = row(200);
  std::vector<const std::int32_t*> rows{a, b};
  DeviceArray array = upload_keeping(rows);
  for (const std::int32_t* next : {c, a, c, b}) {
    rows = {rows[1], next};
    array = update_pointers(array, view(rows));  // the one before goes
    EXPECT_EQ(firsts(array), (Ints{*rows[0], *rows[1]}));
  }
  const std::int64_t with_both = array.storage_bytes();
  array = update_pointers(array, view({c}));
  EXPECT_EQ(firsts(array), Ints{200});
  EXPECT_LT(array.storage_bytes(), with_both) << "an arena without a leaf in use is given up";
}

TEST_P(UpdateTest, LeavesAreSharedWhereverTheyLie) {
  // Strided and reversed blocks behind two levels of pointers, packed and as they lie.
  Ints memory(400);
  std::iota(memory.begin(), memory.end(), 0);
  const auto plane = [&](int i, int j) {
    return std::vector<const std::int32_t*>{memory.data() + 100 * i + 9,
                                            memory.data() + 100 * j + 9};
  };
  std::vector<std::vector<const std::int32_t*>> planes{plane(0, 1), plane(1, 2)};
  const auto tables = [&] {
    std::vector<const std::int32_t* const*> result;
    for (const auto& p : planes) result.push_back(p.data());
    return result;
  };
  const auto view_of = [](const std::vector<const std::int32_t* const*>& table) {
    return ArrayView(
        table.data(), Format("i", 4),
        Layout({{static_cast<std::int64_t>(table.size()), 8, 0}, {2, 8, 1}, {3, 40, 2}, {4, -8, 2}},
               {0, 0, 0}));
  };
  for (const PlacementKind kind : {PlacementKind::packed, PlacementKind::preserved}) {
    planes = {plane(0, 1), plane(1, 2)};
    UploadOptions options;
    options.keep_sources = true;
    options.placement = kind;
    const auto before = tables();
    const DeviceArray old = upload(view_of(before), device(), options);
    EXPECT_EQ(old.placement(), kind);
    planes = {plane(3, 1), plane(2, 2), plane(0, 3)};
    const auto after = tables();
    const DeviceArray array = update_pointers(old, view_of(after));
    EXPECT_EQ(array.placement(), kind);
    EXPECT_TRUE(copy(array).to_host() == copy(upload(view_of(after), device())).to_host());
    EXPECT_TRUE(copy(array.transpose()).to_host() ==
                copy(upload(view_of(after), device()).transpose()).to_host());
  }
}

TEST_P(UpdateTest, LeavesOfAnotherKindAreNotShared) {
  const std::vector<const std::int32_t*> rows{row(0), row(100)};
  const DeviceArray array = upload_keeping(rows);
  const ArrayView half(rows.data(), Format("i", 4), Layout({{2, 8, 0}, {2, 4, 1}}, {0, 0}));
  expect_error(Errc::invalid_argument, "other extents or strides",
               [&] { update_pointers(array, half); });
  const ArrayView floats(rows.data(), Format("f", 4), Layout({{2, 8, 0}, {4, 4, 1}}, {0, 0}));
  expect_error(Errc::invalid_argument, "elements of format 'f' for an array of 'i'",
               [&] { update_pointers(array, floats); });
}

TEST_P(UpdateTest, ArraysThatBeginOrEndEmpty) {
  const std::vector<const std::int32_t*> none, one{row(7)};
  const DeviceArray empty = upload_keeping(none);
  const DeviceArray full = update_pointers(empty, view(one));
  EXPECT_EQ(firsts(full), Ints{7});
  EXPECT_EQ(firsts(update_pointers(full, view(none))), Ints{});
}

TEST_P(UpdateTest, EachOfTheTwoIsForItsOwnArrays) {
  const std::vector<const std::int32_t*> rows{row(0), row(100)};
  const DeviceArray plain = upload(view(rows), device());
  expect_error(Errc::invalid_argument, "was not uploaded with keep_sources",
               [&] { update_pointers(plain, view(rows)); });
  const DeviceArray keeping = upload_keeping(rows);
  expect_error(Errc::invalid_argument, "may share its leaves",
               [&] { update(keeping, view(rows)); });
  expect_error(Errc::invalid_argument, "keep_sources is for host memory that is copied",
               [&] { upload_keeping(rows, PlacementKind::in_place); });
}

TEST(Update, ArraysInPlaceHaveNothingToUpdate) {
  const std::int32_t value = 1;
  const ArrayView view = ArrayView::dense(&value, Numbers{1}, Format("i", 4));
  UploadOptions options;
  options.placement = PlacementKind::in_place;
  const DeviceArray array = upload(view, Device::host(), options);
  expect_error(Errc::invalid_argument, "there is nothing to update", [&] { update(array, view); });
}

INSTANTIATE_TEST_SUITE_P(On, UpdateTest, ::testing::Values("host", "cuda"),
                         [](const auto& tested) { return std::string(tested.param); });

}  // namespace
}  // namespace multibuffer
