#include <multibuffer/layout.hpp>

#include "tests/testing/throws.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <limits>
#include <vector>

namespace multibuffer {
namespace {

using testing::expect_error;
constexpr auto lowest = std::numeric_limits<std::int64_t>::min();
constexpr auto highest = std::numeric_limits<std::int64_t>::max();

/// One row-pointer image: 4 rows of 6 elements of 2 bytes.
Layout image() { return Layout({{4, 8, 0}, {6, 2, 1}}, {0, 0}); }

TEST(Layout, SliceMovesTheOriginOfTheAxisOwnLevel) {
  const Layout rows = image().slice(0, {1, 3, 1});
  EXPECT_EQ(rows, Layout({{2, 8, 0}, {6, 2, 1}}, {8, 0}));
  const Layout columns = image().slice(1, {2, {}, 3});
  EXPECT_EQ(columns, Layout({{4, 8, 0}, {2, 6, 1}}, {0, 4}));
}

TEST(Layout, ReversingTwiceIsNothing) {
  EXPECT_EQ(image().reverse(0), Layout({{4, -8, 0}, {6, 2, 1}}, {24, 0}));
  EXPECT_EQ(image().reverse(1).reverse(1), image());
}

TEST(Layout, IndexingAnIndirectAxisLeavesItsLevelWithoutAxes) {
  EXPECT_EQ(image().index(0, -1), Layout({{6, 2, 1}}, {24, 0}));
}

TEST(Layout, OriginsMayBecomeNegativeWithoutHarm) {
  // Rows that are pointed to at their end: a suboffset of Py_buffer would turn negative here and
  // with it the axis before it direct.
  const Layout backwards({{4, 8, 0}, {6, -2, 1}}, {0, 0});
  EXPECT_EQ(backwards.slice(1, {3, {}, 1}), Layout({{4, 8, 0}, {3, -2, 1}}, {0, -6}));
}

TEST(Layout, SlicesCountAsInPython) {
  struct Case {
    Slice slice;
    std::int64_t start, step, count;
  };
  // Each: [start + i * step for i in range(count)] is list(range(10))[slice].
  const Case cases[] = {
      {{{}, {}, 1}, 0, 1, 10},
      {{{}, {}, -1}, 9, -1, 10},
      {{2, 8, 3}, 2, 3, 2},
      {{-3, {}, 1}, 7, 1, 3},
      {{{}, -3, 1}, 0, 1, 7},
      {{100, {}, -4}, 9, -4, 3},
      {{-100, 100, 7}, 0, 7, 2},
      {{8, 2, -2}, 8, -2, 3},
      {{0, {}, highest}, 0, 1, 1},
      {{9, {}, lowest}, 9, 1, 1},
      {{lowest, highest, 9}, 0, 9, 2},
      {{highest, lowest, -9}, 9, -9, 2},
  };
  for (const Case& c : cases) {
    const Layout result = Layout({{10, 1, 0}}, {0}).slice(0, c.slice);
    EXPECT_EQ(result.origins()[0], c.start);
    EXPECT_EQ(result.axes()[0].extent, c.count);
    if (c.count > 1) {
      EXPECT_EQ(result.axes()[0].stride, c.step);
    }
  }
  for (const Slice& empty : {Slice{5, 5, 1}, Slice{5, 2, 1}, Slice{2, 5, -1}, Slice{10, {}, 1},
                             Slice{{}, 9, -1}, Slice{-11, {}, -1}}) {
    const Layout result = Layout({{10, 1, 0}}, {0}).slice(0, empty);
    EXPECT_EQ(result.axes()[0].extent, 0);
    EXPECT_EQ(result.origins()[0], 0) << "an empty slice must not move the origin";
  }
}

TEST(Layout, PermutesAxesWithTheirLevels) {
  EXPECT_EQ(image().transpose(), Layout({{6, 2, 1}, {4, 8, 0}}, {0, 0}));
  EXPECT_EQ(image().permute(std::vector{1, 0}), image().transpose());
  EXPECT_EQ(image().permute(std::vector{-1, -2}), image().transpose());
}

TEST(Layout, InsertsAnAxisOfOne) {
  EXPECT_EQ(image().insert_axis(1).shape(), (std::vector<std::int64_t>{4, 1, 6}));
  EXPECT_EQ(image().insert_axis(-1).shape(), (std::vector<std::int64_t>{4, 6, 1}));
}

TEST(Layout, OperationsApplyAsTheirMembersDo) {
  EXPECT_EQ(image().apply(SliceAxis{1, {0, 2, 1}}), image().slice(1, {0, 2, 1}));
  EXPECT_EQ(Layout({{6, 4, 0}}, {0}).apply(Reshape{{2, 3}}), Layout({{2, 12, 0}, {3, 4, 0}}, {0}));
  expect_error(Errc::invalid_argument, "has no view of shape (6,)", [] {
    Layout({{2, 4, 0}, {3, 12, 0}}, {0}).apply(Reshape{{6}});
  });
  EXPECT_EQ(image().apply(IndexAxis{0, 2}), image().index(0, 2));
  EXPECT_EQ(image().apply(Permute{{1, 0}}), image().transpose());
  EXPECT_EQ(image().apply(InsertAxis{0}), image().insert_axis(0));
}

TEST(Layout, SaysWhatIsWrong) {
  expect_error(Errc::invalid_argument, "axis 2 of an array with 2 axes",
               [] { image().slice(2, {}); });
  expect_error(Errc::invalid_argument, "the slice of axis 1 has step 0", [] {
    image().slice(1, {{}, {}, 0});
  });
  expect_error(Errc::index_out_of_range, "index 4 on axis 0, whose extent is 4",
               [] { image().index(0, 4); });
  expect_error(Errc::index_out_of_range, "index -5 on axis 0, whose extent is 4",
               [] { image().index(0, -5); });
  expect_error(Errc::invalid_argument, "(0, 0) is no permutation of 2 axes", [] {
    image().permute(std::vector{0, 0});
  });
  expect_error(Errc::invalid_argument, "(0,) is no permutation of 2 axes",
               [] { image().permute(std::vector{0}); });
  expect_error(Errc::invalid_view, "axis 1 has the negative extent -3", [] {
    Layout({{1, 1, 0}, {-3, 1, 0}}, {0});
  });
  expect_error(Errc::invalid_view, "axis 0 is in level 1 of 0", [] { Layout({{1, 1, 1}}, {0}); });
  expect_error(Errc::invalid_argument, "65 axes", [] {
    Layout(std::vector<Axis>(65, {1, 1, 0}), {0});
  });
  expect_error(Errc::invalid_argument, "at most 64", [] {
    Layout(std::vector<Axis>(64, {1, 1, 0}), {0}).insert_axis(0);
  });
  // Nobody has looked at the numbers of a layout that belongs to no array.
  constexpr std::int64_t far = std::int64_t{1} << 40;
  const Layout wide({{far, far, 0}}, {0});
  const auto expect_overflow = [](const auto& call) {
    expect_error(Errc::size_overflow, "does not fit in 64 bits", call);
  };
  expect_overflow([&] { wide.index(0, -1); });
  expect_overflow([&] { wide.slice(0, {far / 2, {}, 1}); });
  expect_overflow([&] { wide.slice(0, {{}, {}, far / 2}); });
  expect_overflow([&] { Layout({{2, 1, 0}}, {INT64_MAX}).index(0, 1); });
  expect_overflow([&] { wide.reshape(std::array{std::int64_t{2}, far / 2}); });
  EXPECT_EQ(wide.index(0, 1).origins()[0], far);
  // The reach of this one fits, and its extent times its stride does not.
  const Layout two({{2, std::int64_t{1} << 62, 0}}, {0});
  EXPECT_EQ(two.reshape(std::array{std::int64_t{2}, std::int64_t{1}})->axes()[0], two.axes()[0]);
}

TEST(Layout, SizeIsCheckedForOverflow) {
  EXPECT_EQ(image().size(), 24);
  EXPECT_EQ(Layout().size(), 1);
  EXPECT_EQ(Layout({{highest, 0, 0}, {0, 0, 0}, {highest, 0, 0}}, {0}).size(), 0);
  expect_error(Errc::size_overflow, "number of elements", [] {
    (void)Layout({{highest, 0, 0}, {2, 0, 0}}, {0}).size();
  });
}

TEST(Layout, ReshapeSplitsAnyAxisAndMergesThoseThatContinueEachOther) {
  const auto reshape = [](const Layout& layout, std::vector<std::int64_t> shape) {
    return layout.reshape(shape);
  };
  EXPECT_EQ(reshape(image(), {2, 2, 3, 2}),
            Layout({{2, 16, 0}, {2, 8, 0}, {3, 4, 1}, {2, 2, 1}}, {0, 0}));
  EXPECT_EQ(reshape(image().reverse(1), {4, 1, 3, 2}),
            Layout({{4, 8, 0}, {1, 0, 1}, {3, -4, 1}, {2, -2, 1}}, {0, 10}));
  EXPECT_FALSE(reshape(image(), {24})) << "rows behind pointers do not continue each other";
  EXPECT_FALSE(reshape(image(), {8, 3}));

  const Layout block({{2, 24, 0}, {3, 8, 0}, {4, 2, 0}}, {0});
  EXPECT_EQ(reshape(block, {24}), Layout({{24, 2, 0}}, {0}));
  EXPECT_EQ(reshape(block, {4, 6}), Layout({{4, 12, 0}, {6, 2, 0}}, {0}));
  EXPECT_EQ(reshape(block.slice(2, {0, 2, 1}), {6, 2}), Layout({{6, 8, 0}, {2, 2, 0}}, {0}));
  EXPECT_FALSE(reshape(block.slice(2, {0, 2, 1}), {12}));
  EXPECT_FALSE(reshape(block.transpose(), {24}));
  EXPECT_EQ(reshape(Layout(), {1, 1})->shape(), (std::vector<std::int64_t>{1, 1}));
  EXPECT_EQ(reshape(image().slice(0, {0, 0, 1}), {5, 0})->shape(),
            (std::vector<std::int64_t>{5, 0}));
  expect_error(Errc::invalid_argument, "shape (5,) has 5 elements; the array has 24",
               [&] { reshape(image(), {5}); });
}

TEST(Layout, NothingIsComputedOnAnEmptyArray) {
  const Layout empty({{0, 1, 0}, {10, highest, 0}}, {0});
  EXPECT_EQ(empty.slice(1, {3, 9, 2}).index(1, 1).origins()[0], 0);
}

}  // namespace
}  // namespace multibuffer
