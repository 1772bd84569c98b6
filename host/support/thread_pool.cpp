#include "host/support/thread_pool.hpp"

#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <exception>
#include <mutex>
#include <new>
#include <thread>
#include <vector>

namespace multibuffer {
namespace {

using Clock = std::chrono::steady_clock;

/// How long a thread that has nothing to do looks for a change before it sleeps: as long as it
/// takes at most, on a virtual machine, until one that was woken is there.
constexpr std::chrono::microseconds looking_time{50};

/// The number of threads that may look for a job at a time: no more than there are processors
/// beside the caller's, and few, since each of them keeps one busy after every job.
int most_looking() {
  static const int most =
      std::clamp(static_cast<int>(std::thread::hardware_concurrency()) - 1, 0, 4);
  return most;
}

/// Tells the processor that this thread only looks.
void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

/// Looks until `is_there()`, and not much longer than `looking_time`; returns whether it is.
template <class IsThere>
bool look_for(const IsThere& is_there) {
  const auto end = Clock::now() + looking_time;
  do {
    if (is_there()) return true;
    relax();
  } while (Clock::now() < end);
  return false;
}

struct Job {
  const std::function<void()>& work;
  int openings;                          ///< the number of threads that may still join
  std::atomic<int> running = 0;          ///< the number that have joined and not left
  std::exception_ptr failure = nullptr;  ///< thrown by one of them
};

class ThreadPool {
 public:
  void run(int helpers, const std::function<void()>& work) {
    Job job{work, helpers};
    post(job);
    try {
      work();
    } catch (...) {
      finish(job);
      throw;
    }
    finish(job);
    if (job.failure) std::rethrow_exception(job.failure);
  }

  int at_hand() const {
    const auto since = Clock::now() - Clock::time_point(Clock::duration(last_end_));
    return since < looking_time ? most_looking() : looking_.load();
  }

  void note_end() { last_end_ = Clock::now().time_since_epoch().count(); }

 private:
  void post(Job& job) {
    int asleep = job.openings;
    {
      const std::lock_guard lock(mutex_);
      start_threads(job.openings);
      // Those that look come by themselves; some to the jobs before this one.
      int coming = looking_;
      for (const Job* const before : jobs_) coming -= before->openings;
      asleep -= std::clamp(coming, 0, asleep);
      jobs_.push_back(&job);
      has_jobs_ = true;
    }
    for (int i = 0; i < asleep; ++i) has_job_.notify_one();
  }

  /// Lets no more threads join, and waits for those that have.
  void finish(Job& job) {
    const auto has_ended = [&] { return job.running == 0; };
    std::unique_lock lock(mutex_);
    std::erase(jobs_, &job);
    has_jobs_ = !jobs_.empty();
    if (has_ended()) return;
    if (most_looking() > 0) {
      lock.unlock();
      if (look_for(has_ended)) return;
      lock.lock();
    }
    job_ended_.wait(lock, has_ended);
  }

  /// Looks for a job, without the lock meanwhile.
  void look_for_a_job(std::unique_lock<std::mutex>& lock) {
    ++looking_;
    lock.unlock();
    const auto found = [&] {
      if (!has_jobs_ || !lock.try_lock()) return false;
      if (!jobs_.empty()) return true;
      lock.unlock();  // another thread was faster
      return false;
    };
    if (!look_for(found)) lock.lock();
    --looking_;
  }

  void start_threads(int wanted) {
    // Signals are left to the threads of the program that uses the library. Those for a thread's
    // own faults are not blocked: the program may have a handler, and blocked, they would end it.
    sigset_t others, before;
    sigfillset(&others);
    for (const int fault : {SIGBUS, SIGSEGV, SIGFPE, SIGILL, SIGTRAP, SIGSYS})
      sigdelset(&others, fault);
    pthread_sigmask(SIG_SETMASK, &others, &before);
    try {
      for (; threads_ < wanted; ++threads_) std::thread([this] { serve(); }).detach();
    } catch (const std::exception&) {
      // The system gives no more threads; the existing ones do the work.
    }
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }

  [[noreturn]] void serve() {
    std::unique_lock lock(mutex_);
    for (;;) {
      if (jobs_.empty() && looking_ < most_looking()) look_for_a_job(lock);
      has_job_.wait(lock, [&] { return !jobs_.empty(); });
      Job& job = *jobs_.front();
      if (--job.openings == 0) jobs_.erase(jobs_.begin());
      has_jobs_ = !jobs_.empty();
      ++job.running;
      lock.unlock();
      std::exception_ptr failure;
      try {
        job.work();
      } catch (...) {
        failure = std::current_exception();
      }
      lock.lock();
      if (failure) job.failure = failure;
      failure = nullptr;  // now, while no other thread can be using it
      // The job may be gone from here on: its caller looks without the lock.
      if (--job.running == 0) job_ended_.notify_all();
    }
  }

  std::mutex mutex_;
  std::condition_variable has_job_;
  std::condition_variable job_ended_;
  std::vector<Job*> jobs_;  ///< in the order in which they came
  int threads_ = 0;
  // For those who look without the lock; written by those who hold it.
  std::atomic<bool> has_jobs_ = false;
  std::atomic<int> looking_ = 0;                      ///< the number of threads that look for a job
  std::atomic<Clock::rep> last_end_ = Clock::rep{0};  ///< when work ended the last time
};

// Never destroyed: its threads still wait in it when main has ended.
alignas(ThreadPool) std::byte pool_memory[sizeof(ThreadPool)];
ThreadPool* pool = nullptr;

/// Makes a new pool, in a child process as well, which has none of the threads, and a pool in
/// whatever state it had during the fork. Nothing is allocated: another thread may have held an
/// allocator's lock during the fork, and then nobody gives it back.
void make_pool() { pool = new (pool_memory) ThreadPool; }

ThreadPool& the_pool() {
  static std::once_flag once;
  std::call_once(once, [] {
    make_pool();
    pthread_atfork(nullptr, nullptr, make_pool);
  });
  return *pool;
}

}  // namespace

void run_on_threads(int helpers, const std::function<void()>& work) {
  if (helpers <= 0) return work();
  the_pool().run(helpers, work);
}

int threads_at_hand() { return the_pool().at_hand(); }

void note_end_of_work() { the_pool().note_end(); }

}  // namespace multibuffer
