#include "host/support/thread_pool.hpp"

#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <thread>

namespace multibuffer {
namespace {

struct Job {
  const std::function<void()>& work;
  int openings;                          ///< the number of threads that may still join
  int running = 0;                       ///< the number that have joined and not left
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

 private:
  void post(Job& job) {
    const int helpers = job.openings;
    {
      const std::lock_guard lock(mutex_);
      start_threads(helpers);
      jobs_.push_back(&job);
    }
    for (int i = 0; i < helpers; ++i) has_job_.notify_one();
  }

  /// Lets no more threads join, and waits for those that have.
  void finish(Job& job) {
    std::unique_lock lock(mutex_);
    std::erase(jobs_, &job);
    job_ended_.wait(lock, [&] { return job.running == 0; });
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
      has_job_.wait(lock, [&] { return !jobs_.empty(); });
      Job& job = *jobs_.front();
      if (--job.openings == 0) jobs_.pop_front();
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
      if (--job.running == 0) job_ended_.notify_all();
    }
  }

  std::mutex mutex_;
  std::condition_variable has_job_;
  std::condition_variable job_ended_;
  std::deque<Job*> jobs_;
  int threads_ = 0;
};

// Never destroyed: its threads still wait in it when main has ended.
ThreadPool* pool = nullptr;

/// Makes a new pool in a child process, which has none of the threads and a pool in whatever state
/// it had during the fork.
void make_pool() { pool = new ThreadPool; }

}  // namespace

void run_on_threads(int helpers, const std::function<void()>& work) {
  if (helpers <= 0) return work();
  static std::once_flag once;
  std::call_once(once, [] {
    make_pool();
    pthread_atfork(nullptr, nullptr, make_pool);
  });
  pool->run(helpers, work);
}

}  // namespace multibuffer
