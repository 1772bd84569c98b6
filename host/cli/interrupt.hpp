#pragma once

#include <atomic>
#include <csignal>
#include <stop_token>
#include <thread>

namespace multibuffer::cli {

/// Turns the signals that ask a program to end (Ctrl-C, a closed terminal, SIGTERM, and their like)
/// into a request to stop. If work does not heed it within two seconds, or before a second signal,
/// the process ends. Unfinished files are removed in both cases. Construct it before any other
/// thread, because threads inherit their signal masks. If no thread can be made, signals end the
/// process as they do by default.
class Interrupt {
 public:
  Interrupt();
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  std::stop_token token() const { return source_.get_token(); }
  /// Returns the signal that came, or 0.
  int signal() const noexcept { return signal_; }

 private:
  void wait();

  sigset_t signals_;
  std::stop_source source_;
  std::atomic<int> signal_ = 0;
  std::atomic<bool> done_ = false;
  std::thread waiter_;
};

}  // namespace multibuffer::cli
