#pragma once

// GCC says by macros which sanitizers a build has, clang by features.
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define MULTIBUFFER_ADDRESS_SANITIZER
#endif
#if __has_feature(thread_sanitizer)
#define MULTIBUFFER_THREAD_SANITIZER
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define MULTIBUFFER_ADDRESS_SANITIZER
#endif
#if defined(__SANITIZE_THREAD__)
#define MULTIBUFFER_THREAD_SANITIZER
#endif

namespace multibuffer {

#if defined(MULTIBUFFER_ADDRESS_SANITIZER)
inline constexpr bool has_address_sanitizer = true;
#else
inline constexpr bool has_address_sanitizer = false;
#endif

#if defined(MULTIBUFFER_THREAD_SANITIZER)
inline constexpr bool has_thread_sanitizer = true;
#else
inline constexpr bool has_thread_sanitizer = false;
#endif

/// A build with a sanitizer is many times slower than usual, and needs more memory.
inline constexpr bool has_sanitizer = has_address_sanitizer || has_thread_sanitizer;

}  // namespace multibuffer

#undef MULTIBUFFER_ADDRESS_SANITIZER
#undef MULTIBUFFER_THREAD_SANITIZER
