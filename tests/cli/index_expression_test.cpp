#include "host/cli/index_expression.hpp"

#include <multibuffer/error.hpp>

#include "host/support/text.hpp"
#include "tests/testing/foreign_locale.hpp"
#include "tests/testing/throws.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace multibuffer::cli {
namespace {

using multibuffer::testing::expect_error;

using Shape = std::vector<std::int64_t>;

/// A dense array of single bytes: a position is an element's number.
Layout dense(const Shape& shape) {
  std::vector<Axis> axes(shape.size());
  std::int64_t stride = 1;
  for (std::size_t i = shape.size(); i-- > 0; stride *= shape[i]) axes[i] = {shape[i], stride, 0};
  return Layout(std::move(axes), {0});
}

Layout indexed(const std::string& text, const Shape& shape) {
  Layout layout = dense(shape);
  for (const ViewOperation& operation : parse_index(text, shape)) layout = layout.apply(operation);
  return layout;
}

const Shape shape{5, 6, 7};

TEST(IndexExpression, MeansWhatTheViewOperationsDo) {
  const Layout all = dense(shape);
  const Slice every_second{{}, {}, 2};
  EXPECT_EQ(indexed(":", shape), all);
  EXPECT_EQ(indexed("...", shape), all);
  EXPECT_EQ(indexed(":, :, :", shape), all);
  EXPECT_EQ(indexed("2", shape), all.index(0, 2));
  EXPECT_EQ(indexed("-1", shape), all.index(0, 4));
  EXPECT_EQ(indexed("2, 3", shape), all.index(0, 2).index(0, 3));
  EXPECT_EQ(indexed("2, 3, -7", shape), all.index(0, 2).index(0, 3).index(0, 0));
  EXPECT_EQ(indexed("::-1", shape), all.reverse(0));
  EXPECT_EQ(indexed("::2, 1:4", shape), all.slice(0, every_second).slice(1, {1, 4, 1}));
  EXPECT_EQ(indexed("..., ::2", shape), all.slice(2, every_second));
  EXPECT_EQ(indexed("0, ..., 1", shape), all.index(0, 0).index(1, 1));
  EXPECT_EQ(indexed("::-1, 10:200:3, ..., 2", shape),
            all.reverse(0).slice(1, {10, 200, 3}).index(2, 2));
  EXPECT_EQ(indexed("1, 2, ..., 3", shape), all.index(0, 1).index(0, 2).index(0, 3));
  EXPECT_EQ(indexed("None, 1", shape), all.insert_axis(0).index(1, 1));
  EXPECT_EQ(indexed("1, np.newaxis, ::2", shape),
            all.index(0, 1).insert_axis(0).slice(1, every_second));
  EXPECT_EQ(indexed("..., None", shape), all.insert_axis(3));
  EXPECT_EQ(indexed("newaxis, ..., None", shape), all.insert_axis(0).insert_axis(4));
  EXPECT_EQ(indexed("...", {}), dense({}));
  EXPECT_EQ(indexed("None", {}), dense({}).insert_axis(0));
}

TEST(IndexExpression, SpacesAndBracketsDoNotMatter) {
  const Layout expected = dense(shape).index(0, 1).slice(0, {{}, -2, 3});
  for (const char* text : {"1,:-2:3", " 1 , : - 2 : 3 ", "[1, :-2:3]", " [ 1, :-2:3 ] ",
                           "1, :-2:3,", "[1, :-2:3, ]", "+1, :-2:+3", "\t1,\n:-2:3"}) {
    SCOPED_TRACE(text);
    EXPECT_EQ(indexed(text, shape), expected);
  }
}

TEST(IndexExpression, SlicesAreCutOffHoweverFarTheyReach) {
  EXPECT_EQ(indexed("-99999999999999999999:99999999999999999999", shape), dense(shape));
  EXPECT_EQ(indexed("99999999999999999999::-99999999999999999999", shape).shape(),
            (Shape{1, 6, 7}));
}

TEST(IndexExpression, WholeAxesNeedNoOperation) {
  EXPECT_TRUE(parse_index(":, ..., ::1", shape).empty());
}

TEST(IndexExpression, WhatIsOutOfRangeNamesAxisAndExtent) {
  expect_error(Errc::index_out_of_range, "axis 1 has no index 6; its extent is 6",
               [] { parse_index("0, 6", shape); });
  expect_error(Errc::index_out_of_range, "axis 2 has no index -8; its extent is 7",
               [] { parse_index("..., -8", shape); });
  expect_error(Errc::index_out_of_range, "axis 0 has no index",
               [] { parse_index("99999999999999999999", shape); });
  expect_error(Errc::index_out_of_range, "its extent is 0", [] { parse_index("0", Shape{0}); });
}

TEST(IndexExpression, NumbersNeverFollowTheGlobalLocale) {
  const multibuffer::testing::ForeignLocale foreign;
  const Shape large{5'000'000};
  EXPECT_EQ(indexed("1234567:4000000:1000", large),
            dense(large).slice(0, {1'234'567, 4'000'000, 1000}));
  EXPECT_EQ(parse_index_list("1234567, 4000000:4000002", 5'000'000),
            (std::vector<std::int64_t>{1'234'567, 4'000'000, 4'000'001}));
  expect_error(Errc::index_out_of_range, "9876543", [&] { parse_index("9876543", large); });
  expect_error(Errc::invalid_argument, "--index: expected",
               [&] { parse_index("1.234.567", large); });
}

TEST(IndexExpression, TooManyIndicesAreCounted) {
  expect_error(Errc::invalid_argument,
               "too many indices: 4 for an array of 3 axes, shape (5, 6, 7)",
               [] { parse_index("0, 0, 0, :", shape); });
  expect_error(Errc::invalid_argument, "too many indices: 1 for an array of 0 axes",
               [] { parse_index("0", Shape{}); });
  expect_error(Errc::invalid_argument, "too many indices: 2 for an array of 1 axis",
               [] { parse_index("..., 0, 0", Shape{3}); });
}

/// The message for `text` has `problem`, and its mark under the place where '^' is in `marks`.
void expect_mark(const std::string& text, const std::string& marks, const std::string& problem) {
  SCOPED_TRACE(text);
  expect_error(Errc::invalid_argument, problem + "\n    " + text + "\n    " + marks,
               [&] { parse_index(text, shape); });
}

TEST(IndexExpression, SyntaxErrorsAreMarked) {
  const std::string any = "expected an integer, a slice, '...' or None";
  expect_mark("0, x", "   ^", any);
  expect_mark("0, *", "   ^", any);
  expect_mark("1.5", "^", "expected an integer");
  expect_mark("0, 1e3", "   ^", "expected an integer");
  expect_mark("True", "^", any);
  expect_mark("1 2", "  ^", "expected ','");
  expect_mark("1:2:3:4", "     ^", "expected ','");
  expect_mark(",", "^", any);
  expect_mark("1,,2", "  ^", any);
  expect_mark("[1, 2", "     ^", "expected ',' or ']'");
  expect_mark("[1] 2", "    ^", "expected nothing after ']'");
  expect_mark("1]", " ^", "expected ','");
  expect_mark("0, [1, 2]", "   ^", "expected an integer or a slice; lists of indices go to --take");
  expect_mark("-", " ^", "expected digits");
  expect_mark("1:2:-", "     ^", "expected digits");
  expect_mark("..", "^", any);
  expect_mark("....", "   ^", "expected ','");
  expect_mark("0, ::0", "     ^", "the step of a slice cannot be 0");
  expect_mark("..., 1, ...", "        ^", "only one '...' can be told how long it is");
  expect_mark("\xc3\xa9", "^", any);
  expect_mark("[]", " ^", "expected an index");
  expect_error(Errc::invalid_argument, "expected an index (it is empty)",
               [] { parse_index("", shape); });
}

TEST(IndexList, HasNumbersAndRanges) {
  using List = std::vector<std::int64_t>;
  EXPECT_EQ(parse_index_list("3,1,-1,0", 10), (List{3, 1, -1, 0}));
  EXPECT_EQ(parse_index_list("7", 10), (List{7}));
  EXPECT_EQ(parse_index_list("[1, 0:10:4, 2]", 10), (List{1, 0, 4, 8, 2}));
  EXPECT_EQ(parse_index_list("::-1", 3), (List{2, 1, 0}));
  EXPECT_EQ(parse_index_list("-2:", 5), (List{3, 4}));
  EXPECT_EQ(parse_index_list("0:100:7", 20), (List{0, 7, 14}));
  EXPECT_EQ(parse_index_list("5:2", 9), (List{}));
  EXPECT_EQ(parse_index_list("100", 3), (List{100}));  // checked by those who know the axis
}

TEST(IndexList, RangesMeanWhatSlicesOfLayoutsDo) {
  const std::vector<std::optional<std::int64_t>> bounds{{}, -9, -5, -4, -1, 0, 1, 3, 4, 5, 9};
  for (std::int64_t extent = 0; extent < 6; ++extent) {
    for (const auto& start : bounds) {
      for (const auto& stop : bounds) {
        for (const std::int64_t step : {-7, -2, -1, 1, 2, 7}) {
          const Layout sliced = dense({extent}).slice(0, {start, stop, step});
          std::vector<std::int64_t> expected;
          for (std::int64_t i = 0; i < sliced.axes()[0].extent; ++i) {
            expected.push_back(sliced.origins()[0] + i * sliced.axes()[0].stride);
          }
          const auto bound = [](const auto& value) { return value ? text(*value) : ""; };
          const std::string range = text(bound(start), ":", bound(stop), ":", step);
          EXPECT_EQ(parse_index_list(range, extent), expected) << range << " of " << extent;
        }
      }
    }
  }
}

TEST(IndexList, OtherThingsAreErrors) {
  expect_error(Errc::invalid_argument, "--take: expected an integer or a range",
               [] { parse_index_list("1, ...", 3); });
  expect_error(Errc::invalid_argument, "--take: expected an integer or a range",
               [] { parse_index_list("None", 3); });
  expect_error(Errc::invalid_argument, "--take: expected",
               [] { parse_index_list("indices.txt", 3); });
}

}  // namespace
}  // namespace multibuffer::cli
