#pragma once

#include "host/support/sanitizers.hpp"

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
  constexpr Count part = has_sanitizer ? 16 : 4;
  static const char* const asked = std::getenv("MULTIBUFFER_TEST_CASES");
  return asked && std::string_view(asked) == "all" ? all : std::max<Count>(1, all / part);
}

}  // namespace multibuffer::testing
