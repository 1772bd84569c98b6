#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <mutex>
#include <optional>

namespace multibuffer::cuda {

/// Lends the slots 0 ... count - 1, each to one thread at a time, in the order in which they came
/// back. A thread that waits for a slot must hold none, or threads might wait for each other.
class SlotQueue {
 public:
  explicit SlotQueue(std::size_t count) {
    for (std::size_t slot = 0; slot < count; ++slot) idle_.push_back(slot);
  }
  SlotQueue(const SlotQueue&) = delete;
  SlotQueue& operator=(const SlotQueue&) = delete;

  /// Waits for a slot and takes it.
  std::size_t take() {
    std::unique_lock lock(mutex_);
    returned_.wait(lock, [this] { return !idle_.empty(); });
    return pop();
  }

  /// Takes a slot if one is free now, for a thread that holds others.
  std::optional<std::size_t> take_another() {
    const std::lock_guard lock(mutex_);
    if (idle_.empty()) return std::nullopt;
    return pop();
  }

  void put_back(std::size_t slot) {
    {
      const std::lock_guard lock(mutex_);
      idle_.push_back(slot);
    }
    returned_.notify_one();
  }

 private:
  std::size_t pop() {
    const std::size_t slot = idle_.front();
    idle_.pop_front();
    return slot;
  }

  std::mutex mutex_;
  std::condition_variable returned_;
  std::deque<std::size_t> idle_;
};

}  // namespace multibuffer::cuda
