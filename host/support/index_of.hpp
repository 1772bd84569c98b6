#pragma once

#include <cstddef>
#include <cstdint>

namespace multibuffer {

/// A number that is known not to be negative, as containers of the standard library count.
constexpr std::size_t index_of(std::int64_t number) noexcept {
  return static_cast<std::size_t>(number);
}

}  // namespace multibuffer
