#pragma once

#include <multibuffer/error.hpp>

#include "host/support/text.hpp"

#include <cstdint>
#include <string_view>

namespace multibuffer {

/// Compute a * b and a + b. Throw `size_overflow`, naming the quantity, if it does not fit.
inline std::int64_t checked_multiply(std::int64_t a, std::int64_t b, std::string_view what) {
  std::int64_t result = 0;
  if (__builtin_mul_overflow(a, b, &result))
    throw Failure(Errc::size_overflow,
                  text(what, " is ", a, " * ", b, ", which does not fit in 64 bits"));
  return result;
}

inline std::int64_t checked_add(std::int64_t a, std::int64_t b, std::string_view what) {
  std::int64_t result = 0;
  if (__builtin_add_overflow(a, b, &result))
    throw Failure(Errc::size_overflow,
                  text(what, " is ", a, " + ", b, ", which does not fit in 64 bits"));
  return result;
}

}  // namespace multibuffer
