#include <multibuffer/multibuffer.hpp>

#include "tests/testing/on_device.hpp"
#include "tests/testing/throws.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

// Plans, on every backend that this machine has.

namespace multibuffer {
namespace {

using testing::expect_error;
using Ints = std::vector<std::int32_t>;
using Numbers = std::vector<std::int64_t>;

class PlanTest : public testing::OnDevice {
 protected:
  /// Three rows of numbers 10 * row + column.
  DeviceArray array() const {
    static const Ints rows[3] = {{0, 1, 2, 3}, {10, 11, 12, 13}, {20, 21, 22, 23}};
    static const std::array<const std::int32_t*, 3> pointers{rows[2].data(), rows[0].data(),
                                                             rows[1].data()};
    return upload(ArrayView::from_rows(pointers.data(), 3, 4), device());
  }
  DeviceBuffer index_buffer(const Numbers& values) const {
    const Numbers shape{static_cast<std::int64_t>(values.size())};
    return DeviceBuffer::from_host(device(), values.data(), shape, Format("q", 8));
  }
  /// Writes other indices where those of `buffer` are.
  void change(const DeviceBuffer& buffer, const Numbers& values) const {
    GatherOptions request;
    request.out = output_of(buffer);
    const Numbers shape{static_cast<std::int64_t>(values.size())};
    copy(upload(ArrayView::dense(values.data(), shape, Format("q", 8)), device()), request);
  }
};

Ints numbers(const DeviceBuffer& buffer) {
  const std::vector<std::byte> bytes = buffer.to_host();
  Ints result(bytes.size() / sizeof(std::int32_t));
  std::memcpy(result.data(), bytes.data(), bytes.size());
  return result;
}

Selection taking(const Indices& indices, int axis = 0) {
  Selection request;
  request.groups.push_back({{axis}, {indices}, {}});
  return request;
}

TEST_P(PlanTest, RunsAsOftenAsAskedIntoTheSameMemory) {
  const Plan plan(array(), taking(Indices(Numbers{2, 0})));  // the array itself is gone
  const Ints expected{10, 11, 12, 13, 20, 21, 22, 23};
  const std::byte* memory = plan.result().data();
  for (int i = 0; i < 3; ++i) {
    GatherOptions overwrite;
    overwrite.out = output_of(plan.result());
    EXPECT_EQ(numbers(copy(array().slice(0, {0, 2, 1}), overwrite)),
              (Ints{20, 21, 22, 23, 0, 1, 2, 3}));
    EXPECT_EQ(numbers(plan.run()), expected);
    EXPECT_EQ(plan.result().data(), memory);
    EXPECT_EQ(plan.result().shape(), (Numbers{2, 4}));
  }
}

TEST_P(PlanTest, KeepsHostIndicesAsTheyWere) {
  std::optional<Plan> plan;
  {
    Numbers indices{1, 1, 2};
    plan.emplace(array().index(1, 3), taking(Indices(indices)));
    indices = {0, 0, 0};
  }
  EXPECT_EQ(numbers(plan->run()), (Ints{3, 3, 13}));
}

TEST_P(PlanTest, ChecksHostIndicesOnce) {
  expect_error(Errc::index_out_of_range, "index 3 at position (1,) on axis 0", [&] {
    Plan(array(), taking(Indices(Numbers{0, 3})));
  });
}

TEST_P(PlanTest, HasNothingToDoWithoutElements) {
  const Plan plan(array(), taking(Indices(Numbers{})));
  EXPECT_EQ(plan.run().shape(), (Numbers{0, 4}));
  EXPECT_TRUE(plan.result().to_host().empty());
}

TEST_P(PlanTest, TransposesAndShiftsLikeAnyGather) {
  EXPECT_EQ(numbers(Plan(array().transpose(), {}).run()),
            (Ints{20, 0, 10, 21, 1, 11, 22, 2, 12, 23, 3, 13}));
  EXPECT_EQ(numbers(Plan(array().slice(1, {1, 4, 1}), {}).run()),
            (Ints{21, 22, 23, 1, 2, 3, 11, 12, 13}));
}

TEST_P(PlanTest, ReadsDeviceIndicesAnewInEveryRun) {
  if (!on_device()) GTEST_SKIP() << "indices in host memory are copied";
  const DeviceBuffer indices = index_buffer({0, 2});
  const Plan plan(array().index(1, 0), taking(Indices(indices)));
  EXPECT_EQ(numbers(plan.run()), (Ints{20, 10}));
  change(indices, {1, -1});
  EXPECT_EQ(numbers(plan.run()), (Ints{0, 10}));
  change(indices, {1, 5});
  plan.run();
  for (int i = 0; i < 2; ++i)
    expect_error(Errc::index_out_of_range, "index 5 at position (1,) on axis 0, whose extent is 3",
                 [&] { plan.result().synchronize(); });
  change(indices, {2, 1});
  EXPECT_EQ(numbers(plan.run()), (Ints{10, 0}));
}

TEST_P(PlanTest, WritesToTheCallersMemoryWhereTheArrayIs) {
  Ints out(5, -1);
  GatherOptions request;
  request.out = Output{out.data(), 20, MemorySpace::host, {8}};
  const DeviceArray column = array().index(1, 2);
  if (on_device()) {
    expect_error(Errc::invalid_argument, "cannot write to host memory",
                 [&] { Plan(column, {}, request); });
    return;
  }
  Plan(column, {}, request).run();
  EXPECT_EQ(out, (Ints{22, -1, 2, -1, 12}));
}

TEST_P(PlanTest, ResultsKeepTheOwnerOfTheirOutput) {
  const DeviceBuffer memory = copy(array());
  auto owner = std::make_shared<const int>(0);
  const std::weak_ptr<const int> watched = owner;
  GatherOptions request;
  request.out = output_of(memory);
  request.out->owner = std::move(owner);
  std::optional<DeviceBuffer> planned = Plan(array(), {}, request).run();
  std::optional<DeviceBuffer> gathered = copy(array(), request);
  request.out.reset();
  planned->synchronize();
  gathered->synchronize();
  EXPECT_EQ(numbers(*planned), numbers(memory));
  planned.reset();
  EXPECT_FALSE(watched.expired());
  request.out = output_of(*gathered);
  gathered.reset();
  EXPECT_FALSE(watched.expired()) << "an output over a result keeps what that kept";
  request.out.reset();
  EXPECT_TRUE(watched.expired());
}

/// Host memory for what a device gathers has an owner, too.
TEST_P(PlanTest, FetchedResultsKeepTheOwnerOfTheirOutput) {
  const auto out = std::make_shared<Ints>(12);
  GatherOptions request;
  request.out = Output{out->data(), 48, MemorySpace::host, {}, nullptr, out};
  std::optional<DeviceBuffer> gathered = copy(array(), request);
  request.out.reset();
  EXPECT_EQ(out.use_count(), 2);
  EXPECT_EQ(*out, numbers(*gathered));
  gathered.reset();
  EXPECT_EQ(out.use_count(), 1);
}

INSTANTIATE_TEST_SUITE_P(On, PlanTest, ::testing::Values("host", "cuda"),
                         [](const auto& tested) { return std::string(tested.param); });

}  // namespace
}  // namespace multibuffer
