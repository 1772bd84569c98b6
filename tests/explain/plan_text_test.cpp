#include <multibuffer/explain.hpp>
#include <multibuffer/multibuffer.hpp>
#include <multibuffer/ragged.hpp>
#include <multibuffer/ragged_plan.hpp>

#include "cuda/kernels/choose_kernel.hpp"
#include "cuda/kernels/describe_kernel.hpp"
#include "cuda/kernels/kernel_families.hpp"
#include "host/cpu/describe_way.hpp"
#include "host/cpu/host_gather.hpp"
#include "host/cpu/way.hpp"
#include "tests/testing/far_plan.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <numeric>
#include <set>
#include <string>
#include <vector>

// What a plan says of itself is what it does: the descriptions ask the choices themselves.

namespace multibuffer {
namespace {

using testing::far_plan;
using Numbers = std::vector<std::int64_t>;

/// Plans that between them take every family and many ways.
std::vector<CopyPlan> plans() {
  std::vector<CopyPlan> all;
  for (const std::int64_t run : {1, 2, 3, 4, 8, 12, 16, 48, 511, 513, 1024, 4096, 1 << 20})
    for (const std::int64_t stride :
         {run, 2 * run, -run, run + 1, std::int64_t{64}, std::int64_t{4096}})
      for (const std::int64_t rows : {2, 20, 5000}) {
        all.push_back(far_plan({{rows, run, 0, stride}}, run));
        all.push_back(far_plan({{100, rows * run, 0, run}, {rows, run, 0, 100 * run}}, run));
        CopyPlan tables = far_plan({{rows, run, 0, 1}}, run);
        tables.indexed.tables = {{tables.indexed.base, false}};
        tables.indexed.origins = {0, 0};
        tables.indexed.unit = 256;
        all.push_back(tables);
      }
  all.push_back(far_plan({}, 4096));
  return all;
}

TEST(DescribeKernel, NamesTheFamilyThatIsChosenAndThoseBeforeIt) {
  std::set<std::string> seen;
  for (const CopyPlan& plan : plans()) {
    const cuda::KernelChoice choice = cuda::choose_kernel(plan);
    const PlanDescription description = cuda::describe_kernel(plan);
    seen.insert(description.taken.name);
    EXPECT_FALSE(description.taken.needs.empty());
    if (choice.family == cuda::Family::copy) {
      EXPECT_EQ(description.taken.name, "copy");
      continue;
    }
    const std::string name =
        cuda::visit_family(choice.family, [&]<class F>() { return std::string(F::name); });
    EXPECT_EQ(description.taken.name, name);
    // In the enumeration, `copy` and then the families stand in the order in which they are tried.
    EXPECT_EQ(description.passed_over.size(), static_cast<std::size_t>(choice.family) - 1);
  }
  for (const char* const name : {"copy", "tiles", "strided", "shifted", "words", "elements"})
    EXPECT_TRUE(seen.contains(name)) << name;
}

TEST(DescribeWay, NamesTheWayThatIsChosen) {
  std::set<std::string> seen;
  for (const CopyPlan& plan : plans()) {
    const PlanDescription description = describe_way(plan);
    const HostPlans plans(plan);
    const PlanWay way = choose_way(plans.parts().front(), false);
    if (way != PlanWay::planes) {
      EXPECT_EQ(description.taken.name, name_of(way));
      EXPECT_EQ(description.passed_over.size(), static_cast<std::size_t>(way));
    } else {
      EXPECT_EQ(description.taken.name.find("planes, "), 0U);
    }
    EXPECT_FALSE(description.taken.needs.empty());
    seen.insert(description.taken.name);
  }
  EXPECT_TRUE(seen.contains("batches"));
  EXPECT_TRUE(seen.contains("planes, transpose"));
  EXPECT_TRUE(seen.contains("planes, strided"));
}

/// A hundred rows of 24 bytes behind shuffled pointers, one of them twice.
class Explained : public ::testing::Test {
 protected:
  Explained() {
    std::iota(memory_.begin(), memory_.end(), 0);
    for (std::size_t i = 0; i < pointers_.size(); ++i)
      pointers_[i] = memory_.data() + 6 * (i * 37 % 99);
  }
  DeviceArray array() const {
    return upload(ArrayView::from_rows(pointers_, 6), Device::host(),
                  {.placement = PlacementKind::packed});
  }

