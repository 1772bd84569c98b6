#pragma once

#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <optional>
#include <vector>

namespace multibuffer::cuda {

/// Lends the slots 0 ... count - 1, each to one thread at a time, in the order in which they came
/// back. A thread that waits for a slot must hold none, or threads might wait for each other.
class SlotQueue {
 public:
  explicit SlotQueue(std::size_t count) : idle_(count), count_(count) {
    for (std::size_t slot = 0; slot < count; ++slot) idle_[slot] = slot;
  }
  SlotQueue(const SlotQueue&) = delete;
  SlotQueue& operator=(const SlotQueue&) = delete;

  /// Waits for a slot and takes it.
  std::size_t take() {
    std::unique_lock lock(mutex_);
    returned_.wait(lock, [this] { return count_ > 0; });
    return pop();
  }

  /// Takes a slot if one is free now, for a thread that holds others.
  std::optional<std::size_t> take_another() {
    const std::lock_guard lock(mutex_);
    if (count_ == 0) return std::nullopt;
    return pop();
  }

  void put_back(std::size_t slot) noexcept {
    {
      const std::lock_guard lock(mutex_);
      idle_[(first_ + count_++) % idle_.size()] = slot;
    }
    returned_.notify_one();
  }

 private:
  std::size_t pop() {
    const std::size_t slot = idle_[first_];
    first_ = (first_ + 1) % idle_.size();
    --count_;
    return slot;
  }

  std::mutex mutex_;
  std::condition_variable returned_;
  std::vector<std::size_t> idle_;  ///< a ring with room for all, so that no return allocates
  std::size_t first_ = 0;
  std::size_t count_;
};

}  // namespace multibuffer::cuda
