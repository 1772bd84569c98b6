#pragma once

#include <multibuffer/format.hpp>
#include <multibuffer/verify.hpp>

#include <cstddef>

namespace multibuffer {

/// Throws `invalid_argument` for a tolerance that is negative or not finite, and
/// `format_unsupported` for elements that cannot be compared by it.
void check_tolerance(const Tolerance& tolerance, const Format& format);

/// Returns true if two elements of `type` differ by no more than `tolerance`, which
/// `check_tolerance` has let pass.
bool are_close(const Type& type, const std::byte* actual, const std::byte* expected,
               const Tolerance& tolerance);

}  // namespace multibuffer
