#include <multibuffer/device.hpp>

#include "tests/testing/check_ragged.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>

// Random rows of unequal length on a GPU, or on the fake one, against the reference.
namespace multibuffer::testing {
namespace {

class RandomRaggedArraysOn : public ::testing::TestWithParam<const char*> {};

TEST_P(RandomRaggedArraysOn, ArePackedAndPaddedAsTheReferenceDoes) {
  if (list_devices().devices.size() == 1)
    GTEST_SKIP() << "no CUDA device: " << list_devices().why_no_cuda;
  const Device device = Device::open(GetParam());
  for (std::uint64_t seed = 70'000'000; seed < 70'000'300 && !HasFailure(); ++seed)
    check_ragged(seed, device, std::int64_t{1} << 16);
}

INSTANTIATE_TEST_SUITE_P(A, RandomRaggedArraysOn, ::testing::Values("cuda"),
                         [](const auto& tested) { return std::string(tested.param); });

}  // namespace
}  // namespace multibuffer::testing