  std::array<std::int32_t, 600> memory_{};
  std::array<const std::int32_t*, 100> pointers_{};
};

TEST_F(Explained, CountsWhatIsMoved) {
  const Numbers rows{5, 3, 3, 99};
  const Plan plan(array(), {.groups = {{{0}, {Indices(rows)}, {}}}});
  const PlanExplanation explanation = plan.explain();
  EXPECT_EQ(explanation.device, "host");
  EXPECT_EQ(explanation.rows, 4);
  EXPECT_EQ(explanation.run_bytes, 24);
  EXPECT_EQ(explanation.bytes_read, 96);
  EXPECT_EQ(explanation.bytes_written, 96);
  EXPECT_EQ(explanation.bytes_of_indices, 32);
  EXPECT_EQ(explanation.bytes_fetched, 4 * 64);
  EXPECT_EQ(explanation.bytes_of_tables, 16 * array().layout().levels());
  EXPECT_DOUBLE_EQ(explanation.expected,
                   192.0 / static_cast<double>(256 + 96 + 32 + explanation.bytes_of_tables));
  EXPECT_FALSE(explanation.measured);
}

TEST_F(Explained, ConvertedElementsAreCountedOnBothSides) {
  GatherOptions options;
  options.format = Format("e", 2);
  const PlanExplanation explanation = Plan(array(), {}, options).explain();
  EXPECT_EQ(explanation.bytes_read, 2400);
  EXPECT_EQ(explanation.bytes_written, 1200);
}

TEST_F(Explained, AContiguousCopyIsExpectedToBeOne) {
  const DeviceArray dense =
      upload(ArrayView::dense(memory_.data(), Numbers{600}, native_format<std::int32_t>()),
             Device::host());
  const PlanExplanation explanation = Plan(dense, {}).explain();
  EXPECT_EQ(explanation.rows, 1);
  EXPECT_NEAR(explanation.expected, 1, 0.02);
}

TEST_F(Explained, MeasuringRunsThePlan) {
  const Plan plan(array(), {});
  const PlanExplanation explanation = plan.explain(true);
  ASSERT_TRUE(explanation.measured);
  EXPECT_GT(explanation.measured->copy_seconds, 0);
  EXPECT_GT(explanation.measured->run_seconds, 0);
  EXPECT_GT(explanation.measured->reached, 0);
  EXPECT_EQ(plan.result().to_host<std::int32_t>()[6], *pointers_[1]);
  EXPECT_NE(describe(explanation).find("a plain copy"), std::string::npos);
  EXPECT_NE(to_json(explanation).find("\"reached\": "), std::string::npos);
}

TEST_F(Explained, APlanOfNothingSaysSo) {
  const Plan plan(array().slice(0, {0, 0, 1}), {});
  EXPECT_EQ(plan.explain(true).taken.name, "nothing");
  EXPECT_FALSE(plan.explain(true).measured);
  EXPECT_NE(describe(plan.explain()).find("a result without elements"), std::string::npos);
}

TEST_F(Explained, TextNamesEachWayThatWasNotTaken) {
  const PlanExplanation explanation = Plan(array(), {}).explain();
  const std::string words = describe(explanation, TextStyle::plain);
  EXPECT_NE(words.find("taken: " + explanation.taken.name + "\n"), std::string::npos);
  for (const PlanExplanation::Way& way : explanation.passed_over)
    EXPECT_NE(words.find("not " + way.name + ": needs " + way.needs + "\n"), std::string::npos);
}

// ---- Rows of unequal length

RaggedArray unequal_rows(PlacementKind kind) {
  static const std::array<std::int32_t, 9> numbers{0, 1, 2, 10, 30, 31, 32, 33, 34};
  const ArrayView values =
      ArrayView::dense(numbers.data(), Numbers{9}, native_format<std::int32_t>());
  return upload(RaggedView::from_offsets(values, Numbers{0, 3, 4, 4, 9}), Device::host(),
                {.placement = kind});
}

TEST(ExplainRaggedPlan, APackSaysWhatItMoves) {
  const PlanExplanation explanation = PackPlan(unequal_rows(PlacementKind::packed)).explain();
  EXPECT_EQ(explanation.taken.name, "copy");
  EXPECT_EQ(explanation.rows, 3);  // that have items
  EXPECT_TRUE(explanation.differ);
  EXPECT_EQ(explanation.run_bytes, 12);
  EXPECT_EQ(explanation.bytes_read, 36);
  EXPECT_EQ(explanation.bytes_written, 36);
  EXPECT_EQ(explanation.bytes_fetched, 64);  // they continue each other: one line
  EXPECT_EQ(explanation.bytes_of_tables, 4 * (4 + 4) + 5 * 8);
  EXPECT_EQ(explanation.bytes_of_indices, 0);
  EXPECT_NE(describe(explanation).find("3 rows of 12 bytes on average, each contiguous"),
            std::string::npos);
}

TEST(ExplainRaggedPlan, APadReadsNoMoreThanItKeeps) {
  const std::array<std::int64_t, 3> which{3, 0, 3};
  const RaggedArray rows = unequal_rows(PlacementKind::in_place);
  PadOptions options;
  options.length = 2;
  options.truncation = Truncation::drop_end;
  const PlanExplanation explanation =
      PadPlan(rows, {.indices = Indices(which, {3})}, options).explain(true);
  EXPECT_EQ(explanation.rows, 3);
  EXPECT_FALSE(explanation.differ);
  EXPECT_EQ(explanation.run_bytes, 8);
  EXPECT_EQ(explanation.bytes_written, 24);
  EXPECT_EQ(explanation.bytes_fetched, 3 * 64);
  EXPECT_EQ(explanation.bytes_of_indices, 3 * 8);
  ASSERT_TRUE(explanation.measured);
  EXPECT_GT(explanation.measured->reached, 0);
}

TEST(ExplainRaggedPlan, WithoutElementsNothingRuns) {
  const RaggedArray none = unequal_rows(PlacementKind::packed).slice({2, 3, 1});
  const PlanExplanation explanation = PackPlan(none).explain(true);
  EXPECT_EQ(explanation.taken.name, "nothing");
  EXPECT_FALSE(explanation.measured);
}

/// A ragged plan that nobody runs.
RaggedPlan plan_of_rows(std::int64_t run, std::int64_t stride, bool converts) {
  RaggedPlan plan;
  plan.ragged.item_stride = stride;
  plan.rows.count = 10;
  plan.run_bytes = run;
  plan.items = 1000;
  plan.packed = PackedSide{};
  if (converts) plan.conversion = Conversion{ScalarType::int32, ScalarType::float32};
  return plan;
}

TEST(ExplainRaggedPlan, TheWayIsTheOneThatIsChosen) {
  EXPECT_EQ(describe_way(plan_of_rows(4, 8, false)).taken.name, "gather");
  EXPECT_EQ(describe_way(plan_of_rows(4, 4, true)).taken.name, "convert");
  EXPECT_EQ(describe_way(plan_of_rows(4, 4, false)).taken.name, "copy");
  EXPECT_EQ(
      describe_way(plan_of_rows(std::int64_t{1} << 30, std::int64_t{1} << 30, false)).taken.name,
      "nontemporal");
  EXPECT_EQ(cuda::describe_kernel(plan_of_rows(4, 8, false)).taken.name, "numbers");
  EXPECT_EQ(cuda::describe_kernel(plan_of_rows(4, 4, true)).taken.name, "numbers");
  EXPECT_EQ(cuda::describe_kernel(plan_of_rows(4, 4, false)).taken.name, "words");
  EXPECT_EQ(cuda::describe_kernel(plan_of_rows(4, 4, false)).passed_over.size(), 2U);
}

}  // namespace
}  // namespace multibuffer
