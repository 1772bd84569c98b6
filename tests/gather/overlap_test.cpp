#include "host/gather/overlap.hpp"

#include <multibuffer/multibuffer.hpp>

#include "tests/testing/throws.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <random>
#include <span>
#include <utility>
#include <vector>

// Nothing is read after it has been written over: outputs that overlap what is read are refused, or
// it is read first.

namespace multibuffer {
namespace {

using testing::expect_error;
using Numbers = std::vector<std::int64_t>;

UploadOptions in_place() {
  UploadOptions options;
  options.placement = PlacementKind::in_place;
  return options;
}

Output output(void* data, std::int64_t bytes, Numbers strides = {}) {
  return {data, bytes, MemorySpace::host, std::move(strides)};
}

void expect_overlap(const DeviceArray& array, const Output& out) {
  GatherOptions request;
  request.out = out;
  expect_error(Errc::invalid_argument, "the output overlaps the array",
               [&] { copy(array, request); });
  expect_error(Errc::invalid_argument, "the output overlaps the array",
               [&] { Plan(array, {}, request); });
}

/// Rows of `length` numbers, each `gap` numbers behind the one before in one block.
struct Rows {
  Rows(std::int64_t count, std::int64_t length, std::int64_t gap = 0)
      : memory(static_cast<std::size_t>(count * (length + gap))) {
    std::iota(memory.begin(), memory.end(), 0);
    for (std::int64_t i = count; i-- > 0;) rows.push_back(memory.data() + i * (length + gap));
    view_length = length;
  }
  ArrayView view() const {
    return ArrayView::from_rows(rows.data(), static_cast<std::int64_t>(rows.size()), view_length);
  }

