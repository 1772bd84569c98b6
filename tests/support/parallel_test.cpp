#include "host/support/parallel.hpp"

#include <multibuffer/array_view.hpp>
#include <multibuffer/device.hpp>
#include <multibuffer/device_array.hpp>
#include <multibuffer/gather.hpp>

#include "host/support/thread_pool.hpp"
#include "host/support/threshold.hpp"
#include "tests/testing/refused_calls.hpp"
#include "tests/testing/throws.hpp"

#include <gtest/gtest.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <new>
#include <stdexcept>
#include <stop_token>
#include <string>
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

TEST(Parallel, SmallWorkHearsAStopAndReportsOnce) {
  int calls = 0;
  Watch watch{{}, [&](std::int64_t done, std::int64_t total) {
                ++calls;
                EXPECT_EQ(done, 40);
                EXPECT_EQ(total, 40);
              }};
  parallel_for(10, 4, watch, [](std::int64_t, std::int64_t) {});
  EXPECT_EQ(calls, 1);
  std::stop_source stop;
  stop.request_stop();
  watch.stop = stop.get_token();
  testing::expect_error(Errc::cancelled, "while working", [&] {
    parallel_for(
        10, 4, watch, [](std::int64_t, std::int64_t) { ADD_FAILURE(); }, "working");
  });
  EXPECT_EQ(calls, 1);
}

TEST(Parallel, TheLastReportIsOfAllAlsoWhereAnotherThreadEnds) {
  if (thread_count() < 2) GTEST_SKIP() << "one thread";
  const std::thread::id caller = std::this_thread::get_id();
  const auto patience = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  std::atomic<std::int64_t> begun = 0;
  std::atomic<bool> others_take_part = false;
  std::int64_t last = 0;
  const Watch watch{{}, [&](std::int64_t done, std::int64_t) { last = done; }};
  parallel_for(count, large, watch, [&](std::int64_t begin, std::int64_t end) {
    begun += end - begin;
    if (std::this_thread::get_id() == caller) {
      // This waits until another thread has a piece, if there is one to take it.
      while (begun < count && !others_take_part && std::chrono::steady_clock::now() < patience)
        std::this_thread::yield();
      return;
    }
    others_take_part = true;
    while (begun < count) std::this_thread::yield();  // the caller does all that is left
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  });
  EXPECT_TRUE(others_take_part);
  EXPECT_EQ(last, count * large);
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

/// What /proc says of this process.
int threads_of_this_process() {
  std::ifstream status("/proc/self/status");
  std::string word;
  int threads = 0;
  while (status >> word)
    if (word == "Threads:") status >> threads;
  return threads;
}

// ctest runs this one with MULTIBUFFER_NUM_THREADS=2147483647, too.
TEST(Parallel, ThereAreNoMoreThreadsThanTheWorkIsWorth) {
  constexpr std::size_t rows = 3000;
  std::vector<std::vector<std::int32_t>> owners(rows, std::vector<std::int32_t>(1000, 7));
  std::vector<const std::int32_t*> pointers;
  for (const std::vector<std::int32_t>& row : owners) pointers.push_back(row.data());
  const ArrayView view = ArrayView::from_rows(pointers.data(), rows, 1000);
  const int before = threads_of_this_process();
  EXPECT_EQ(copy(upload(view, Device::host())).nbytes(), 12'000'000);
  EXPECT_GE(thread_count(), 1);
  EXPECT_LE(thread_count(), 1 << 16);
  EXPECT_LE(threads_of_this_process() - before, 100);
}

/// Work that another thread than the caller's does, once, if there is another.
template <class Work>
void on_another_thread(const Work& work) {
  const std::thread::id caller = std::this_thread::get_id();
  std::atomic<bool> done = false;
  run_on_threads(1, [&] {
    if (std::this_thread::get_id() != caller) {
      done = true;
      work();
    }
    for (int i = 0; i < 5000 && !done; ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
  });
  EXPECT_TRUE(done);
}

/// Tries for seconds, since a thread may be late on a machine that has much to do.
template <class Happens>
bool happens_in_time(const Happens& happens) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  do
    if (happens()) return true;
  while (std::chrono::steady_clock::now() < end);
  return false;
}

/// Work that this thread and another one end at the same time, if the other comes.
void work_together() {
  std::atomic<int> here = 0;
  run_on_threads(1, [&] {
    ++here;
    for (int i = 0; i < 1000 && here < 2; ++i) std::this_thread::yield();
  });
}

TEST(ThreadPool, AThreadStaysAwakeForALittleWhile) {
  if (std::thread::hardware_concurrency() < 2) GTEST_SKIP() << "nobody stays awake on one";
  EXPECT_TRUE(happens_in_time([] {
    work_together();
    return threads_at_hand() > 0;
  }));
  EXPECT_TRUE(happens_in_time([] { return threads_at_hand() == 0; }));
}

/// Returns whether another thread takes part in so little work that nobody is woken for it alone.
bool another_takes_part_in_little() {
  const std::thread::id caller = std::this_thread::get_id();
  std::atomic<bool> takes_part = false;
  parallel_for(4, large / 8, {}, [&](std::int64_t, std::int64_t) {
    if (std::this_thread::get_id() != caller) takes_part = true;
    for (int i = 0; i < 100 && !takes_part; ++i)
      std::this_thread::sleep_for(std::chrono::microseconds(10));
  });
  return takes_part;
}

TEST(Parallel, ThreadsAtHandTakePartInLittleWork) {
  if (thread_count() < 2 || std::thread::hardware_concurrency() < 2 || wants_least_thresholds())
    GTEST_SKIP() << "no choice here";
  const auto all_sleep = [] { return threads_at_hand() == 0; };
  ASSERT_TRUE(happens_in_time(all_sleep));
  EXPECT_FALSE(another_takes_part_in_little());
  EXPECT_TRUE(happens_in_time([] {  // which are awake
    work_together();
    return another_takes_part_in_little();
  }));
  EXPECT_TRUE(happens_in_time([&] {  // which are woken, since work follows work
    if (!happens_in_time(all_sleep)) return false;
    return !another_takes_part_in_little() && another_takes_part_in_little();
  }));
}

TEST(ThreadPool, WhatAnotherThreadThrowsIsThrownHere) {
  for (int call = 0; call < 20; ++call)
    EXPECT_THROW(on_another_thread([] { throw std::bad_alloc(); }), std::bad_alloc);
}

TEST(ThreadPool, ItsThreadsTakeNoSignalsButThoseOfTheirOwnFaults) {
  sigset_t blocked;
  on_another_thread([&] { pthread_sigmask(SIG_SETMASK, nullptr, &blocked); });
  for (const int signal : {SIGBUS, SIGSEGV, SIGFPE, SIGILL})
    EXPECT_EQ(sigismember(&blocked, signal), 0) << signal;
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGCHLD})
    EXPECT_EQ(sigismember(&blocked, signal), 1) << signal;
}

TEST(ThreadPool, WorkIsDoneOnThisThreadWhereThereAreNoOthers) {
  const pid_t child = fork();  // has no threads yet
  ASSERT_GE(child, 0);
  if (child == 0) {
    if (!testing::refuse_calls({testing::new_threads, testing::new_threads_3})) _exit(99);
    std::atomic<std::int64_t> done = 0;
    parallel_for(count, large, {},
                 [&](std::int64_t begin, std::int64_t end) { done += end - begin; });
    _exit(done == count ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  if (status == 99 << 8) GTEST_SKIP() << "no system call can be refused here";
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
