#include <multibuffer/array_view.hpp>
#include <multibuffer/stack.hpp>

#include "tests/testing/throws.hpp"

#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

namespace multibuffer {
namespace {

using testing::expect_error;
using Numbers = std::vector<std::int64_t>;
constexpr auto highest = std::numeric_limits<std::int64_t>::max();

/// An export over its own numbers; tests change what they are about.
struct Export {
  std::array<std::int64_t, 24> memory{};
  Numbers shape{2, 3, 4};
  Numbers strides{96, 32, 8};
  Numbers suboffsets{-1, -1, -1};
  BufferExport raw() {
    return {.buf = memory.data(),
            .len = 192,
            .itemsize = 8,
            .readonly = true,
            .ndim = 3,
            .format = "q",
            .shape = shape.data(),
            .strides = strides.data(),
            .suboffsets = nullptr};
  }
};

TEST(ArrayView, TakesAnExportAsItIs) {
  Export source;
  const ArrayView view = ArrayView::from_export(source.raw());
  EXPECT_EQ(view.layout(), Layout({{2, 96, 0}, {3, 32, 0}, {4, 8, 0}}, {0}));
  EXPECT_EQ(view.format().text(), "q");
  EXPECT_EQ(view.nbytes(), 192);
}

TEST(ArrayView, SuboffsetsEndLevels) {
  Export source;
  source.suboffsets = {0, 16, -1};
  BufferExport raw = source.raw();
  raw.suboffsets = source.suboffsets.data();
  EXPECT_EQ(ArrayView::from_export(raw).layout(),
            Layout({{2, 96, 0}, {3, 32, 1}, {4, 8, 2}}, {0, 0, 16}));
}

TEST(ArrayView, SuboffsetsThatAreAllNegativeMeanNone) {
  Export source;
  BufferExport raw = source.raw();
  raw.suboffsets = source.suboffsets.data();
  EXPECT_EQ(ArrayView::from_export(raw).layout().levels(), 0);
}

TEST(ArrayView, SuboffsetsThatAreAllNegativeNeedNoStrides) {
  Export source;
  BufferExport raw = source.raw();
  raw.suboffsets = source.suboffsets.data();
  raw.strides = nullptr;
  EXPECT_EQ(ArrayView::from_export(raw).layout(), ArrayView::from_export(source.raw()).layout());
}

TEST(ArrayView, EmptyArraysMayHaveAnyExtents) {
  const Numbers shape{0, std::int64_t{1} << 40, std::int64_t{1} << 40};
  EXPECT_EQ(ArrayView::dense(nullptr, shape, Format("d", 8)).nbytes(), 0);
}

TEST(ArrayView, MissingStridesMeanCOrder) {
  Export source;
  BufferExport raw = source.raw();
  raw.strides = nullptr;
  EXPECT_EQ(ArrayView::from_export(raw).layout(), ArrayView::from_export(source.raw()).layout());
}

TEST(ArrayView, MissingShapeMeansBytes) {
  Export source;
  BufferExport raw{.buf = source.memory.data(), .len = 192, .itemsize = 8, .ndim = 1};
  const ArrayView view = ArrayView::from_export(raw);
  EXPECT_EQ(view.shape(), Numbers{192});
  EXPECT_EQ(view.itemsize(), 1);
  EXPECT_EQ(view.format().text(), "B");
}

TEST(ArrayView, MissingFormatKeepsTheItemsize) {
  Export source;
  BufferExport raw = source.raw();
  raw.format = nullptr;
  EXPECT_EQ(ArrayView::from_export(raw).itemsize(), 8);
}

TEST(ArrayView, AnArrayWithoutAxesIsOneElement) {
  const double value = 1;
  const ArrayView view =
      ArrayView::from_export({.buf = &value, .len = 8, .itemsize = 8, .ndim = 0, .format = "d"});
  EXPECT_EQ(view.nbytes(), 8);
  EXPECT_EQ(view.ndim(), 0);
}

TEST(ArrayView, NonsenseIsNotTrusted) {
  Export source;
  const auto refused = [&](Errc code, const std::string& part, auto&& change) {
    Export broken = source;
    BufferExport raw = broken.raw();
    change(broken, raw);
    expect_error(code, part, [&] { ArrayView::from_export(raw); });
  };
  refused(Errc::invalid_view, "65 axes", [](Export&, BufferExport& raw) { raw.ndim = 65; });
  refused(Errc::invalid_view, "-1 axes", [](Export&, BufferExport& raw) { raw.ndim = -1; });
  refused(Errc::invalid_view, "itemsize is 0",
          [](Export&, BufferExport& raw) { raw.itemsize = 0; });
  refused(Errc::invalid_view, "axis 1 has the negative extent -3",
          [](Export& broken, BufferExport&) { broken.shape[1] = -3; });
  refused(Errc::invalid_view, "the length is 191 bytes",
          [](Export&, BufferExport& raw) { raw.len = 191; });
  refused(Errc::invalid_view, "no shape for 3 axes",
          [](Export&, BufferExport& raw) { raw.shape = nullptr; });
  refused(Errc::invalid_view, "suboffsets without strides", [](Export& broken, BufferExport& raw) {
    broken.suboffsets = {-1, 0, -1};
    raw.suboffsets = broken.suboffsets.data();
    raw.strides = nullptr;
  });
  refused(Errc::invalid_view, "the address is NULL",
          [](Export&, BufferExport& raw) { raw.buf = nullptr; });
  refused(Errc::size_overflow, "number of elements", [](Export& broken, BufferExport&) {
    broken.shape = {highest, 2, 4};
  });
  refused(Errc::size_overflow, "size in bytes", [](Export& broken, BufferExport& raw) {
    broken.shape = {highest / 8, 1, 2};
    raw.len = {};
  });
  refused(Errc::size_overflow, "the reach of axis 1",
          [](Export& broken, BufferExport&) { broken.strides[1] = highest / 2 + 1; });
  refused(Errc::size_overflow, "the reach of axis 0", [](Export& broken, BufferExport&) {
    broken.strides[0] = std::numeric_limits<std::int64_t>::min();
  });
}

TEST(ArrayView, WhatCannotBeReachedMayBeHuge) {
  Export source;
  source.strides = {highest, 32, 8};
  source.shape = {1, 3, 4};
  BufferExport raw = source.raw();
  raw.len = 96;
  EXPECT_EQ(ArrayView::from_export(raw).nbytes(), 96);
  source.shape = {0, 3, 4};
  raw = source.raw();
  raw.len = 0;
  raw.buf = nullptr;
  EXPECT_EQ(ArrayView::from_export(raw).nbytes(), 0);
}

TEST(ArrayView, RowsAndPlanesOfPointers) {
  float a[3]{}, b[3]{};
  float* rows[] = {a, b};
  float** planes[] = {rows, rows};
  const ArrayView two = ArrayView::from_rows<float>(rows, 2, 3);
  EXPECT_EQ(two.layout(), Layout({{2, 8, 0}, {3, 4, 1}}, {0, 0}));
  EXPECT_FALSE(two.readonly());
  EXPECT_EQ(ArrayView::from_pointers(planes, 2, 2, 3).layout(),
            Layout({{2, 8, 0}, {2, 8, 1}, {3, 4, 2}}, {0, 0, 0}));
  const float* const_rows[] = {a, b};
  EXPECT_TRUE(ArrayView::from_rows<const float>(const_rows, 2, 3).readonly());
}

TEST(ArrayView, RowsInContainers) {
  const float a[3]{}, b[3]{};
  const std::vector<const float*> rows{a, b};
  const ArrayView view = ArrayView::from_rows(rows, 3);
  EXPECT_EQ(view.layout(), Layout({{2, 8, 0}, {3, 4, 1}}, {0, 0}));
  EXPECT_EQ(static_cast<const void*>(view.base()), rows.data());
  EXPECT_TRUE(view.readonly());
  EXPECT_EQ(ArrayView::from_rows(std::span(rows), 3).layout(), view.layout());
  // A container that goes at the end of the expression leaves pointers to nothing.
  static_assert(RowPointers<const std::vector<float*>&>);
  static_assert(RowPointers<std::span<float* const, 2>>);
  static_assert(!RowPointers<std::vector<float*>>);
  static_assert(!RowPointers<std::vector<float>&>);
  static_assert(!RowPointers<std::vector<float**>&>);
}

TEST(ArrayView, TablesOfAnyDepthAndConstness) {
  const double row[2]{};
  const double* const rows[] = {row};
  const double* const* const planes[] = {rows, rows, rows};
  const double* const* const* const volumes[] = {planes};
  const ArrayView view = ArrayView::from_pointers(volumes, 1, 3, 1, 2);
  EXPECT_EQ(view.layout(), Layout({{1, 8, 0}, {3, 8, 1}, {1, 8, 2}, {2, 8, 3}}, {0, 0, 0, 0}));
  EXPECT_TRUE(view.readonly());
  EXPECT_EQ(view.format(), Format("d", 8));
  EXPECT_EQ(ArrayView::from_pointers(row, 2).layout(), Layout({{2, 8, 0}}, {0}));
}

TEST(ArrayView, HasTheViewOperationsOfADeviceArray) {
  struct Pixel {
    std::uint8_t rgb[3];
    std::uint8_t alpha;
  };
  const Pixel pixels[6]{};
  const ArrayView view = ArrayView::dense(pixels, Numbers{2, 3}, Format("T{3B:rgb:B:alpha:}", 4));
  const ArrayView rgb = view.field("rgb");
  EXPECT_EQ(rgb.layout(), Layout({{2, 12, 0}, {3, 4, 0}, {3, 1, 0}}, {0}));
  EXPECT_EQ(rgb.format(), Format("B", 1));
  EXPECT_EQ(view.field("alpha").layout().origins()[0], 3);
  EXPECT_EQ(view.reshape(Numbers{3, 2})->layout(), Layout({{3, 8, 0}, {2, 4, 0}}, {0}));
  EXPECT_FALSE(view.transpose().reshape(Numbers{6}));
  const std::vector<std::string> alpha{"alpha"};
  EXPECT_EQ(view.fields(alpha).field("alpha").layout(), view.field("alpha").layout());
  expect_error(Errc::invalid_argument, "bytes 2 to 6 of elements that have 4",
               [&] { view.reinterpret(2, Format("I", 4)); });
  expect_error(Errc::invalid_argument, "no field", [&] { view.field("beta"); });
}

TEST(Stack, PointsAtItsParts) {
  const std::int32_t a[2][3]{}, b[2][3]{};
  const Numbers shape{2, 3};
  const std::vector parts{ArrayView::dense(a, shape, Format("i", 4)),
                          ArrayView::dense(b, shape, Format("i", 4)).reverse(0)};
  expect_error(Errc::invalid_view, "part 1 differs from part 0 in the stride of axis 0",
               [&] { stack(parts); });
  const Stack stacked = stack(std::vector{parts[0], parts[1].reverse(0)});
  EXPECT_EQ(stacked.view().layout(), Layout({{2, 8, 0}, {2, 12, 1}, {3, 4, 1}}, {0, 0}));
  const BufferExport raw = stacked.raw_export();
  EXPECT_EQ(raw.ndim, 3);
  EXPECT_EQ(raw.suboffsets[0], 0);
  EXPECT_EQ(raw.suboffsets[1], -1);
  EXPECT_EQ(ArrayView::from_export(raw).layout(), stacked.view().layout());
  EXPECT_EQ(static_cast<const void* const*>(raw.buf)[1], b);
}

TEST(Stack, OfStacksHasOneMoreLevel) {
  const double a[4]{}, b[4]{};
  const std::vector leaves{ArrayView::dense(a, Numbers{4}, Format("d", 8)),
                           ArrayView::dense(b, Numbers{4}, Format("d", 8))};
  const Stack inner = stack(leaves);
  const Stack outer = stack(std::vector{inner.view(), inner.view().reverse(0).reverse(0)});
  EXPECT_EQ(outer.view().layout(), Layout({{2, 8, 0}, {2, 8, 1}, {4, 8, 2}}, {0, 0, 0}));
  EXPECT_EQ(outer.raw_export().suboffsets[1], 0);
}

TEST(Stack, OfScalarsIsATableOfElements) {
  const double a = 1, b = 2;
  const std::vector parts{ArrayView::dense(&a, Numbers{}, Format("d", 8)),
                          ArrayView::dense(&b, Numbers{}, Format("d", 8))};
  const Stack stacked = stack(parts);
  EXPECT_EQ(stacked.view().shape(), Numbers{2});
  EXPECT_EQ(stacked.raw_export().suboffsets[0], 0);
}

TEST(Stack, NamesThePartThatDiffers) {
  const double a[6]{};
  const ArrayView two = ArrayView::dense(a, Numbers{2, 3}, Format("d", 8));
  const auto with = [&](const ArrayView& part) {
    return [&two, part] { stack(std::vector{two, two, part}); };
  };
  expect_error(Errc::invalid_view, "part 2 differs from part 0 in the extent of axis 0",
               with(ArrayView::dense(a, Numbers{1, 3}, Format("d", 8))));
  expect_error(Errc::invalid_view, "in number of axes",
               with(ArrayView::dense(a, Numbers{6}, Format("d", 8))));
  expect_error(Errc::invalid_view, "in format",
               with(ArrayView::dense(a, Numbers{2, 3}, Format("q", 8))));
  expect_error(Errc::invalid_argument, "a stack of no arrays", [] { stack({}); });
}

TEST(Stack, TakesPartsWhoseFormatsMeanTheSame) {
  const std::int32_t a[2]{1, 2}, b[2]{3, 4};
  const char* const native = std::endian::native == std::endian::little ? "<i" : ">i";
  const char* const other = std::endian::native == std::endian::little ? ">i" : "<i";
  const ArrayView first = ArrayView::dense(a, Numbers{2}, Format("i", 4));
  const Stack both = stack(std::vector{first, ArrayView::dense(b, Numbers{2}, Format(native, 4))});
  EXPECT_EQ(both.view().format(), Format("i", 4)) << "as the first part has it";
  expect_error(Errc::invalid_view, "in format", [&] {
    stack(std::vector{first, ArrayView::dense(b, Numbers{2}, Format(other, 4))});
  });
  expect_error(Errc::invalid_view, "in format", [&] {
    stack(std::vector{first, ArrayView::dense(b, Numbers{2}, Format("f", 4))});
  });
}

TEST(Stack, StridesDoNotCountWhereNoStepIsTaken) {
  const std::array<std::int64_t, 7> a{}, b{};
  const auto view = [](const void* base, const Numbers& shape, const Numbers& strides) {
    return ArrayView(base, Format("q", 8),
                     Layout({{shape[0], strides[0], 0}, {shape[1], strides[1], 0}}, {0}));
  };
  for (const Numbers& shape : {Numbers{1, 7}, {7, 1}, {0, 3}, {3, 0}}) {
    const Numbers c_order{8 * shape[1], 8};
    const Numbers fortran_order{8, 8 * shape[0]};
    const Stack both =
        stack(std::array{view(a.data(), shape, c_order), view(b.data(), shape, fortran_order)});
    EXPECT_EQ(both.view().shape(), (Numbers{2, shape[0], shape[1]}));
  }
}

TEST(Stack, OfPartsKnownToBeAlikeIsTheirAddresses) {
  const double a[4]{}, b[4]{};
  const ArrayView part = ArrayView::dense(a, Numbers{4}, Format("d", 8)).reverse(0);
  const auto* const last = reinterpret_cast<const std::byte*>(b + 3);
  const Stack stacked = stack(part, {last, last});
  const std::vector parts(2, ArrayView::dense(b, Numbers{4}, Format("d", 8)).reverse(0));
  EXPECT_EQ(stacked.view().layout(), stack(parts).view().layout());
  EXPECT_EQ(static_cast<const void* const*>(stacked.raw_export().buf)[1],
            static_cast<const void* const*>(stack(parts).raw_export().buf)[1]);
  EXPECT_TRUE(stacked.view().readonly());
  expect_error(Errc::invalid_view, "the address of part 1 is NULL", [&] {
    stack(part, {last, nullptr});
  });
  expect_error(Errc::invalid_argument, "a stack of no arrays", [&] { stack(part, {}); });
}

TEST(Stack, BehindATableThatIsThere) {
  const std::int16_t a[3]{1, 2, 3}, b[3]{4, 5, 6};
  const std::int16_t* table[2][2] = {{a, b}, {b, b}};
  const ArrayView part = ArrayView::dense(a, Numbers{3}, Format("h", 2)).reverse(0);
  const ArrayView pointers = ArrayView::dense(table, Numbers{2, 2}, Format("P", 8));
  const Stack whole = stack_at(pointers, part);
  EXPECT_EQ(whole.view().base(), reinterpret_cast<const std::byte*>(table));
  EXPECT_EQ(whole.view().layout(),
            Layout({{2, 16, 0}, {2, 8, 0}, {3, -2, 1}}, {0, 0}));  // an address is of index 0
  // A view of the table, and a table that is behind pointers itself.
  const Stack row = stack_at(pointers.index(0, 1), part);
  EXPECT_EQ(row.raw_export().buf, table[1]);
  const std::vector rows{ArrayView::dense(table[1], Numbers{2}, Format("P", 8)),
                         ArrayView::dense(table[0], Numbers{2}, Format("P", 8))};
  const Stack tables = stack(rows);
  EXPECT_EQ(stack_at(tables.view(), part).view().layout(),
            Layout({{2, 8, 0}, {2, 8, 1}, {3, -2, 2}}, {0, 0, 0}));
  EXPECT_EQ(stack_at(tables.view(), part).raw_export().suboffsets[1], 0);
  // One pointer, whose level has no axis for a suboffset to stand at.
  const Stack single = stack_at(pointers.index(0, 1).index(0, 0), part);
  EXPECT_EQ(single.view().layout(), Layout({{3, -2, 1}}, {0, 0}));
  expect_error(Errc::invalid_view, "level 0 has no axis of its own", [&] { single.raw_export(); });
  const Stack element = stack_at(pointers.index(0, 1).index(0, 0), part.index(0, 0));
  expect_error(Errc::invalid_view, "no axis of its own", [&] { element.raw_export(); });

  expect_error(Errc::invalid_view, "elements of 8 bytes in host memory, not of 2",
               [&] { stack_at(part, part); });
  expect_error(Errc::invalid_view, "in device memory", [&] {
    stack_at(ArrayView::dense(table, Numbers{4}, Format("P", 8), true, MemorySpace::device), part);
  });
}

TEST(Stack, SaysWhenAnExportCannotExpressIt) {
  const double a[6]{};
  const double* rows[] = {a, a + 3};
  const ArrayView view = ArrayView::from_rows<const double>(rows, 2, 3);
  expect_error(Errc::invalid_view, "a buffer export cannot express this array",
               [&] { (void)stack(std::vector{view.transpose()}).raw_export(); });
  expect_error(Errc::invalid_view, "no axis of its own",
               [&] { (void)stack(std::vector{view.index(0, 1)}).raw_export(); });
}

TEST(Concatenate, EmptyPartsHaveNoStridesThatCount) {
  const std::array<std::int64_t, 6> a{};
  const auto view = [&](std::int64_t rows, const Numbers& strides) {
    return ArrayView(a.data(), Format("q", 8),
                     Layout({{rows, strides[0], 0}, {3, strides[1], 0}}, {0}));
  };
  // The first has strides of its own, and the rows of the second lie as the second says.
  const Stack joined = concatenate(std::array{view(0, {5, 700}), view(2, {24, 8})});
  EXPECT_EQ(joined.view().shape(), (Numbers{2, 3}));
  EXPECT_EQ(joined.view().layout().axes()[1].stride, 8);
  expect_error(Errc::invalid_view, "part 2 differs from part 1 in the stride of axis 1", [&] {
    concatenate(std::array{view(0, {5, 700}), view(2, {24, 8}), view(1, {24, 16})});
  });
}

TEST(Concatenate, JoinsTheEntriesOfAxis0) {
  const std::int16_t a[2][4]{}, b[3][4]{};
  const std::vector parts{ArrayView::dense(a, Numbers{2, 4}, Format("h", 2)),
                          ArrayView::dense(b, Numbers{3, 4}, Format("h", 2)).reverse(0)};
  const Stack joined = concatenate(parts);
  EXPECT_EQ(joined.view().shape(), (Numbers{5, 4}));
  const auto* table = static_cast<const void* const*>(joined.raw_export().buf);
  EXPECT_EQ(table[1], a[1]);
  EXPECT_EQ(table[2], b[2]);
  EXPECT_EQ(table[4], b[0]);
  expect_error(Errc::invalid_view, "part 1 differs from part 0 in the extent of axis 1", [&] {
    concatenate(std::vector{parts[0], ArrayView::dense(b, Numbers{4, 3}, Format("h", 2))});
  });
  const ArrayView nothing = ArrayView::dense(nullptr, Numbers{highest, 0}, Format("h", 2));
  EXPECT_EQ(concatenate(std::vector{nothing}).view().shape(), (Numbers{highest, 0}));
  expect_error(Errc::invalid_view, "no axis 0",
               [&] { concatenate(std::vector{ArrayView::dense(a, Numbers{}, Format("h", 2))}); });
}

}  // namespace
}  // namespace multibuffer