  std::vector<std::int64_t> memory;
  std::vector<const std::int64_t*> rows;
  std::int64_t view_length = 0;
};

TEST(Overlap, AnArrayInPlaceIsNotWrittenOver) {
  Numbers numbers(12);
  const ArrayView dense = ArrayView::dense(numbers.data(), Numbers{4, 3}, Format("q", 8));
  const DeviceArray array = upload(dense, Device::host(), in_place());
  const Output all = output(numbers.data(), 96);
  expect_overlap(array, all);
  expect_overlap(array.reverse(0), all);
  expect_overlap(array.slice(0, {3, 4, 1}), output(&numbers[9], 24));
  expect_overlap(array.slice(0, {3, 4, 1}), output(&numbers[8], 32, {8, 8}));
}

TEST(Overlap, NeitherAreTheRowsBehindPointers) {
  Rows rows(40, 5, 1);
  const DeviceArray array = upload(rows.view(), Device::host(), in_place());
  for (std::size_t row : {0U, 17U, 39U}) {
    const DeviceArray one = array.slice(0, {static_cast<std::int64_t>(row), row + 1, 1});
    auto* const data = const_cast<std::int64_t*>(rows.rows[row]);
    expect_overlap(one, output(data, 40));
    expect_overlap(one, output(data + 4, 40, {64, 8}));
    expect_overlap(one, output(data - 4, 40, {64, 8}));
  }
}

TEST(Overlap, WhatLiesBetweenIsWritten) {
  // The numbers behind each row, which no row has.
  Rows rows(40, 5, 1);
  const DeviceArray array = upload(rows.view(), Device::host(), in_place());
  GatherOptions request;
  request.out = output(rows.memory.data() + 5, 39 * 48 + 8, {48});
  for (int again = 0; again < 2; ++again) copy(array.index(1, 2), request);
  for (std::size_t i = 0; i < 40; ++i) {
    EXPECT_EQ(rows.memory[6 * i + 5], static_cast<std::int64_t>(6 * (39 - i) + 2));
    EXPECT_EQ(rows.memory[6 * i], static_cast<std::int64_t>(6 * i));
  }
}

TEST(Overlap, RowsThatTheArrayDoesNotHaveAreWritten) {
  // The table goes on with a pointer to the output.
  Rows rows(9, 5, 1);
  std::swap(rows.rows[2], rows.rows[5]);  // not evenly spaced
  Numbers apart(40);
  rows.rows[8] = apart.data();
  const ArrayView view = ArrayView::from_rows(rows.rows.data(), 8, 5);
  const DeviceArray array = upload(view, Device::host(), in_place());
  GatherOptions request;
  request.out = output(apart.data(), 320);
  copy(array, request);
  for (std::size_t row = 0; row < 8; ++row)
    EXPECT_TRUE(std::equal(rows.rows[row], rows.rows[row] + 5, &apart[5 * row]));
}

TEST(Overlap, OfLeavesBehindTwoPointersThoseThatAreReadAreNotWrittenOver) {
  Rows rows(12, 4);
  std::mt19937 engine(3);
  std::shuffle(rows.rows.begin(), rows.rows.end(), engine);
  const std::vector<const void*> tables{&rows.rows[8], &rows.rows[0], &rows.rows[4]};
  const ArrayView view(tables.data(), Format("q", 8),
                       Layout({{3, 8, 0}, {4, 8, 1}, {4, 8, 2}}, {0, 0, 0}));
  const DeviceArray array = upload(view, Device::host(), in_place());
  const std::int64_t first[] = {8, 0, 4};
  for (std::int64_t i = 0; i < 3; ++i)
    for (std::int64_t j = 0; j < 4; ++j) {
      const DeviceArray leaf = array.index(0, i).index(0, j);
      const std::int64_t* const read = rows.rows[static_cast<std::size_t>(first[i] + j)];
      for (const std::int64_t* row : rows.rows) {
        const Output out = output(const_cast<std::int64_t*>(row), 32);
        GatherOptions request;
        request.out = out;
        if (row == read)
          expect_overlap(leaf, out);
        else
          Plan(leaf, {}, request);
      }
    }
}

TEST(Overlap, CopiesMayBeWrittenBack) {
  Rows rows(4, 5);
  const DeviceArray array = upload(rows.view(), Device::host());
  GatherOptions request;
  request.out = output(rows.memory.data(), 160);
  copy(array, request);
  EXPECT_EQ(rows.memory[0], 15);
  EXPECT_EQ(rows.memory[19], 4);
}

TEST(Overlap, IndicesInsideOfTheOutputAreReadFirst) {
  std::mt19937 random(15);
  constexpr std::int64_t count = 20'000;
  Numbers source(2000);
  std::iota(source.begin(), source.end(), 0);
  const DeviceArray array =
      upload(ArrayView::dense(source.data(), Numbers{1000, 2}, Format("q", 8)), Device::host());
  Numbers indices(count);
  for (std::int64_t& index : indices) index = static_cast<std::int64_t>(random() % 1000);
  for (const std::int64_t first : {std::int64_t{0}, count, std::int64_t{7}}) {
    Numbers out(2 * count);
    std::ranges::copy(indices, out.begin() + first);
    const std::span<const std::int64_t> inside(out.data() + first, count);
    GatherOptions request;
    request.out = output(out.data(), 16 * count);
    take(array, 0, Indices(inside), request);
    for (std::size_t i = 0; i < indices.size(); ++i)
      ASSERT_EQ(out[2 * i + 1], 2 * indices[i] + 1) << "at " << i << " from " << first;
  }
}

TEST(Overlap, GathersInPiecesOnTheHostAreGathers) {
  Rows rows(4, 5);
  GatherOptions request;
  request.out = output(rows.memory.data(), 160);
  expect_error(Errc::invalid_argument, "the output overlaps the array",
               [&] { gather_in_pieces(rows.view(), Device::host(), {}, {.gather = request}); });
}

TEST(Overlap, PointersThatAreReadAreNotWrittenOver) {
  Rows rows(4, 5);
  const OutputPlace over_the_table{rows.rows.data() + 1, {}, {}, 8};
  expect_error(Errc::invalid_argument, "the output overlaps the array",
               [&] { check_apart(rows.view(), over_the_table); });
  expect_error(Errc::invalid_argument, "the output overlaps the array", [&] {
    check_apart(rows.view(), {rows.rows[2] + 4, {}, {}, 8});
  });
  std::int64_t elsewhere = 0;
  check_apart(rows.view(), {&elsewhere, {}, {}, 8});
}

TEST(Overlap, NothingOverlapsWhatHasNoElements) {
  Numbers numbers(12);
  const DeviceArray array = upload(ArrayView::dense(numbers.data(), Numbers{4, 3}, Format("q", 8)),
                                   Device::host(), in_place());
  GatherOptions request;
  request.out = output(numbers.data(), 96);
  copy(array.slice(0, {2, 2, 1}), request);
}

}  // namespace
}  // namespace multibuffer
