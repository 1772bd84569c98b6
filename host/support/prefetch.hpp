#pragma once

#include <cstddef>
#include <cstdint>

namespace multibuffer {

// A program that asks for memory early finds it in the caches when it needs it. The addresses may
// be any: where there is no memory, nothing happens.
//
// The instructions are written out, since GCC takes a function of nothing but `__builtin_prefetch`
// for one without an effect. It then drops the calls that it does not inline first, such as those
// of a parameter: gathers lost half of their speed so, and no result tells.

/// Prefetches the cache line of `at` into the first cache.
inline void prefetch_to_first_cache(const void* at) {
#if defined(__x86_64__)
  asm volatile("prefetcht0 (%0)" : : "r"(at));
#elif defined(__aarch64__)
  asm volatile("prfm pldl1keep, [%0]" : : "r"(at));
#else
  __builtin_prefetch(at);
  asm volatile("" : : "r"(at));
#endif
}

/// Prefetches the cache line of `at` into the second cache. The requests that the first one may
/// have under way are soon used up (sixteen lines on Intel's cores), and then copies of what is
/// there have to wait.
inline void prefetch_to_second_cache(const void* at) {
#if defined(__x86_64__)
  asm volatile("prefetcht1 (%0)" : : "r"(at));
#elif defined(__aarch64__)
  asm volatile("prfm pldl2keep, [%0]" : : "r"(at));
#else
  __builtin_prefetch(at, 0, 2);
  asm volatile("" : : "r"(at));
#endif
}

/// Prefetches the line that lies `bytes` beyond, or before, `from`, into the second cache.
inline void prefetch_from(const std::byte* from, std::int64_t bytes) {
  const auto first = reinterpret_cast<std::uintptr_t>(from);
  // NOLINTNEXTLINE(performance-no-int-to-ptr): may lie outside of all memory
  prefetch_to_second_cache(
      reinterpret_cast<const void*>(first + static_cast<std::uintptr_t>(bytes)));
}

}  // namespace multibuffer
