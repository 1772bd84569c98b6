#pragma once

#include <functional>

namespace multibuffer {

/// Calls `work` on this thread and on up to `helpers` others at the same time, and returns when all
/// calls have ended. The helpers are kept for later calls and shared by all callers. There may be
/// fewer than asked for, or none, if the system allows no more, so `work` must divide the task
/// among the threads that come. One of the exceptions thrown on any thread is thrown here.
void run_on_threads(int helpers, const std::function<void()>& work);

/// Returns the number of helpers that have just ended some work, and are not asleep yet: they take
/// part in more at once, where waking others takes tens of microseconds.
int threads_awake();

}  // namespace multibuffer
