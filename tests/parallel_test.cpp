#include "host/parallel.hpp"

#include "host/thread_pool.hpp"
#include "tests/throws.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <stdexcept>
#include <thread>
#include <vector>

namespace multibuffer {
namespace {

constexpr std::int64_t count = 1000;
constexpr std::int64_t large = std::int64_t{1} << 20;  // bytes: worth a thread each

TEST(Parallel, CoversEachIndexOnce) {
  std::vector<std::atomic<int>> seen(count);
  parallel_for(count, large, {}, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) ++seen[static_cast<std::size_t>(i)];
  });
  for (const std::atomic<int>& times : seen) EXPECT_EQ(times, 1);
}

TEST(Parallel, ManyCallersShareTheThreads) {
  std::atomic<std::int64_t> sum = 0;
  std::vector<std::jthread> callers;
  for (int caller = 0; caller < 8; ++caller)
    callers.emplace_back([&] {
      for (int call = 0; call < 50; ++call)
        parallel_for(20, large, {},
                     [&](std::int64_t begin, std::int64_t end) { sum += end - begin; });
    });
  callers.clear();
  EXPECT_EQ(sum, 8 * 50 * 20);
}

TEST(Parallel, AFailingProgressCallIsPassedOnWhenNobodyWorksAnyMore) {
  std::atomic<int> working = 0;
  const Watch watch{{}, [](std::int64_t, std::int64_t) { throw std::runtime_error("enough"); }};
  EXPECT_THROW(parallel_for(count, large, watch,
                            [&](std::int64_t, std::int64_t) {
                              ++working;
                              std::this_thread::yield();
                              --working;
                            }),
               std::runtime_error);
  EXPECT_EQ(working, 0);
}

TEST(Parallel, ProgressIsReportedToTheEndWhoeverWorksLast) {
  for (int call = 0; call < 100; ++call) {
    std::int64_t last = 0, total = -1;
    parallel_for(20, large,
                 {{},
                  [&](std::int64_t done, std::int64_t all) {
                    EXPECT_GT(done, last);
                    last = done;
                    total = all;
                  }},
                 [](std::int64_t, std::int64_t) {});
    EXPECT_EQ(last, total);
  }
}

TEST(Parallel, AStopRequestNamesTheWork) {
  std::stop_source source;
  source.request_stop();
  testing::expect_error(Errc::cancelled, "while counting", [&] {
    parallel_for(
        count, large, {source.get_token(), {}}, [](std::int64_t, std::int64_t) {}, "counting");
  });
}

TEST(Parallel, AForkedChildHasThreadsOfItsOwn) {
  const auto work = [] {
    std::atomic<std::int64_t> done = 0;
    for (int call = 0; call < 10; ++call)
      parallel_for(count, large, {},
                   [&](std::int64_t begin, std::int64_t end) { done += end - begin; });
    return done == 10 * count;
  };
  ASSERT_TRUE(work());
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) _exit(work() ? 0 : 1);
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

TEST(ThreadPool, ReturnsWhenAllWhoBeganHaveEnded) {
  for (int call = 0; call < 200; ++call) {
    std::atomic<int> inside = 0;
    run_on_threads(3, [&] {
      ++inside;
      std::this_thread::yield();
      --inside;
    });
    EXPECT_EQ(inside, 0);
  }
}

}  // namespace
}  // namespace multibuffer
