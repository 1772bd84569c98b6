#pragma once

#include <cstdint>

/// The program that is linked with failing_allocation.cpp has these forms of operator new and
/// delete, which count. Allocations within an `OwnWork` are not counted and never made to fail.
namespace multibuffer::testing {

/// What has been allocated by operator new and not deleted yet.
struct LiveAllocations {
  std::int64_t blocks = 0;
  std::int64_t bytes = 0;
};
LiveAllocations live_allocations();

/// Makes one allocation of the process fail: std::bad_alloc, or null where that is asked for. There
/// may be one object at a time.
class FailingAllocation {
 public:
  /// `number` allocations, of any thread, succeed before, from now on.
  explicit FailingAllocation(std::int64_t number);
  ~FailingAllocation();
  FailingAllocation(const FailingAllocation&) = delete;
  FailingAllocation& operator=(const FailingAllocation&) = delete;

  bool has_fired() const { return seen() > number_; }
  std::int64_t seen() const;  ///< allocations so far, with the one that failed

 private:
  std::int64_t number_;
};

}  // namespace multibuffer::testing
