#include "cuda/kernels/choose_kernel.hpp"

#include "cuda/kernels/kernel_plan.hpp"
#include "tests/testing/far_plan.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <initializer_list>
#include <utility>
#include <vector>

namespace multibuffer::cuda {
namespace {

using namespace multibuffer::testing;

/// One axis of rows, each contiguous, through one table.
CopyPlan rows_plan(std::int64_t rows, std::int64_t run_bytes) {
  CopyPlan plan = far_plan({{rows, run_bytes, 0, 1}}, run_bytes);
  plan.indexed.tables = {{plan.indexed.base, false}};
  plan.indexed.origins = {0, 0};
  plan.indexed.unit = 256;
  return plan;
}

Family family_of(const CopyPlan& plan) { return choose_kernel(plan).family; }

TEST(ChooseKernel, CopiesWhatIsOneRun) {
  EXPECT_EQ(family_of(far_plan({}, 4096)), Family::copy);
  CopyPlan through_a_table = rows_plan(1, 4096);
  through_a_table.axes.clear();
  EXPECT_EQ(family_of(through_a_table), Family::elements);
}

TEST(ChooseKernel, SpreadsRowsOverThreads) {
  struct Expected {
    std::int64_t run_bytes;
    Family family;
  };
  const Family elements = Family::elements;
  const Family words = Family::words;
  const Family shifted = Family::shifted;
  for (const Expected& e : std::initializer_list<Expected>{
           {1, elements},  // one vector, of one byte
           {3, words},     // a pixel
           {8, elements},
           {12, words},  // three floats
           {16, elements},
           {20, words},
           {36, words},
           {48, elements},
           {511, words},
           {513, shifted},  // long enough for its ends to cost little
           {1000, shifted},
           {1024, elements},
           {8192, elements},
           {8193, shifted},
       }) {
    const KernelChoice choice = choose_kernel(rows_plan(1'000'000, e.run_bytes));
    EXPECT_EQ(choice.family, e.family) << e.run_bytes;
    EXPECT_EQ(choice.vector_bytes,
              e.family == elements ? common_vector(rows_plan(2, e.run_bytes)) : word_bytes);
  }
}

TEST(ChooseKernel, PutsRowsTogetherOnlyWhereSpansOfTheOutputAreAlike) {
  const auto padded_to = [](std::int64_t run_bytes, std::int64_t out_stride) {
    CopyPlan plan = rows_plan(1000, run_bytes);
    plan.axes[0].dense_stride = out_stride;
    return family_of(plan);
  };
  EXPECT_EQ(padded_to(20, 20), Family::words);
  EXPECT_EQ(padded_to(20, 32), Family::words);
  EXPECT_EQ(padded_to(20, 24), Family::elements);
  EXPECT_EQ(padded_to(100, 104), Family::shifted);
  EXPECT_EQ(padded_to(1000, 1001), Family::shifted);  // each row by itself
}

TEST(ChooseKernel, ShiftsRowsThatStartAnywhere) {
  CopyPlan plan = rows_plan(1000, 64);
  EXPECT_EQ(family_of(plan), Family::elements);
  plan.indexed.unit = 1;
  EXPECT_EQ(family_of(plan), Family::shifted);  // whole words of the output, short as rows are
  plan.dense.base += 8;
  EXPECT_EQ(family_of(plan), Family::words);
  plan.run_bytes = plan.axes[0].dense_stride = 4096;
  EXPECT_EQ(family_of(plan), Family::shifted);
  plan.indexed.unit = 16;
  plan.dense.base -= 8;
  EXPECT_EQ(family_of(plan), Family::elements);
  plan.dense.base += 8;
  EXPECT_EQ(family_of(plan), Family::shifted);
}

TEST(ChooseKernel, TransposesThroughTilesWhatIsLargeEnough) {
  // out[j][i] = in[i][j]
  const auto transposed = [](std::int64_t rows, std::int64_t columns, std::int64_t item) {
    return far_plan({{columns, rows * item, 0, item}, {rows, item, 0, columns * item}}, item);
  };
  for (const std::int64_t item : {1, 2, 4, 8, 16}) {
    EXPECT_EQ(family_of(transposed(1000, 1000, item)), Family::tiles) << item;
    EXPECT_EQ(choose_kernel(transposed(1000, 1000, item)).vector_bytes, item);
  }
  EXPECT_EQ(family_of(transposed(16, 1000, 4)), Family::tiles);
  EXPECT_EQ(family_of(transposed(15, 1000, 4)), Family::elements);  // few cache lines: they stay
  EXPECT_EQ(family_of(transposed(1000, 8, 4)), Family::tiles);
  EXPECT_EQ(family_of(transposed(1000, 7, 4)), Family::strided);  // each row is in few sectors
  EXPECT_EQ(family_of(transposed(1000, 1000, 3)), Family::words);
  EXPECT_EQ(family_of(transposed(1000, 1000, 32)), Family::elements);

  const CopyPlan plain = transposed(1000, 1000, 4);
  const auto family_with = [&](auto change) {
    CopyPlan plan = plain;
    change(plan);
    return family_of(plan);
  };
  const auto through_a_table = [](CopyPlan& p) {
    p.indexed.tables = {{p.indexed.base, false}};
    p.indexed.origins = {0, 0};
    p.indexed.unit = 4;
    p.axes[0].level = 1;
    p.axes[1].stride = 1;
  };
  EXPECT_EQ(family_with(through_a_table), Family::tiles);
  EXPECT_EQ(family_with([&](CopyPlan& p) {
              through_a_table(p);
              p.indices = {{nullptr, 8, 0, 5, 0, 1, {1000}, {0, 1}}};
            }),
            Family::tiles);  // rows of a list
  EXPECT_EQ(family_with([](CopyPlan& p) {
              p.indices = {{nullptr, 8, 0, 5, 0, 4, {1000}, {1, 0}}};
            }),
            Family::strided);  // columns of a list are not dense
  EXPECT_EQ(family_with([](CopyPlan& p) { p.axes[0].stride = -4; }), Family::tiles);
  EXPECT_EQ(family_with([](CopyPlan& p) { p.axes[0].stride = 8; }), Family::strided);
  EXPECT_EQ(family_with([](CopyPlan& p) { p.axes[1].stride = 0; }), Family::strided);
  EXPECT_EQ(family_with([](CopyPlan& p) { p.axes[1].dense_stride = 8; }), Family::elements);
  EXPECT_EQ(family_with([](CopyPlan& p) { p.indexed.base += 1; }), Family::words);
}

TEST(ChooseKernel, PutsWordsTogetherFromItemsThatLieEvenly) {
  // Every second item of lines of 100, through a table.
  const auto stepped = [](std::int64_t item, auto change) {
    CopyPlan plan = rows_plan(1000, item);
    plan.axes = {{1000, 112 * item, 0, 1}, {100, item, 1, 2 * item}};
    change(plan);
    return family_of(plan);
  };
  const auto as_it_is = [](CopyPlan&) {};
  for (const std::int64_t item : {4, 8}) EXPECT_EQ(stepped(item, as_it_is), Family::strided);
  EXPECT_EQ(stepped(16, as_it_is), Family::elements);  // vectors already
  for (const std::int64_t item : {1, 2, 3}) EXPECT_EQ(stepped(item, as_it_is), Family::pixels);
  for (const std::int64_t item : {1, 2, 3})
    EXPECT_EQ(stepped(item, [](CopyPlan& p) { p.axes[1].stride *= 5; }), Family::strided);
  EXPECT_EQ(stepped(9, as_it_is), Family::words);  // of too many parts
  EXPECT_EQ(stepped(3, [](CopyPlan& p) { p.axes[1].stride = 129; }),
            Family::words);  // and too far apart
  const auto with = [&](auto change) { return stepped(4, change); };
  EXPECT_EQ(with([](CopyPlan& p) { p.axes[1].stride = -4; }), Family::strided);
  EXPECT_EQ(with([](CopyPlan& p) { p.axes[1].stride = 0; }), Family::strided);
  EXPECT_EQ(with([](CopyPlan& p) { p.axes[1].extent = 7; }), Family::elements);        // short
  EXPECT_EQ(with([](CopyPlan& p) { p.axes[1].level = 0; }), Family::elements);         // pointers
  EXPECT_EQ(with([](CopyPlan& p) { p.axes[1].dense_stride = 8; }), Family::elements);  // no lines
  EXPECT_EQ(with([](CopyPlan& p) { p.axes[0].dense_stride = 404; }), Family::strided);
  EXPECT_EQ(with([](CopyPlan& p) { p.dense.base += 4; }), Family::strided);
  EXPECT_EQ(with([](CopyPlan& p) {
              p.indices = {{nullptr, 8, 0, 5, 0, 1, {1000}, {1, 0}}};
            }),
            Family::strided);  // lines of a list
  EXPECT_EQ(with([](CopyPlan& p) {
              p.indices = {{nullptr, 8, 0, 5, 1, 4, {100}, {0, 1}}};
            }),
            Family::elements);  // items of a list
}

TEST(ChooseKernel, ScalesByKernelsOfTheirOwn) {
  const auto choose = [](ScalarType from, std::int64_t count, std::int64_t period) {
    CopyPlan plan = rows_plan(1'000'000, count * bytes_of(from));
    plan.conversion = Conversion{.from = from, .to = ScalarType::float32, .scaled = true};
    plan.axes[0].dense_stride = plan.dense_bytes(plan.run_bytes);
    plan.scaling.emplace();
    plan.scaling->period = period;
    plan.scaling->steps = {0};
    return choose_kernel(plan);
  };
  constexpr std::int64_t beyond_31_bits = std::int64_t{1} << 31;
  EXPECT_EQ(choose(ScalarType::uint8, 64, 3), (KernelChoice{Family::convert_scaled, 4, false, 1}));
  EXPECT_EQ(choose(ScalarType::float32, 64, 3),
            (KernelChoice{Family::convert_scaled, 16, false, 1}));
  EXPECT_EQ(choose(ScalarType::float8_e5m2, 1, 3),
            (KernelChoice{Family::convert_scaled, 1, false, 1}));
  EXPECT_TRUE(choose(ScalarType::uint8, 64, beyond_31_bits).wide);
}

TEST(ChooseKernel, ConvertsAsManyNumbersAtOnceAsFitIntoAWordOnBothSides) {
  const auto as_it_is = [](CopyPlan&) {};
  const auto vector_for = [](ScalarType from, ScalarType to, std::int64_t count, auto change) {
    CopyPlan plan = rows_plan(1'000'000, count * bytes_of(from));
    plan.conversion = Conversion{.from = from, .to = to};
    plan.axes[0].dense_stride = plan.dense_bytes(plan.run_bytes);
    change(plan);
    const KernelChoice choice = choose_kernel(plan);
    EXPECT_EQ(choice.family, Family::convert);
    return choice.vector_bytes;
  };
  const ScalarType u8 = ScalarType::uint8, f16 = ScalarType::float16, f32 = ScalarType::float32;
  EXPECT_EQ(vector_for(f32, f16, 64, as_it_is), 16);
  EXPECT_EQ(vector_for(f16, f32, 64, as_it_is), 8);
  EXPECT_EQ(vector_for(u8, f32, 64, as_it_is), 4);
  EXPECT_EQ(vector_for(u8, ScalarType::boolean, 64, as_it_is), 16);
  EXPECT_EQ(vector_for(f32, ScalarType::complex128, 64, as_it_is), 4);
  EXPECT_EQ(vector_for(f32, f16, 63, as_it_is), 16);  // the last of a row is three quarters of one
  EXPECT_EQ(vector_for(f32, f16, 2, as_it_is), 16);
  EXPECT_EQ(vector_for(f32, f16, 1, as_it_is), 4);
  EXPECT_EQ(vector_for(f32, f16, 64, [](CopyPlan& p) { p.dense.base += 1; }), 16);
  EXPECT_EQ(vector_for(f32, f16, 64, [](CopyPlan& p) { p.indexed.base += 1; }), 16);
}

TEST(ChooseKernel, TakesTheWidestVectorThatEverythingIsAlignedTo) {
  const CopyPlan plain = rows_plan(100, 64);
  EXPECT_EQ(choose_kernel(plain).vector_bytes, 16);
  const auto vector_with = [&](auto change) {
    CopyPlan plan = plain;
    change(plan);
    return common_vector(plan);
  };
  EXPECT_EQ(vector_with([](CopyPlan& p) { p.indexed.base += 8; }), 8);
  EXPECT_EQ(vector_with([](CopyPlan& p) { p.indexed.base += 3; }), 1);
  EXPECT_EQ(vector_with([](CopyPlan& p) { p.dense.base += 4; }), 4);
  EXPECT_EQ(vector_with([](CopyPlan& p) { p.indexed.unit = 2; }), 2);
  EXPECT_EQ(vector_with([](CopyPlan& p) { p.run_bytes = 36; }), 4);
  EXPECT_EQ(vector_with([](CopyPlan& p) { p.indexed.origins[1] = -8; }), 8);
  EXPECT_EQ(vector_with([](CopyPlan& p) { p.indexed.origins[0] = 1; }), 16);  // counts entries
  EXPECT_EQ(vector_with([](CopyPlan& p) { p.axes[0].dense_stride = 72; }), 8);
  EXPECT_EQ(vector_with([](CopyPlan& p) { p.axes.push_back({2, 64, 1, -4}); }), 4);
  EXPECT_EQ(vector_with([](CopyPlan& p) { p.axes.push_back({2, 64, 0, -1}); }), 16);
  EXPECT_EQ(vector_with([](CopyPlan& p) {
              p.indices = {{nullptr, 8, 0, 5, 1, 2, {100}, {1}}};
            }),
            2);
  EXPECT_EQ(vector_with([](CopyPlan& p) {
              p.indexed.tables.clear(), p.indexed.origins = {0}, p.indexed.unit = 1;
              p.axes[0].stride = 64;
            }),
            16);                           // a unit that nothing counts in
  EXPECT_EQ(vector_with([](CopyPlan& p) {  // base and origin are off, their sum is not
              p.indexed.base += 8;
              p.indexed.origins[1] = 8;
            }),
            16);
}

TEST(ChooseKernel, KnowsSmallPlansFromLargeOnes) {
  for (const std::size_t tables : {0u, 1u, 2u, 3u}) {
    CopyPlan plan = rows_plan(10, 64);
    plan.indexed.tables.assign(tables, {plan.indexed.base, false});
    plan.indexed.origins.assign(tables + 1, 0);
    const KernelChoice choice = choose_kernel(plan);
    EXPECT_EQ(choice.levels, tables <= 2 ? static_cast<int>(tables) : any_levels);
    EXPECT_EQ(choice.wide, tables > 2);
  }
  const auto levels_with = [](std::int64_t run_bytes, std::size_t axes, std::size_t indices) {
    CopyPlan plan = rows_plan(2, run_bytes);
    plan.axes.assign(axes, {2, run_bytes, 0, 1});
    plan.indices.assign(indices,
                        {nullptr, 8, 0, 5, 0, 1, {1}, decltype(PlanIndices::steps)(axes, 0)});
    return choose_kernel(plan).levels;
  };
  EXPECT_EQ(levels_with(1024, small_axes, 0), 1);
  EXPECT_EQ(levels_with(1024, small_axes + 1, 0), any_levels);
  EXPECT_EQ(levels_with(1024, 1, small_indices), 1);
  EXPECT_EQ(levels_with(1024, 1, small_indices + 1), any_levels);
}

TEST(ChooseKernel, CountsIn64BitsWhere31AreTooFew) {
  const auto wide_with = [](auto change) {
    CopyPlan plan = rows_plan(1000, 64);
    change(plan);
    return choose_kernel(plan).wide;
  };
  constexpr std::int64_t limit = largest<std::int32_t>;
  const decltype(PlanIndices::steps) step{1};
  EXPECT_FALSE(wide_with([](CopyPlan&) {}));
  EXPECT_FALSE(wide_with([](CopyPlan& p) { p.indexed.origins = {1L << 40, 1L << 40}; }));
  EXPECT_TRUE(wide_with([](CopyPlan& p) { p.axes[0].stride = limit / 900; }));
  EXPECT_TRUE(wide_with([](CopyPlan& p) { p.axes[0].stride = -limit / 900; }));
  EXPECT_FALSE(wide_with([](CopyPlan& p) { p.axes[0].stride = limit / 1100; }));
  EXPECT_FALSE(wide_with([](CopyPlan& p) { p.axes[0].dense_stride = limit / 1100 * 16; }));
  EXPECT_TRUE(wide_with([](CopyPlan& p) { p.axes[0].dense_stride = limit / 900 * 16; }));
  EXPECT_FALSE(wide_with([](CopyPlan& p) { p.axes.push_back({9, 64, 1, limit / 10 * 16}); }));
  EXPECT_TRUE(wide_with([](CopyPlan& p) { p.axes.push_back({9, 64, 1, limit / 7 * 16}); }));
  EXPECT_TRUE(wide_with([](CopyPlan& p) { p.axes.push_back({1, 64, 0, limit + 1}); }));
  EXPECT_TRUE(wide_with([](CopyPlan& p) { p.axes.push_back({3, 64, 0, smallest<std::int64_t>}); }));
  EXPECT_TRUE(wide_with([](CopyPlan& p) { p.axes[0].extent = p.rows = 1L << 31; }));
  EXPECT_FALSE(wide_with([&](CopyPlan& p) { p.indices = {{nullptr, 8, 0, 5, 0, 1, {9}, step}}; }));
  EXPECT_TRUE(wide_with([&](CopyPlan& p) {
    p.indices = {{nullptr, 8, 0, limit + 2, 0, 0, {9}, step}};
  }));
  EXPECT_TRUE(wide_with([&](CopyPlan& p) {
    p.indices = {{nullptr, 8, 0, 1000, 1, limit / 100 * 16, {9}, step}};
  }));
  EXPECT_TRUE(wide_with([&](CopyPlan& p) {
    p.indices = {{nullptr, 8, 0, 5, 0, 1, {9}, {limit / 900}}};
  }));
}

TEST(KernelPlan, FitsIntoKernelParameters) {
  EXPECT_LE(sizeof(SmallPlan<std::int32_t>), 4096u);
  EXPECT_LE(sizeof(SmallPlan<std::int64_t>), 4096u);
  EXPECT_LE(sizeof(LargePlan), 4096u);
}

TEST(ChooseKernel, PicksPixelsThatLieCloseByWhereverLinesBegin) {
  // Lines of 50 pixels of a run each, or of single bytes.
  const auto pixels = [](std::int64_t bytes, std::int64_t pitch, auto change) {
    CopyPlan plan =
        far_plan({{100, 50 * bytes, 0, 50 * std::abs(pitch)}, {50, bytes, 0, pitch}}, bytes);
    change(plan);
    return plan;
  };
  const auto as_it_is = [](CopyPlan&) {};
  const auto shape_of = [](const CopyPlan& plan) { return PlanFacts(plan).pixels.shape; };
  const auto in_bytes = [](std::int64_t part_stride) {
    return [part_stride](CopyPlan& p) {
      p.axes.push_back({p.run_bytes, 1, 0, part_stride});
      p.run_bytes = 1;
    };
  };
  const auto expect = [](const CopyPlan& plan, PixelShape shape, bool backwards, bool reversed) {
    EXPECT_EQ(family_of(plan), Family::pixels);
    const PixelRows found = PlanFacts(plan).pixels;
    ASSERT_GE(found.shape, 0);
    EXPECT_EQ(pixel_shapes[found.shape], shape);
    EXPECT_EQ(found.backwards, backwards);
    EXPECT_EQ(found.reversed, reversed);
  };
  expect(pixels(1, -1, as_it_is), {1, 1}, true, false);     // mirrored
  expect(pixels(1, 3, as_it_is), {1, 3}, false, false);     // a channel
  expect(pixels(2, -4, as_it_is), {2, 4}, true, false);     // every second, mirrored
  expect(pixels(3, -3, as_it_is), {3, 3}, true, false);     // RGB, mirrored
  expect(pixels(3, 3, in_bytes(-1)), {3, 3}, false, true);  // RGB to BGR
  expect(pixels(3, 4, as_it_is), {3, 4}, false, false);     // RGBA to RGB
  expect(pixels(4, 4, in_bytes(-1)), {4, 4}, false, true);  // RGBA to ABGR
  expect(pixels(3, -6, in_bytes(-1)), {3, 6}, true, true);  // all of that at once
  expect(pixels(1, -1, [](CopyPlan& p) { p.dense.base += 3; }), {1, 1}, true, false);
  expect(pixels(1, -1, [](CopyPlan& p) { p.axes[0].dense_stride = 57; }), {1, 1}, true, false);
  expect(pixels(4, -4, [](CopyPlan& p) { p.indexed.base += 1; }), {4, 4}, true, false);

  EXPECT_EQ(family_of(pixels(4, -4, as_it_is)), Family::strided);  // items, which are loaded whole
  EXPECT_EQ(shape_of(pixels(1, 5, as_it_is)), -1);
  EXPECT_EQ(shape_of(pixels(1, 0, as_it_is)), -1);
  EXPECT_EQ(shape_of(pixels(3, 3, in_bytes(2))), -1);
  EXPECT_EQ(shape_of(pixels(4, 4,
                            [](CopyPlan& p) {  // halves change places
                              p.axes.push_back({2, 2, 0, -2});
                              p.run_bytes = 2;
                            })),
            -1);
  EXPECT_EQ(family_of(pixels(1, -1, [](CopyPlan& p) { p.axes[1].extent = 31; })),
            Family::elements);  // short
}

TEST(ChooseKernel, TakesShortLinesForPixels) {
  // Pixels of `parts` items, in the other order, from among `channels`.
  const auto swapped = [](std::int64_t item, std::int64_t parts, std::int64_t channels) {
    return far_plan({{4096, item * parts, 0, item * channels}, {parts, item, 0, -item}}, item);
  };
  const auto parts_of = [](const CopyPlan& plan) { return PlanFacts(plan).strided.parts; };
  for (const std::int64_t item : {1, 2, 4})
    for (const std::int64_t channels : {3, 4, 8}) {
      const CopyPlan plan = swapped(item, 3, channels);
      EXPECT_EQ(family_of(plan), item == 1 && channels <= 4 ? Family::pixels : Family::strided);
      const StridedRows rows = PlanFacts(plan).strided;
      EXPECT_EQ(rows.items, 3 * 4096);
      EXPECT_EQ(rows.parts, 3);
      EXPECT_EQ(rows.stride, item * channels);
      EXPECT_EQ(rows.part_stride, -item);
      EXPECT_EQ(rows.outer_axes, 0U);
    }
  EXPECT_EQ(parts_of(swapped(4, 8, 32)), 8);
  EXPECT_EQ(parts_of(swapped(4, 8, 33)), 1);  // far apart: each is a line
  EXPECT_EQ(parts_of(swapped(4, 9, 9)), 1);   // long enough for that
  CopyPlan with_gaps = swapped(1, 3, 3);
  with_gaps.axes[0].dense_stride = 4;
  EXPECT_EQ(family_of(with_gaps), Family::elements);
}

}  // namespace
}  // namespace multibuffer::cuda
