#pragma once

#include <concepts>
#include <type_traits>

namespace multibuffer {

/// How many pieces of `b` (above 0) it takes to hold `a` (0 or more), and the size of them all.
template <std::integral T>
constexpr T ceil_divide(T a, std::type_identity_t<T> b) {
  return static_cast<T>(a / b + (a % b != 0 ? 1 : 0));
}
template <std::integral T>
constexpr T round_up(T a, std::type_identity_t<T> b) {
  return static_cast<T>(ceil_divide(a, b) * b);
}

}  // namespace multibuffer
