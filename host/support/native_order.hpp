#pragma once

#include <bit>

namespace multibuffer {

/// Whether this machine's numbers begin with their least significant byte.
inline constexpr bool native_little = std::endian::native == std::endian::little;

}  // namespace multibuffer
