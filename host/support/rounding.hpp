#pragma once

#include <concepts>
#include <type_traits>

namespace multibuffer {

/// Return how many pieces of `b` > 0 hold `a` >= 0, and the size of those pieces together.
template <std::integral T>
constexpr T ceil_divide(T a, std::type_identity_t<T> b) {
  return static_cast<T>(a / b + (a % b != 0 ? 1 : 0));
}
template <std::integral T>
constexpr T round_up(T a, std::type_identity_t<T> b) {
  return static_cast<T>(ceil_divide(a, b) * b);
}

}  // namespace multibuffer
