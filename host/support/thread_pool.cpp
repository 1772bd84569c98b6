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
  int openings;                          ///< how many more threads may join
  int running = 0;                       ///< how many have
  std::exception_ptr failure = nullptr;  ///< of one of those
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

  /// Nobody needs to come any more; those who came are waited for.
  void finish(Job& job) {
    std::unique_lock lock(mutex_);
    std::erase(jobs_, &job);
    job_ended_.wait(lock, [&] { return job.running == 0; });
  }

  void start_threads(int wanted) {
    // Signals are for the threads of the program that uses the library; but for those of a thread's
    // own faults, for which that program may have a handler, too: blocked, they would end it.
    sigset_t others, before;
    sigfillset(&others);
    for (const int fault : {SIGBUS, SIGSEGV, SIGFPE, SIGILL, SIGTRAP, SIGSYS})
      sigdelset(&others, fault);
    pthread_sigmask(SIG_SETMASK, &others, &before);
    try {
      for (; threads_ < wanted; ++threads_) std::thread([this] { serve(); }).detach();
    } catch (const std::exception&) {
      // No more threads are to be had: those there are do the work.
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
      failure = nullptr;  // here rather than when another thread may be using it
      if (--job.running == 0) job_ended_.notify_all();
    }
  }

  std::mutex mutex_;
  std::condition_variable has_job_;
  std::condition_variable job_ended_;
  std::deque<Job*> jobs_;
  int threads_ = 0;
};

// Never destroyed: its threads wait in it when main has ended.
ThreadPool* pool = nullptr;

/// A child process has none of the threads, and whatever they left behind when it was forked.
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
