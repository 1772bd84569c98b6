#pragma once

#include <functional>

namespace multibuffer {

/// Calls `work` on this thread and on up to `helpers` others at the same time, and returns when all
/// that began have ended. The others are kept for the next call, are shared by all callers, and may
/// be fewer than asked for, or none, where the system allows no more: `work` divides what there is
/// to do among whoever comes. What it throws on another thread is thrown here; of several
/// exceptions, one.
void run_on_threads(int helpers, const std::function<void()>& work);

}  // namespace multibuffer
