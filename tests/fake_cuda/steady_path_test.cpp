// How often CUDA is called where it should be called least.

#include <multibuffer/multibuffer.hpp>

#include "tests/fake_cuda/fake_cuda.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

namespace multibuffer {
namespace {

using fake_cuda::Counts;

/// What a second call costs; the first may fetch what is used again.
template <class Call>
Counts cost_of(Call&& call) {
  call();
  const Counts before = fake_cuda::counts();
  call();
  const Counts after = fake_cuda::counts();
  return {after.launches - before.launches, after.copies - before.copies,
          after.allocations - before.allocations, after.events - before.events,
          after.waits - before.waits};
}

class SteadyPath : public ::testing::Test {
 protected:
  DeviceArray every_second_column() const {
    static const std::vector<std::int32_t> values(1000, 7);
    const std::vector<std::int64_t> shape{100, 10};
    return upload(ArrayView::dense(values.data(), shape, Format("i", 4)), Device::open("cuda"))
        .slice(1, {0, {}, 2});
  }
};

TEST_F(SteadyPath, AGatherIntoMemoryThatIsThereIsOneLaunchAndOneEvent) {
  const DeviceArray array = every_second_column();
  GatherOptions request;
  const DeviceBuffer out = copy(array);
  request.out = output_of(out);
  EXPECT_EQ(cost_of([&] { copy(array, request); }), (Counts{.launches = 1, .events = 1}));
}

TEST_F(SteadyPath, SoIsARunOfAPlanWithItsHostIndicesWhereTheyWereSent) {
  const std::vector<std::int64_t> indices{5, 3, 9};
  Selection request;
  request.groups.push_back({{0}, {Indices(indices)}, {}});
  const Plan plan(every_second_column(), request);
  EXPECT_EQ(cost_of([&] { plan.run(); }), (Counts{.launches = 1, .events = 1}));
}

TEST_F(SteadyPath, SoIsOneWithDeviceIndicesThatAreChecked) {
  const std::vector<std::int64_t> values{5, 3, 9};
  const std::vector<std::int64_t> shape{3};
  Selection request;
  request.groups.push_back({{0},
                            {Indices(DeviceBuffer::from_host(Device::open("cuda"), values.data(),
                                                             shape, Format("q", 8)))},
                            {}});
  const Plan plan(every_second_column(), request);
  EXPECT_EQ(cost_of([&] { plan.run(); }), (Counts{.launches = 1, .events = 1}));
}

TEST_F(SteadyPath, SoAreRunsOfPlansThatPackAndPad) {
  const std::vector<std::int32_t> values(100, 7);
  const std::vector<const std::int32_t*> rows{values.data(), values.data() + 10};
  const std::vector<std::int64_t> lengths{10, 90}, indices{1, 0, 1};
  const RaggedArray array =
      upload(RaggedView::from_rows(rows.data(), lengths), Device::open("cuda"));
  const PackPlan packs(array, {Indices(indices)});
  EXPECT_EQ(cost_of([&] { packs.run(); }), (Counts{.launches = 1, .events = 1}));
  const PadPlan pads(array);
  EXPECT_EQ(cost_of([&] { pads.run(); }), (Counts{.launches = 1, .events = 1}));
}

}  // namespace
}  // namespace multibuffer
