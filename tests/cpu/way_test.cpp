#include "host/cpu/way.hpp"

#include "host/bytes/simd.hpp"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>

namespace multibuffer {
namespace {

/// Addresses that nothing lies at: a choice reads no memory.
std::byte* const out = reinterpret_cast<std::byte*>(std::uintptr_t{1} << 46);

/// `outer` times `rows` items that are dense in the output; in memory, `stride` items from one to
/// the next and `outer_stride` items from one outer index to the next.
Plane dense_output(std::int64_t item, std::int64_t outer, std::int64_t rows, std::int64_t stride,
                   std::int64_t outer_stride) {
  return {.to = out,
          .from = nullptr,
          .outer = outer,
          .outer_out_stride = rows * item,
          .outer_stride = outer_stride * item,
          .rows = rows,
          .out_stride = item,
          .stride = stride * item,
          .row_bytes = item};
}

/// The way that is taken where the processor has the instructions, else the other.
PlaneWay with_shuffles(PlaneWay way, PlaneWay other) { return has_shuffles() ? way : other; }
PlaneWay with_permutes(PlaneWay way, PlaneWay other) { return has_permutes() ? way : other; }

TEST(PlaneWay, InterleavesAFewSequences) {
  for (const std::int64_t parts : {2, 3, 4})
    for (const std::int64_t item : {1, 2, 4, 8})
      EXPECT_EQ(choose_way(dense_output(item, 1000, parts, 5000, 1), false) == PlaneWay::interleave,
                has_shuffles())
          << parts << " " << item;
  const auto way = [](std::int64_t item, std::int64_t parts, auto change) {
    Plane plane = dense_output(item, 1000, parts, 5000, 1);
    change(plane);
    return choose_way(plane, false);
  };
  const auto as_it_is = [](Plane&) {};
  EXPECT_NE(way(16, 3, as_it_is), PlaneWay::interleave);  // no item of a vector
  EXPECT_NE(way(4, 40, as_it_is), PlaneWay::interleave);  // many sequences
  EXPECT_NE(way(4, 3, [](Plane& p) { p.outer_stride = 8; }), PlaneWay::interleave);
  EXPECT_NE(way(4, 3, [](Plane& p) { p.outer_out_stride = 16; }), PlaneWay::interleave);
}

TEST(PlaneWay, TransposesWhatFillsSquares) {
  for (const std::int64_t item : {1, 2, 4, 8})
    EXPECT_EQ(choose_way(dense_output(item, 100, 100, 100, 1), false), PlaneWay::transpose) << item;
  for (const std::int64_t item : {3, 6})
    EXPECT_EQ(choose_way(dense_output(item, 100, 100, 100, 1), false) == PlaneWay::transpose,
              has_shuffles());
  EXPECT_EQ(choose_way(dense_output(4, 100, 100, 100, -1), false), PlaneWay::transpose);
  EXPECT_EQ(choose_way(dense_output(4, 8, 100, 100, 1), false), PlaneWay::transpose);
  EXPECT_NE(choose_way(dense_output(4, 7, 100, 100, 1), false), PlaneWay::transpose);
  EXPECT_EQ(choose_way(dense_output(1, 100, 16, 100, 1), false), PlaneWay::transpose);
  EXPECT_NE(choose_way(dense_output(1, 100, 15, 100, 1), false), PlaneWay::transpose);
  EXPECT_NE(choose_way(dense_output(5, 100, 100, 100, 1), false), PlaneWay::transpose);
}

TEST(PlaneWay, WritesLongRowsOneByOneWhereStoresAreNonTemporal) {
  const Plane plane = dense_output(1025, 10, 10, 3, 100);
  EXPECT_EQ(choose_way(plane, true), PlaneWay::long_rows);
  EXPECT_EQ(choose_way(plane, false), PlaneWay::strided);
  EXPECT_EQ(choose_way(dense_output(1024, 10, 10, 3, 100), true), PlaneWay::strided);
}

TEST(PlaneWay, PermutesWholeCacheLinesOfLongDenseOutput) {
  // Every third item of 8 bytes.
  const auto way = [](auto change) {
    Plane plane = dense_output(8, 10, 512, 3, 2000);
    change(plane);
    return choose_way(plane, false);
  };
  const PlaneWay other = choose_way(dense_output(8, 10, 511, 3, 2000), false);
  EXPECT_NE(other, PlaneWay::permute);  // less than 64 cache lines
  EXPECT_EQ(way([](Plane&) {}), with_permutes(PlaneWay::permute, other));
  EXPECT_EQ(way([](Plane& p) { p.stride = -p.stride; }), with_permutes(PlaneWay::permute, other));
  EXPECT_EQ(way([](Plane& p) { p.to += 16; }), with_permutes(PlaneWay::permute, other));
  EXPECT_EQ(way([](Plane& p) { p.to += 4; }), other);  // items that two cache lines share
  EXPECT_EQ(way([](Plane& p) { p.outer_out_stride += 4; }), other);
  EXPECT_EQ(way([](Plane& p) { p.stride = 64; }), PlaneWay::strided);  // one item for a load
  EXPECT_EQ(way([](Plane& p) { p.out_stride = 16; }), PlaneWay::strided);
  EXPECT_EQ(way([](Plane& p) { p.stride = 0; }), PlaneWay::strided);
}

TEST(PlaneWay, CopiesTheFewItemsOfAnOuterIndexAsPixels) {
  // RGB from RGBA, with channels in reverse order.
  const Plane swapped = dense_output(1, 1000, 3, -1, 4);
  EXPECT_EQ(choose_way(swapped, false), PlaneWay::pixels);
  // Items too large for a vector are pixels where no other way is fast.
  EXPECT_EQ(choose_way(dense_output(16, 1000, 4, 5, 100), false), PlaneWay::pixels);
  EXPECT_EQ(choose_way(dense_output(16, 1000, 5, 5, 100), false), PlaneWay::strided);
  // Far apart, vectors copy the items of an outer index.
  EXPECT_EQ(choose_way(dense_output(4, 1000, 16, 2, 100), false),
            with_shuffles(PlaneWay::every, PlaneWay::pixels));
  Plane with_gaps = swapped;
  with_gaps.outer_out_stride = 4;
  EXPECT_NE(choose_way(with_gaps, false), PlaneWay::pixels);
  Plane one = swapped;
  one.outer = 1;
  EXPECT_NE(choose_way(one, false), PlaneWay::pixels);
}

TEST(PlaneWay, CopiesRowsByVectorsWhereTheyAreClose) {
  const auto way = [](std::int64_t item, std::int64_t stride) {
    Plane plane = dense_output(item, 10, 600, 1, 10000);
    plane.stride = stride;
    return choose_way(plane, false);
  };
  EXPECT_EQ(way(1, 2), with_shuffles(PlaneWay::every, PlaneWay::strided));
  EXPECT_EQ(way(1, -1), with_shuffles(PlaneWay::every, PlaneWay::strided));
  EXPECT_EQ(way(4, -8), with_shuffles(PlaneWay::every, PlaneWay::strided));
  EXPECT_EQ(way(3, 4), with_shuffles(PlaneWay::shuffle, PlaneWay::strided));
  EXPECT_EQ(way(3, -3), with_shuffles(PlaneWay::shuffle, PlaneWay::strided));
  EXPECT_EQ(way(3, 100), PlaneWay::strided);  // far apart
  EXPECT_EQ(way(20, 24), PlaneWay::strided);  // larger than a vector
  EXPECT_EQ(way(4, 0), PlaneWay::strided);    // one item for all
}

TEST(PlaneWay, FollowsItsThresholds) {
  const WayThresholds least{.least_transposed_outer = 2,
                            .most_buffered_bytes = 0,
                            .least_permuted_bytes = 0,
                            .most_pixel_bytes = 0};
  EXPECT_EQ(choose_way(dense_output(4, 2, 100, 100, 1), false, least), PlaneWay::transpose);
  EXPECT_EQ(choose_way(dense_output(20, 2, 100, 3, 1000), true, least), PlaneWay::long_rows);
  EXPECT_EQ(choose_way(dense_output(8, 2, 4, 3, 1000), false, least) == PlaneWay::permute,
            has_permutes());
  EXPECT_NE(choose_way(dense_output(16, 1000, 4, 5, 100), false, least), PlaneWay::pixels);
}

/// Rows at indices of a list, through no table.
CopyPlan listed_rows(std::int64_t rows, std::int64_t run_bytes) {
  CopyPlan plan;
  plan.indexed.origins = {0};
  plan.axes = {{rows, run_bytes, 0, 0}};
  plan.indices = {{nullptr, 8, 0, 1000, 0, run_bytes, {rows}, {1}}};
  plan.run_bytes = run_bytes;
  plan.rows = rows;
  plan.dense.base = out;
  return plan;
}

/// As if nothing were in the caches.
constexpr WayThresholds uncached{.most_cached_bytes = 0, .most_cached_bytes_of_short_rows = 0};

TEST(PlanWay, LooksUpCachedRowsOneByOne) {
  const auto way = [](std::int64_t rows, std::int64_t bytes, auto change, bool nontemporal) {
    CopyPlan plan = listed_rows(rows, bytes);
    change(plan);
    return choose_way(plan, nontemporal);
  };
  const auto as_it_is = [](CopyPlan&) {};
  EXPECT_EQ(way(1, 1, as_it_is, false), PlanWay::cached_rows);
  EXPECT_EQ(way(64, 4194, as_it_is, false), PlanWay::cached_rows);  // times 1000: what is read
  EXPECT_NE(way(64, 4195, as_it_is, false), PlanWay::cached_rows);
  // Short rows, from more.
  const auto of_extent = [](std::int64_t extent) {
    return [extent](CopyPlan& p) { p.indices[0].extent = extent; };
  };
  EXPECT_EQ(way(64, 16, of_extent(2 << 20), false), PlanWay::cached_rows);
  EXPECT_NE(way(64, 16, of_extent((2 << 20) + 1), false), PlanWay::cached_rows);
  EXPECT_NE(way(64, 17, of_extent(1 << 20), false), PlanWay::cached_rows);
  EXPECT_NE(way(64, 100, as_it_is, true), PlanWay::cached_rows);
  EXPECT_EQ(way(
                64, 100, [](CopyPlan& p) { p.conversion = Conversion{}; }, false),
            PlanWay::batches);
  EXPECT_NE(way(
                64, 100, [](CopyPlan& p) { p.indices[0].extent = 50'000; }, false),
            PlanWay::cached_rows);
  const auto with_outer_axis = [](CopyPlan& p) {
    p.axes.insert(p.axes.begin(), {300, 6400, 0, 100'000});
    p.indices[0].steps = {0, 1};
  };
  EXPECT_NE(way(64, 100, with_outer_axis, false), PlanWay::cached_rows);
}

TEST(PlanWay, CopiesPlanesWhereTheInnerAxisIsStrided) {
  CopyPlan plan = listed_rows(1000, 100);
  plan.axes.push_back({10, 8, 0, 16});
  plan.indices[0].steps.push_back(0);
  EXPECT_EQ(choose_way(plan, false, uncached), PlanWay::planes);
  plan.indices[0].steps[1] = 1;
  EXPECT_NE(choose_way(plan, false, uncached), PlanWay::planes);
}

TEST(PlanWay, LooksUpRowsAheadOnALongInnerAxis) {
  const auto way = [](std::int64_t rows, std::int64_t bytes, auto change) {
    CopyPlan plan = listed_rows(rows, bytes);
    change(plan);
    return choose_way(plan, false, uncached);
  };
  const auto as_it_is = [](CopyPlan&) {};
  EXPECT_EQ(way(64, 17, as_it_is), PlanWay::inner_axis);
  EXPECT_EQ(way(64, 32767, as_it_is), PlanWay::inner_axis);
  EXPECT_EQ(way(63, 17, as_it_is), PlanWay::batches);
  EXPECT_EQ(way(64, 16, as_it_is), PlanWay::batches);
  EXPECT_EQ(way(64, 32768, as_it_is), PlanWay::batches);
  EXPECT_EQ(way(64, 100, [](CopyPlan& p) { p.conversion = Conversion{}; }), PlanWay::batches);
  const auto through_tables = [](std::size_t count, int level) {
    return [=](CopyPlan& p) {
      p.indexed.tables.assign(count, {nullptr, false});
      p.indexed.origins.assign(count + 1, 0);
      p.indices[0].level = level;
    };
  };
  EXPECT_EQ(way(64, 100, through_tables(1, 0)), PlanWay::inner_axis);
  EXPECT_EQ(way(64, 100, through_tables(1, 1)), PlanWay::batches);  // behind the table
  EXPECT_EQ(way(64, 100, through_tables(2, 0)), PlanWay::batches);  // more than a loop holds
  CopyPlan one_row = listed_rows(1, 100);
  one_row.axes.clear();
  EXPECT_EQ(choose_way(one_row, false, uncached), PlanWay::batches);
}

TEST(PlanWay, FollowsItsThresholds) {
  const WayThresholds least{.most_cached_bytes = 0,
                            .most_cached_bytes_of_short_rows = 0,
                            .least_inner_axis_row_bytes = 1,
                            .least_inner_axis_rows = 1};
  EXPECT_EQ(choose_way(listed_rows(2, 4), false, least), PlanWay::inner_axis);
}

}  // namespace
}  // namespace multibuffer
