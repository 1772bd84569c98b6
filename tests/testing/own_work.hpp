#pragma once

#include <utility>

namespace multibuffer::testing {

/// While an object lives, what its thread does is the test's own, or the fake runtime's: no
/// allocation and no call of CUDA is made to fail, and none is counted.
class OwnWork {
 public:
  OwnWork() { ++depth_; }
  ~OwnWork() { --depth_; }
  OwnWork(const OwnWork&) = delete;
  OwnWork& operator=(const OwnWork&) = delete;

  static bool is_under_way() { return depth_ > 0; }

  /// While one lives, what its thread does is the library's again.
  class Pause {
   public:
    Pause() : before_(std::exchange(depth_, 0)) {}
    ~Pause() { depth_ = before_; }
    Pause(const Pause&) = delete;
    Pause& operator=(const Pause&) = delete;

   private:
    int before_;
  };

 private:
  inline static thread_local int depth_ = 0;
};

}  // namespace multibuffer::testing
