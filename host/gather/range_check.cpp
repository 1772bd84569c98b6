#include "host/gather/range_check.hpp"

#include "host/bytes/simd.hpp"

#include <algorithm>
#include <limits>
#include <type_traits>

namespace multibuffer {
namespace {

/// Looks at all of them, without a branch that depends on one, and in their own width, so that a
/// vector holds as many as it can.
template <class T>
bool any_beyond(const T* values, std::int64_t count, std::int64_t extent) {
  using Unsigned = std::make_unsigned_t<T>;
  using Limits = std::numeric_limits<T>;
  const auto least = static_cast<T>(std::max<std::int64_t>(-extent, Limits::min()));
  const auto greatest = static_cast<T>(std::min<std::int64_t>(extent - 1, Limits::max()));
  const auto range =
      static_cast<Unsigned>(static_cast<Unsigned>(greatest) - static_cast<Unsigned>(least));
  Unsigned any = 0;
  for (std::int64_t i = 0; i < count; ++i)
    any |= static_cast<Unsigned>(static_cast<Unsigned>(values[i]) - static_cast<Unsigned>(least)) >
                   range
               ? 1
               : 0;
  return any != 0;
}

using Check = bool(const void* values, int bytes_each, std::int64_t count, std::int64_t extent);

bool check_narrow(const void* values, int bytes_each, std::int64_t count, std::int64_t extent) {
  if (bytes_each == 4) return any_beyond(static_cast<const std::int32_t*>(values), count, extent);
  return any_beyond(static_cast<const std::int64_t*>(values), count, extent);
}
// The first vectors of x86 compare no integers of 64 bits: 0.66 ns each so, 0.15 with these.
MULTIBUFFER_ARITHMETIC bool check_wide(const void* values, int bytes_each, std::int64_t count,
                                       std::int64_t extent) {
  return check_narrow(values, bytes_each, count, extent);
}

}  // namespace

bool any_out_of_range(const void* values, int bytes_each, std::int64_t count, std::int64_t extent) {
  static Check* const check = has_wide_arithmetic() ? check_wide : check_narrow;
  return check(values, bytes_each, count, extent);
}

}  // namespace multibuffer
