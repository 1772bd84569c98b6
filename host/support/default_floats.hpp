#pragma once

#include <cfenv>

namespace multibuffer {

/// Makes this thread's floating-point arithmetic that of IEEE 754's defaults, until it is
/// destroyed. A program may have threads flush subnormal numbers to zero, or round upwards.
class DefaultFloats {
 public:
  DefaultFloats() {
    std::fegetenv(&callers_);
    std::fesetenv(FE_DFL_ENV);
  }
  ~DefaultFloats() { std::fesetenv(&callers_); }
  DefaultFloats(const DefaultFloats&) = delete;
  DefaultFloats& operator=(const DefaultFloats&) = delete;

 private:
  std::fenv_t callers_{};
};

}  // namespace multibuffer
