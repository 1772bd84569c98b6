#pragma once

#include <multibuffer/error.hpp>
#include <multibuffer/watch.hpp>

#include "host/python/support/gil.hpp"

#include <pybind11/pybind11.h>

#include <chrono>
#include <cstdint>
#include <stop_token>

namespace multibuffer::python {

/// Stops work that runs without the GIL when a signal handler raises: Ctrl-C, usually.
class Interrupt {
 public:
  /// For the work; calls come back on the thread that has let go of the GIL.
  Watch watch(GilReleased& released) {
    return {stop_.get_token(), [this, &released](std::int64_t, std::int64_t) { check(released); }};
  }
  bool raised() const noexcept { return raised_; }

 private:
  using Clock = std::chrono::steady_clock;
  /// Taking the GIL may wait for other threads: often enough for a person, too seldom to cost.
  static constexpr std::chrono::milliseconds period{20};

  void check(GilReleased& released) {
    if (raised_ || Clock::now() < next_) return;
    next_ = Clock::now() + period;
    // The exception stays set on this thread until `without_gil` throws it.
    released.with_gil([this] { raised_ = PyErr_CheckSignals() != 0; });
    if (raised_) stop_.request_stop();
  }

  std::stop_source stop_;
  Clock::time_point next_ = Clock::now() + period;
  bool raised_ = false;
};

/// Runs `work`, which takes a `Watch`, with the GIL released.
template <class Work>
auto without_gil(const Work& work) {
  Interrupt interrupt;
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

/// The same for work on the host that moves this many bytes: few are moved sooner than the GIL has
/// changed hands.
template <class Work>
auto without_gil_for(std::int64_t bytes, const Work& work) {
  constexpr std::int64_t few = std::int64_t{1} << 16;
  return bytes <= few ? work(Watch()) : without_gil(work);
}

}  // namespace multibuffer::python
