#pragma once

#include <functional>

namespace multibuffer {

/// Calls `work` on this thread and on up to `helpers` others at the same time, and returns when all
/// calls have ended. The helpers are kept for later calls and shared by all callers. There may be
/// fewer than asked for, or none, if the system allows no more, so `work` must divide the task
/// among the threads that come. One of the exceptions thrown on any thread is thrown here.
void run_on_threads(int helpers, const std::function<void()>& work);

/// Returns the number of helpers that are at hand: those that have nothing to do and are not asleep
/// yet and, where work follows so closely that whoever is woken now will be awake the next time,
/// those that may be. Others may count on them as well.
int threads_at_hand();

/// Says that work which helpers could have taken part in has ended just now.
void note_end_of_work();

}  // namespace multibuffer
