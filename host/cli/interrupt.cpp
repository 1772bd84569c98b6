#include "host/cli/interrupt.hpp"

#include "host/files/whole_file.hpp"

#include <pthread.h>
#include <unistd.h>

#include <ctime>
#include <exception>

namespace multibuffer::cli {
namespace {

// Returns true if the process was started with the signal ignored, as by nohup or for a shell's
// background jobs. It then stays ignored.
bool is_ignored(int signal) {
  struct sigaction action {};
  return sigaction(signal, nullptr, &action) == 0 && action.sa_handler == SIG_IGN;
}

}  // namespace

Interrupt::Interrupt() {
  // A limit on the size of files becomes an error of the write, instead of ending the process.
  std::signal(SIGXFSZ, SIG_IGN);
  sigemptyset(&signals_);
  for (const int signal : {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGXCPU}) {
    if (!is_ignored(signal)) sigaddset(&signals_, signal);
  }
  sigset_t blocked = signals_;
  sigaddset(&blocked, SIGUSR1);  // wakes the waiting thread at the end
  sigset_t before;
  pthread_sigmask(SIG_BLOCK, &blocked, &before);
  try {
    waiter_ = std::thread([this] { wait(); });
  } catch (const std::exception&) {
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }
}

Interrupt::~Interrupt() {
  if (!waiter_.joinable()) return;
  done_ = true;
  pthread_kill(waiter_.native_handle(), SIGUSR1);
  waiter_.join();
}

void Interrupt::wait() {
  sigset_t awaited = signals_;
  sigaddset(&awaited, SIGUSR1);
  int signal = 0;
  do {
    if (sigwait(&awaited, &signal) != 0 || done_) return;
  } while (signal == SIGUSR1);
  signal_ = signal;
  source_.request_stop();
  const timespec patience{.tv_sec = 2, .tv_nsec = 0};
  sigtimedwait(&awaited, nullptr, &patience);
  if (done_) return;
  files::discard_unfinished_files();
  _exit(128 + signal);
}

}  // namespace multibuffer::cli
