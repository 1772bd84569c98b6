#pragma once

#include <multibuffer/error.hpp>
#include <multibuffer/watch.hpp>

#include "host/python/support/gil.hpp"
#include "host/python/support/progress.hpp"

#include <pybind11/pybind11.h>

#include <chrono>
#include <cstdint>
#include <stop_token>

namespace multibuffer::python {

/// Stops work that runs without the GIL when a signal handler raises (Ctrl-C, usually) or the
/// call's `progress` does, and reports to that.
class Interrupt {
 public:
  explicit Interrupt(const Progress& progress) : progress_(progress) {}

  /// Makes the `Watch` for the work; calls come back on the thread that has released the GIL.
  Watch watch(GilReleased& released) {
    return {stop_.get_token(), [this, &released](std::int64_t done, std::int64_t total) {
              check(released, done, total);
            }};
  }
  bool raised() const noexcept { return raised_; }

 private:
  using Clock = std::chrono::steady_clock;
  /// Taking the GIL may wait for other threads: often enough for a person, too seldom to cost.
  static constexpr std::chrono::milliseconds period{20};

  void check(GilReleased& released, std::int64_t done, std::int64_t total) {
    // Whoever asked for progress hears of the first and of the last bytes, too.
    const bool is_told = progress_ && (done >= total || !was_told_);
    if (raised_ || (!is_told && Clock::now() < next_)) return;
    next_ = Clock::now() + period;
    was_told_ = true;
    // The exception stays set on this thread until `without_gil` throws it.
    released.with_gil([&] {
      raised_ = PyErr_CheckSignals() != 0 || (progress_ && !progress_.tell(done, total));
    });
    if (raised_) stop_.request_stop();
  }

  const Progress& progress_;
  std::stop_source stop_;
  Clock::time_point next_ = Clock::now() + period;
  bool raised_ = false;
  bool was_told_ = false;
};

/// Runs `work`, which takes a `Watch`, with the GIL released. What `progress` or a signal handler
/// raises stops the work and is thrown.
template <class Work>
auto without_gil(const Work& work, const Progress& progress = {}) {
  Interrupt interrupt(progress);
  try {
    auto result = [&] {
      GilReleased released;
      return work(interrupt.watch(released));
    }();
    if (!interrupt.raised()) return result;
  } catch (const Error&) {
    if (!interrupt.raised()) throw;
  }
  throw pybind11::error_already_set();
}

/// Runs work on the host that moves this many bytes: with the GIL held if they are few, which are
/// moved sooner than the GIL has changed hands.
template <class Work>
auto without_gil_for(std::int64_t bytes, const Work& work, const Progress& progress = {}) {
  constexpr std::int64_t few = std::int64_t{1} << 16;
  return bytes <= few && !progress ? work(Watch()) : without_gil(work, progress);
}

}  // namespace multibuffer::python
