#include "tests/testing/cases.hpp"
#include "tests/testing/check_ragged.hpp"

#include <gtest/gtest.h>

#include <cstdint>

// Random rows of unequal length on the host, against the reference. The first shard runs always,
// the others with the slow tests: 100,000 arrays in all.
namespace multibuffer::testing {
namespace {

constexpr std::uint64_t arrays_per_shard = 2000;
constexpr int shards = 50;

class RandomRaggedArrays : public ::testing::TestWithParam<int> {};

TEST_P(RandomRaggedArrays, ArePackedAndPaddedAsTheReferenceDoes) {
  const std::uint64_t first =
      60'000'000 + static_cast<std::uint64_t>(GetParam()) * arrays_per_shard;
  for (std::uint64_t seed = first; seed < first + cases(arrays_per_shard) && !HasFailure(); ++seed)
    check_ragged(seed, Device::host());
}

INSTANTIATE_TEST_SUITE_P(Shard, RandomRaggedArrays, ::testing::Range(0, shards));

}  // namespace
}  // namespace multibuffer::testing
