#pragma once

#include <cstdint>
#include <string>

/// The linker sends the calls of a program with failing_system_call.cpp, and of the libraries in
/// it, through here (`--wrap`, in tests/CMakeLists.txt).
namespace multibuffer::testing {

/// Makes one call of open, fstat, stat, mmap or pread fail. Those within an `OwnWork` are spared.
/// There may be one object at a time.
class FailingSystemCall {
 public:
  explicit FailingSystemCall(std::int64_t number);  ///< as many calls succeed before
  ~FailingSystemCall();
  FailingSystemCall(const FailingSystemCall&) = delete;
  FailingSystemCall& operator=(const FailingSystemCall&) = delete;

  bool has_fired() const { return !call().empty(); }
  std::string call() const;
  std::int64_t seen() const;
};

}  // namespace multibuffer::testing
