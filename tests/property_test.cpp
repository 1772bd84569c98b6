#include "tests/testing/cases.hpp"
#include "tests/testing/check_array.hpp"
#include "tests/testing/random_array.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <string>
#include <vector>

// The whole pipeline against the reference, on random arrays.
namespace multibuffer::testing {
namespace {

/// What a crash, in a guard page say, belongs to.
std::atomic<long> current_array = 0;

struct sigaction handlers_before[NSIG];

extern "C" void report_crash(int signal_number) {
  char message[] = "\ncrashed on the random array with seed 0000000000\n";
  long seed = current_array;
  for (char* digit = message + sizeof message - 3; seed > 0; seed /= 10) {
    *digit-- = static_cast<char>('0' + seed % 10);
  }
  if (write(STDERR_FILENO, message, sizeof message - 1) < 0) _exit(1);
  // The same again for whoever watched before, which may be a sanitizer.
  sigaction(signal_number, &handlers_before[signal_number], nullptr);
}

const bool reports_crashes = [] {
  struct sigaction handler {};
  handler.sa_handler = report_crash;
  for (const int signal_number : {SIGSEGV, SIGBUS, SIGABRT}) {
    sigaction(signal_number, &handler, &handlers_before[signal_number]);
  }
  return true;
}();

/// Sends the array of this seed along `routes`.
::testing::AssertionResult passes(std::uint64_t seed, const ArrayOptions& options,
                                  std::span<const Route> routes) {
  current_array = static_cast<long>(seed);
  Random random(seed);
  const std::string differs = check_array(random, options, routes);
  if (differs.empty()) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << "seed " << seed << ": " << differs;
}

// ---------------------------------------------------------------------------------------------
// The properties

// Seeds are numbers of arrays; the shards are for ctest to run side by side.
constexpr std::uint64_t arrays_per_shard = 5500;
constexpr int shards = 20;

class RandomArrays : public ::testing::TestWithParam<int> {};

TEST_P(RandomArrays, ReadAsTheReferenceReadsThem) {
  const std::vector<Route> routes = every_route();
  const auto first = static_cast<std::uint64_t>(GetParam()) * arrays_per_shard;
  for (std::uint64_t seed = first; seed < first + cases(arrays_per_shard); ++seed) {
    // By the seed, so that each route meets each kind of array.
    const Route& route = routes[Random(~seed).next() % routes.size()];
    ASSERT_TRUE(passes(seed, {}, {&route, 1}));
  }
}

INSTANTIATE_TEST_SUITE_P(Shard, RandomArrays, ::testing::Range(0, shards));

TEST(EveryIndirection, OfUpToFiveAxesReadsAsTheReferenceReadsIt) {
  const std::vector<Route> routes = every_route();
  std::uint64_t seed = 10'000'000;
  for (const ArrayOptions& options : every_indirection(5)) {
    for (int i = 0; i < 4; ++i, ++seed) {
      const Route& route = routes[seed % routes.size()];
      ASSERT_TRUE(passes(seed, options, {&route, 1}));
    }
  }
}

TEST(EveryRoute, LeadsToTheSameElements) {
  const std::vector<Route> routes = every_route();
  for (std::uint64_t seed = 20'000'000; seed < 20'000'000 + cases(300U); ++seed) {
    ASSERT_TRUE(passes(seed, {}, routes));
  }
}

TEST(EveryRoute, LeadsThroughEveryIndirectionOfThreeAxes) {
  const std::vector<Route> routes = every_route();
  std::uint64_t seed = 30'000'000;
  for (const ArrayOptions& options : every_indirection(3)) {
    ASSERT_TRUE(passes(seed++, options, routes));
  }
}

TEST(LargerArrays, ReadAsTheReferenceReadsThem) {
  const std::vector<Route> routes = every_route();
  ArrayOptions options;
  options.max_elements = 100'000;
  options.max_extent = 400;
  for (std::uint64_t seed = 50'000'000; seed < 50'000'000 + cases(400U); ++seed) {
    options.ndim = 1 + static_cast<int>(seed % 4);
    const Route& route = routes[Random(~seed).next() % routes.size()];
    ASSERT_TRUE(passes(seed, options, {&route, 1}));
  }
}

TEST(GuardPages, AreNotTouched) {
  const std::vector<Route> routes = every_route();
  ArrayOptions options;
  options.memory = MemoryMode::guarded;
  for (std::uint64_t seed = 40'000'000; seed < 40'000'000 + cases(2000U); ++seed) {
    const Route& route = routes[seed % routes.size()];
    ASSERT_TRUE(passes(seed, options, {&route, 1}));
  }
}

}  // namespace
}  // namespace multibuffer::testing
