#include <multibuffer/ragged_view.hpp>

#include "tests/testing/throws.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <limits>
#include <vector>

namespace multibuffer {
namespace {

using testing::expect_error;
using Numbers = std::vector<std::int64_t>;

const std::array<std::int32_t, 6> values{0, 1, 2, 3, 4, 5};

ArrayView dense_values() { return ArrayView::dense(values.data(), Numbers{6}, Format("i", 4)); }

const std::byte* item(std::int64_t i) {
  return reinterpret_cast<const std::byte*>(values.data()) + 4 * i;
}

TEST(RaggedView, OfPointersAndLengths) {
  const std::array<const std::int32_t*, 3> rows{values.data() + 4, values.data(), nullptr};
  const Numbers lengths{2, 3, 0};
  const auto view = RaggedView::from_rows(rows.data(), lengths);
  EXPECT_EQ(view.rows(), 3);
  EXPECT_EQ(view.items(), 5);
  EXPECT_EQ(view.longest(), 3);
  EXPECT_EQ(view.start(0), item(4));
  EXPECT_EQ(view.length(1), 3);
  EXPECT_EQ(view.format(), Format("i", 4));
}

TEST(RaggedView, ReadsItsListsOnce) {
  std::array<const std::int32_t*, 1> rows{values.data()};
  Numbers lengths{2};
  const auto view = RaggedView::from_rows(rows.data(), lengths);
  rows[0] = nullptr;
  lengths[0] = 99;
  EXPECT_EQ(view.start(0), item(0));
  EXPECT_EQ(view.length(0), 2);
}

TEST(RaggedView, OfOffsetsIntoValues) {
  const Numbers offsets{1, 3, 3, 6};
  const auto view = RaggedView::from_offsets(dense_values(), offsets);
  EXPECT_EQ(view.rows(), 3);
  EXPECT_EQ(view.start(0), item(1));
  EXPECT_EQ(view.length(1), 0);
  EXPECT_EQ(view.length(2), 3);
  const std::vector<std::int32_t> narrow{1, 3, 3, 6};
  EXPECT_EQ(RaggedView::from_offsets(dense_values(), narrow).start(2), item(3));
}

TEST(RaggedView, WithoutOffsetsThereAreNoRows) {
  EXPECT_EQ(RaggedView::from_offsets(dense_values(), Numbers{}).rows(), 0);
  EXPECT_EQ(RaggedView::from_offsets(dense_values(), Numbers{0}).rows(), 0);
}

TEST(RaggedView, OffsetsWithLengthsMayComeInAnyOrder) {
  const auto view = RaggedView::from_offsets(dense_values(), Numbers{4, 0, 77}, Numbers{2, 5, 0});
  EXPECT_EQ(view.start(0), item(4));
  EXPECT_EQ(view.start(1), item(0));
  EXPECT_EQ(view.length(2), 0);
}

TEST(RaggedView, ItemsHaveTheOtherAxesOfTheValues) {
  const auto array = ArrayView::dense(values.data(), Numbers{3, 2}, Format("i", 4));
  const auto view = RaggedView::from_offsets(array, Numbers{1, 3});
  EXPECT_EQ(view.item_shape(), Numbers{2});
  EXPECT_EQ(view.item_bytes(), 8);
  EXPECT_EQ(view.start(0), item(2));
}

TEST(RaggedView, ASliceOfValuesIsCountedFromItsFirstItem) {
  const auto part = dense_values().slice(0, {2, {}, 1});
  EXPECT_EQ(RaggedView::from_offsets(part, Numbers{0, 4}).start(0), item(2));
}

TEST(RaggedView, NamesTheRowThatIsNull) {
  const std::array<const std::int32_t*, 2> rows{values.data(), nullptr};
  expect_error(Errc::null_pointer, "row 1 has 3 items", [&] {
    RaggedView::from_rows(rows.data(), Numbers{1, 3});
  });
}

TEST(RaggedView, NamesTheRowOfANegativeLength) {
  const std::array<const std::int32_t*, 2> rows{values.data(), values.data()};
  expect_error(Errc::invalid_view, "row 1 has the negative length -3", [&] {
    RaggedView::from_rows(rows.data(), Numbers{1, -3});
  });
}

TEST(RaggedView, RefusesListsOfDifferentLengths) {
  const std::vector<const std::byte*> starts{item(0)};
  expect_error(Errc::invalid_view, "1 starts and 2 lengths", [&] {
    RaggedView(starts, Numbers{1, 1}, Format("i", 4));
  });
}

TEST(RaggedView, SizesThatDoNotFitAreErrors) {
  const std::int64_t most = std::numeric_limits<std::int64_t>::max();
  const std::vector<const std::byte*> starts{item(0), item(0)};
  expect_error(Errc::size_overflow, "row 0", [&] {
    RaggedView(starts, Numbers{most / 4 + 1, 0}, Format("i", 4));
  });
  expect_error(Errc::size_overflow, "the number of items", [&] {
    RaggedView(starts, Numbers{most, 1}, Format("B", 1));
  });
  expect_error(Errc::size_overflow, "the size of an item", [&] {
    RaggedView(starts, Numbers{0, 0}, Format("i", 4), Numbers{most, 2});
  });
}

TEST(RaggedView, RefusesOffsetsThatDescendOrLieOutside) {
  expect_error(Errc::invalid_view, "row 1 has the offsets 3 and 2", [&] {
    RaggedView::from_offsets(dense_values(), Numbers{0, 3, 2});
  });
  expect_error(Errc::invalid_view, "row 0 has the offsets 0 and 7 of 6 items", [&] {
    RaggedView::from_offsets(dense_values(), Numbers{0, 7});
  });
  expect_error(Errc::invalid_view, "row 0 has the offsets -1 and 2", [&] {
    RaggedView::from_offsets(dense_values(), Numbers{-1, 2});
  });
  expect_error(Errc::invalid_view, "row 1 has 3 items from item 4 on, of 6", [&] {
    RaggedView::from_offsets(dense_values(), Numbers{0, 4}, Numbers{1, 3});
  });
}

TEST(RaggedView, RefusesValuesThatAreNotDense) {
  expect_error(Errc::invalid_view, "axis 0 has the stride 8", [&] {
    RaggedView::from_offsets(dense_values().slice(0, {{}, {}, 2}), Numbers{0, 1});
  });
  const std::array<const std::int32_t*, 1> rows{values.data()};
  expect_error(Errc::invalid_view, "behind pointers", [&] {
    RaggedView::from_offsets(ArrayView::from_rows(rows, 2), Numbers{0, 1});
  });
}

TEST(RaggedView, ItemsOfNoBytesNeedNoStart) {
  const std::vector<const std::byte*> starts{nullptr};
  const RaggedView view(starts, Numbers{5}, Format("i", 4), Numbers{0});
  EXPECT_EQ(view.items(), 5);
  EXPECT_EQ(view.item_bytes(), 0);
}

}  // namespace
}  // namespace multibuffer
