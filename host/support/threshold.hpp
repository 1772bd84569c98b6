#pragma once

#include <cstdint>
#include <cstdlib>
#include <string_view>

namespace multibuffer {

/// Returns true if MULTIBUFFER_THRESHOLDS is `least`. It is read once.
inline bool wants_least_thresholds() {
  static const bool wants = [] {
    const char* const asked = std::getenv("MULTIBUFFER_THRESHOLDS");
    return asked && std::string_view(asked) == "least";
  }();
  return wants;
}

/// A size that decides between two ways to do one thing: what pays is `usual`. Tests ask for the
/// `least` with which all works, so that small arrays go the ways of large ones; both ways must
/// give equal results. Hot loops copy the size first.
class Threshold {
 public:
  constexpr Threshold(std::int64_t usual, std::int64_t least) : usual_(usual), least_(least) {}

  std::int64_t value() const { return wants_least_thresholds() ? least_ : usual_; }
  operator std::int64_t() const { return value(); }

 private:
  std::int64_t usual_;
  std::int64_t least_;
};

}  // namespace multibuffer
