#include <multibuffer/draw.hpp>
#include <multibuffer/multibuffer.hpp>
#include <multibuffer/ragged.hpp>

#include "host/explain/viewed.hpp"
#include "tests/testing/cases.hpp"
#include "tests/testing/random_array.hpp"
#include "tests/testing/throws.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <memory>
#include <numeric>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace multibuffer {
namespace {

using testing::cases;
using testing::expect_error;
using testing::Random;
using testing::RandomArray;
using Numbers = std::vector<std::int64_t>;

std::size_t count_of(std::string_view text, std::string_view part) {
  std::size_t count = 0;
  for (std::size_t at = text.find(part); at != std::string_view::npos; at = text.find(part, at + 1))
    ++count;
  return count;
}

/// The words of a picture between tags, in order.
std::vector<std::string> words_in(const std::string& svg) {
  std::vector<std::string> words;
  for (std::size_t at = svg.find("<text"); at != std::string::npos;
       at = svg.find("<text", at + 1)) {
    const std::size_t begin = svg.find('>', at) + 1;
    words.push_back(svg.substr(begin, svg.find("</text>", begin) - begin));
  }
  return words;
}

bool says(const std::string& svg, std::string_view words) {
  const auto all = words_in(svg);
  return std::ranges::find(all, words) != all.end();
}

/// Every tag is closed, in order, and every attribute is in quotes; test_explain.py has a parser.
void expect_well_formed(const std::string& svg) {
  std::vector<std::string> open;
  for (std::size_t at = svg.find('<'); at != std::string::npos; at = svg.find('<', at + 1)) {
    const std::size_t end = svg.find('>', at);
    ASSERT_NE(end, std::string::npos);
    const std::string tag = svg.substr(at + 1, end - at - 1);
    ASSERT_EQ(count_of(tag, "\"") % 2, 0U) << tag;
    if (tag.front() == '/') {
      ASSERT_FALSE(open.empty());
      ASSERT_EQ(open.back(), tag.substr(1));
      open.pop_back();
    } else if (tag.back() != '/') {
      open.push_back(tag.substr(0, tag.find(' ')));
    }
  }
  EXPECT_TRUE(open.empty());
}

struct Rows {
  std::array<std::int32_t, 4> a{0, 1, 2, 3}, b{10, 11, 12, 13};
  std::array<const std::int32_t*, 3> pointers{b.data(), a.data(), b.data()};
  ArrayView view() const { return ArrayView::from_rows(pointers, 4); }
};

TEST(Draw, SharedRowsAreDrawnOnce) {
  const Rows rows;
  const std::string svg = draw(rows.view(), {.with_offsets = false});
  expect_well_formed(svg);
  EXPECT_EQ(count_of(svg, "class=\"table\""), 3U);
  EXPECT_EQ(count_of(svg, "class=\"leaf\""), 8U);
  EXPECT_EQ(std::ranges::count(words_in(svg), "→ A"), 2);
  EXPECT_EQ(std::ranges::count(words_in(svg), "→ B"), 1);
}

TEST(Draw, TheWayToAnElementIsMarkedAndWritten) {
  const Rows rows;
  const std::string svg = draw(rows.view(), {.at = Numbers{2, 3}});
  expect_well_formed(svg);
  EXPECT_TRUE(says(svg, "+ 2 * 8: index 2 of axis 0"));
  EXPECT_TRUE(says(svg, "= A + 12"));
  EXPECT_TRUE(says(svg, "the element [2, 3]: 13"));
  EXPECT_TRUE(says(svg, "= byte 12"));
  EXPECT_EQ(count_of(svg, "class=\"here\""), 4U);  // a slot and an element, in both panels
}

TEST(Draw, ThePictureOfAnUploadedArrayHasItsOffsets) {
  const Rows rows;
  const DeviceArray array =
      upload(rows.view(), Device::host(), {.placement = PlacementKind::packed});
  const std::string svg = draw(array, {.at = Numbers{2, 3}});
  expect_well_formed(svg);
  EXPECT_TRUE(says(svg, "Step by step, by the offsets"));
  EXPECT_TRUE(says(svg, "the element [2, 3]: 13"));
  EXPECT_FALSE(says(svg, "base"));
}

TEST(Draw, WhatAViewLeavesOutIsGrey) {
  const Rows rows;
  const std::string svg = draw(
      rows.view(),
      {.operations = {SliceAxis{0, {0, 2, 1}}, SliceAxis{1, {1, {}, 2}}}, .with_offsets = false});
  EXPECT_EQ(count_of(svg, "class=\"table\""), 2U);
  EXPECT_EQ(count_of(svg, "class=\"leaf\""), 4U);
  EXPECT_EQ(count_of(svg, "class=\"out\""), 1U + 4U);
}

TEST(Draw, LongAxesAreAbridged) {
  std::vector<std::int32_t> memory(10'000 * 40);
  std::vector<const std::int32_t*> pointers;
  for (int i = 0; i < 10'000; ++i) pointers.push_back(memory.data() + 40 * (9'999 - i));
  const ArrayView view = ArrayView::from_rows(pointers, 40);
  const std::string svg = draw(view, {.at = Numbers{7000, 13}, .with_offsets = false});
  expect_well_formed(svg);
  EXPECT_LT(svg.size(), 100'000U);
  EXPECT_TRUE(says(svg, "… 6,994 more"));
  EXPECT_TRUE(says(svg, "… 2,998 more"));
  EXPECT_TRUE(says(svg, "9999"));
  EXPECT_TRUE(says(svg, "… 25 more"));
}

TEST(Draw, BytesThatAreNoElementsAreHatched) {
  struct Pixel {
    std::uint8_t red, green, blue, unused;
  };
  const std::array<Pixel, 3> pixels{};
  const ArrayView view(pixels.data(), native_format<std::uint8_t>(),
                       Layout({{3, 4, 0}, {3, 1, 0}}, {0}));
  const std::string svg = draw(view, {.with_offsets = false});
  EXPECT_EQ(count_of(svg, "class=\"hole\""), 2U);
  EXPECT_TRUE(says(svg, "1 byte"));
}

TEST(Draw, ANullIsDrawnAndThePictureSaysWhyItCannotBeUploaded) {
  Rows rows;
  rows.pointers[1] = nullptr;
  const std::string svg = draw(rows.view());
  expect_well_formed(svg);
  EXPECT_TRUE(says(svg, "NULL"));
  EXPECT_NE(svg.find("the array cannot be uploaded: NULL pointer in a pointer table: level 0 of 1 "
                     "at index [1, :]"),
            std::string::npos)
      << svg;
}

TEST(Draw, ANegativeSuboffsetShowsWhereOthersRead) {
  const std::array<std::int32_t, 4> row{3, 2, 1, 0};
  const std::array<const std::int32_t*, 2> ends{&row[3], &row[3]};
  const ArrayView view(ends.data(), native_format<std::int32_t>(),
                       Layout({{2, 8, 0}, {4, -4, 1}}, {0, 0}));
  const DrawOptions options{.operations = {SliceAxis{1, {1, {}, 1}}}, .at = Numbers{1, 2}};
  const std::string svg = draw(view, options);
  expect_well_formed(svg);
  EXPECT_TRUE(says(svg, "the suboffset -4 is negative: follow no pointer"));
  EXPECT_TRUE(says(svg, "garbage: a piece of a pointer"));
  EXPECT_EQ(count_of(svg, "class=\"wrong\""), 1U);
  EXPECT_EQ(draw(view, {.at = Numbers{1, 2}}).find("garbage"), std::string::npos);
}

TEST(Draw, TextOfAnExporterIsEscaped) {
  const std::array<char, 6> bytes{'<', '&', '>', '"', '\x01', '\x7f'};
  const ArrayView view(bytes.data(), Format("1s", 1), Layout({{6, 1, 0}}, {0}));
  const std::string svg =
      draw(view, {.with_offsets = false, .title = "</title><script>\x01\xff &amp; \"'"});
  expect_well_formed(svg);
  EXPECT_EQ(svg.find("<script"), std::string::npos);
  EXPECT_NE(svg.find("&lt;/title&gt;&lt;script&gt;\xef\xbf\xbd\xef\xbf\xbd &amp;amp; &quot;'"),
            std::string::npos);
  EXPECT_EQ(svg.find('\x01'), std::string::npos);
}

TEST(Draw, TheSameArrayElsewhereMakesTheSamePicture) {
  const DrawOptions options{.at = Numbers{1, 1}, .placement = PlacementKind::packed};
  std::set<std::string> pictures;
  std::vector<std::unique_ptr<Rows>> kept;
  for (int i = 0; i < 5; ++i) {
    kept.push_back(std::make_unique<Rows>());
    pictures.insert(draw(kept.back()->view(), options));
  }
  EXPECT_EQ(pictures.size(), 1U);
}

TEST(Draw, RandomArraysMakeWellFormedPicturesOfBoundedSize) {
  for (std::uint64_t seed = 0; seed < cases(400U); ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const RandomArray array(random, {});
    const ArrayView view = ArrayView::from_export(array.source());
    DrawOptions options;
    options.operations = testing::random_operations(random, array.shape(), random.between(0, 3));
    Numbers at;
    ArrayView part = view;
    try {
      for (const ViewOperation& operation : options.operations) part = part.apply(operation);
      ViewedIndices(view.shape(), options.operations);
    } catch (const Error&) {
      continue;  // a reshape that merges axes of several levels
    }
    for (const std::int64_t extent : part.shape())
      if (extent > 0) at.push_back(random.between(std::int64_t{0}, extent - 1));
    if (at.size() == part.shape().size() && random.chance(70)) options.at = at;
    const std::string svg = draw(view, options);
    expect_well_formed(svg);
    EXPECT_LT(svg.size(), 2'000'000U) << array.describe();
    EXPECT_GE(count_of(svg, "class=\"here\""), options.at ? 1U : 0U) << array.describe();
  }
}

TEST(Draw, RowsOfUnequalLengthAreAsLongAsTheyAre) {
  const std::vector<std::int32_t> a{0, 1, 2}, b{10}, c(500, 7);
  const std::array<const std::int32_t*, 5> pointers{a.data(), b.data(), nullptr, c.data(),
                                                    a.data()};
  const RaggedView rows = RaggedView::from_rows(pointers.data(), Numbers{3, 1, 0, 500, 2});
  const std::string svg = draw(rows, {.at = Numbers{3, -2}});
  expect_well_formed(svg);
  EXPECT_TRUE(says(svg, "Element [3, -2] of 5 rows of up to 500 items, format 'i'"));
  EXPECT_TRUE(says(svg, "→ A, 3 items"));
  EXPECT_TRUE(says(svg, "→ A, 2 items"));
  EXPECT_TRUE(says(svg, "→ B, 1 item"));
  EXPECT_TRUE(says(svg, "NULL"));
  EXPECT_TRUE(says(svg, "the element [3, 498]: 7"));
  EXPECT_TRUE(says(svg, "+ 498 * 4: index 498 of axis 1"));
  expect_error(Errc::index_out_of_range, "item 3 of row 0, whose length is 3", [&] {
    draw(rows, {.at = Numbers{0, 3}});
  });
  const std::vector<std::int32_t> longer(2000);
  const std::array<const std::int32_t*, 2> two{c.data(), longer.data()};
  const std::string abridged =
      draw(RaggedView::from_rows(two.data(), Numbers{500, 2000}), {.title = "two"});
  EXPECT_TRUE(says(abridged, "… 493 more")) << abridged;  // behind the seventh
}

TEST(Draw, UploadedRowsOfUnequalLengthAreDrawnByTheirOffsets) {
  const std::vector<std::int32_t> a{0, 1, 2}, b{10};
  const std::array<const std::int32_t*, 4> pointers{a.data(), b.data(), nullptr, a.data()};
  const RaggedView rows = RaggedView::from_rows(pointers.data(), Numbers{3, 1, 0, 2});
  for (const PlacementKind kind : {PlacementKind::packed, PlacementKind::in_place}) {
    const RaggedArray array = upload(rows, Device::host(), {.placement = kind});
    const std::string svg = draw(array, {.at = Numbers{3, 1}});
    expect_well_formed(svg);
    const bool is_packed = kind == PlacementKind::packed;
    EXPECT_TRUE(says(svg, is_packed ? "0, 3 items" : "→ A, 3 items"));
    EXPECT_TRUE(says(svg, "no items"));
    EXPECT_EQ(count_of(svg, "class=\"leaf\"") + count_of(svg, "class=\"here\""), 3U + 1 + 1);
    EXPECT_EQ(count_of(svg, "marker-end=\"url(#mb-arrow)\""), 2U);  // none from the empty row
    EXPECT_TRUE(says(svg, "the element [3, 1]: 1"));
    EXPECT_TRUE(says(svg, is_packed ? "On the host, packed: offsets in place of pointers"
                                    : "On the host, in place: offsets in place of pointers"));
    expect_well_formed(draw(array.slice({0, 0, 1})));
  }
  expect_error(Errc::invalid_argument, "draw a slice of them", [&] {
    draw(rows, {.operations = {SliceAxis{0, {}}}});
  });
  // Beside the pointers, and alone.
  EXPECT_TRUE(says(draw(rows), "On a device, packed: offsets in place of pointers"));
  EXPECT_FALSE(says(draw(rows, {.with_offsets = false}), "arena, in bytes"));
}

TEST(Draw, EveryStepHasItsNumber) {
  const Rows rows;
  const std::string svg = draw(rows.view(), {.at = Numbers{0, 0}, .with_offsets = false});
  EXPECT_EQ(count_of(svg, "class=\"number\""), 2U * 5);  // in the picture, and beside the words
}

TEST(Draw, AxesBeyondCountAreNoneTooMany) {
  const std::array<std::byte, 8> bytes{};
  const ArrayView view(bytes.data(), Format(), Layout(std::vector<Axis>(40, {2, 0, 0}), {0}));
  EXPECT_LT(draw(view, {.at = Numbers(40, 1), .with_offsets = false}).size(), 1'000'000U);
}

TEST(Draw, ErrorsAreThoseOfTheOperationsAndOfExplain) {
  const Rows rows;
  expect_error(Errc::index_out_of_range, "index 3 on axis 0", [&] {
    draw(rows.view(), {.at = Numbers{3, 0}});
  });
  expect_error(Errc::invalid_argument, "axis", [&] {
    draw(rows.view(), {.operations = {SliceAxis{5, {}}}});
  });
}

// ---- Which indices of the whole array a view has

TEST(ViewedIndices, AreThoseThatTheOperationsLeave) {
  for (std::uint64_t seed = 0; seed < 500; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    Numbers shape;
    for (int i = random.between(0, 3); i >= 0; --i) shape.push_back(random.between(1, 4));
    std::vector<std::int64_t> numbers(24 * 24);
    std::iota(numbers.begin(), numbers.end(), 0);
    const ArrayView whole = ArrayView::dense(numbers.data(), shape, native_format<std::int64_t>());
    std::vector<ViewOperation> operations = testing::random_operations(random, shape, 3);
    std::erase_if(operations, [](const ViewOperation& operation) {
      return std::holds_alternative<Reshape>(operation);
    });
    ArrayView view = whole;
    try {
      for (const ViewOperation& operation : operations) view = view.apply(operation);
    } catch (const Error&) {
      continue;  // an axis that a reshape would have made
    }
    const ViewedIndices viewed(shape, operations);
    if (view.layout().empty()) {
      EXPECT_TRUE(viewed.empty());
      continue;
    }
    Numbers index;
    for (const std::int64_t extent : view.shape())
      index.push_back(random.between(std::int64_t{0}, extent - 1));
    const Numbers whole_index = viewed.whole_index(index);
    EXPECT_EQ(explain(whole, whole_index).value, explain(view, index).value);
    EXPECT_EQ(viewed.view_index(whole_index), index);
  }
}

}  // namespace
}  // namespace multibuffer
