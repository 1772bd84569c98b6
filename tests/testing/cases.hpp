#pragma once

#include <algorithm>
#include <concepts>
#include <cstdlib>
#include <string_view>

namespace multibuffer::testing {

/// Returns how many of `all` cases a test tries, or how large one is that could be `all`: all where
/// MULTIBUFFER_TEST_CASES is `all`, which `./dev test --long` sees to; else the first quarter, or
/// under the sanitizers, where each takes ten times as long, the first sixteenth.
template <std::integral Count>
Count cases(Count all) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  constexpr Count part = 16;
#else
  constexpr Count part = 4;
#endif
  static const char* const asked = std::getenv("MULTIBUFFER_TEST_CASES");
  return asked && std::string_view(asked) == "all" ? all : std::max<Count>(1, all / part);
}

}  // namespace multibuffer::testing
