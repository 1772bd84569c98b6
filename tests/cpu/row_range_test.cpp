#include "host/cpu/row_range.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace multibuffer {
namespace {

RowRange range_of(std::int64_t rows, std::int64_t row_bytes) {
  return {.to = nullptr, .out_stride = 1, .rows = rows, .row_bytes = row_bytes};
}

TEST(RowRange, IsAheadBySoManyBytesWithinItsRows) {
  EXPECT_EQ(range_of(1000, 100).rows_ahead(1600, 64), 16);
  EXPECT_EQ(range_of(1000, 101).rows_ahead(1600, 64), 15);
  EXPECT_EQ(range_of(1000, 20).rows_ahead(1600, 64), 64);   // no more than so many rows
  EXPECT_EQ(range_of(1000, 5000).rows_ahead(1600, 64), 1);  // at least one
  EXPECT_EQ(range_of(7, 100).rows_ahead(1600, 64), 7);
  EXPECT_EQ(range_of(0, 100).rows_ahead(1600, 64), 0);
}

/// A step copies a row to the first number from the second, and prefetches the third, or -1: none.
using Step = std::array<std::int64_t, 3>;

std::vector<Step> steps_of(std::int64_t rows, std::int64_t ahead) {
  std::array<std::byte, 16> source{}, out{};
  RowRange range = range_of(rows, 1);
  range.to = out.data();
  range.out_stride = 2;
  std::vector<Step> steps;
  for_each_row_ahead(
      range, [&](std::int64_t row) { return source.data() + row; }, ahead,
      [&](std::byte* to, const std::byte* from, const std::byte* later) {
        steps.push_back({to - out.data(), from - source.data(), later - source.data()});
      },
      [&](std::byte* to, const std::byte* from) {
        steps.push_back({to - out.data(), from - source.data(), -1});
      });
  return steps;
}

TEST(RowRange, AsksForEachRowOnceAndCopiesTheLastOnesWithoutAskingForMore) {
  EXPECT_EQ(steps_of(4, 1), (std::vector<Step>{{0, 0, 1}, {2, 1, 2}, {4, 2, 3}, {6, 3, -1}}));
  EXPECT_EQ(steps_of(4, 3), (std::vector<Step>{{0, 0, 3}, {2, 1, -1}, {4, 2, -1}, {6, 3, -1}}));
  EXPECT_EQ(steps_of(2, 2), (std::vector<Step>{{0, 0, -1}, {2, 1, -1}}));
  EXPECT_EQ(steps_of(0, 0), std::vector<Step>{});
}

}  // namespace
}  // namespace multibuffer
