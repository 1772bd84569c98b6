#pragma once

#include "host/support/prefetch.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <utility>

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

// Sixteen bytes at a time, by the compiler's own vectors: every x86-64 and every 64-bit Arm has
// them, and memory, not arithmetic, limits what they are used for here. What only some x86-64 have
// is asked for when the program runs. What depends on the machine is in this file, but for
// conversions (host/bytes/number_vectors.hpp), prefetches (host/support/prefetch.hpp) and a thread
// that waits (host/support/thread_pool.cpp).

namespace multibuffer {

inline constexpr std::size_t vector_bytes = 16;
inline constexpr std::int64_t cache_line_bytes = 64;  ///< of a cache

/// How far into its cache line `at` is, and how far before the next one; 0 where it begins one.
inline std::int64_t offset_in_cache_line(const std::byte* at) {
  return static_cast<std::int64_t>(reinterpret_cast<std::uintptr_t>(at) % cache_line_bytes);
}
inline std::int64_t bytes_to_cache_line(const std::byte* at) {
  return (cache_line_bytes - offset_in_cache_line(at)) % cache_line_bytes;
}

/// Prefetches the lines of `bytes` bytes from `row` on, and always the first, into the second
/// cache.
inline void prefetch_lines(const std::byte* row, std::int64_t bytes) {
  prefetch_to_second_cache(row);
  for (std::int64_t at = cache_line_bytes - offset_in_cache_line(row); at < bytes;
       at += cache_line_bytes)
    prefetch_to_second_cache(row + at);
}

/// Prefetches the first lines of a row; the hardware follows a longer one by itself.
inline void prefetch_row(const std::byte* row, std::int64_t bytes) {
  constexpr std::int64_t most = 4096;
  prefetch_lines(row, bytes < most ? bytes : most);
}

template <class Item>
using Vector [[gnu::vector_size(16)]] = Item;

template <class V>
V load(const std::byte* from) {
  V vector;
  std::memcpy(&vector, from, sizeof vector);
  return vector;
}

template <class V>
void store(std::byte* to, const V& vector) {
  std::memcpy(to, &vector, sizeof vector);
}

/// The items of the first (`From` = 0) or second (`From` = N / 2) halves of `a` and `b` in turn.
template <std::size_t From, class V, std::size_t... I>
V interleave_from(const V& a, const V& b, std::index_sequence<I...> /*lanes*/) {
  return __builtin_shufflevector(a, b, (From + I / 2 + I % 2 * sizeof...(I))...);
}
template <class Item, std::size_t N = vector_bytes / sizeof(Item)>
Vector<Item> interleave_lower(const Vector<Item>& a, const Vector<Item>& b) {
  return interleave_from<0>(a, b, std::make_index_sequence<N>());
}
template <class Item, std::size_t N = vector_bytes / sizeof(Item)>
Vector<Item> interleave_upper(const Vector<Item>& a, const Vector<Item>& b) {
  return interleave_from<N / 2>(a, b, std::make_index_sequence<N>());
}

// A function with MULTIBUFFER_SHUFFLES, and all that is inlined into it, moves the items of a
// vector to any places in one instruction, and can call `shuffled`; it may be called where
// `has_shuffles`. One with MULTIBUFFER_WIDE may be called where `has_wide_vectors`, and can
// `nontemporal_store_wide_line`, `copy_wide_line`, `WideLine` and `SixteenNumbers`. In one with
// MULTIBUFFER_PERMUTES, for where `has_permutes`, there is `put_permuted` as well. In one with
// MULTIBUFFER_ARITHMETIC, for where `has_wide_arithmetic`, the compiler's own vectors are of 32
// bytes, of integers as well; in one with MULTIBUFFER_FUSED, for where `has_fused`,
// `__builtin_fmaf` is an instruction besides, and in one with MULTIBUFFER_HALVES, for where
// `has_halves`, there is `EightNumbers`. Conversions are in host/bytes/number_vectors.hpp.
#if defined(__x86_64__)
#define MULTIBUFFER_SHUFFLES [[gnu::target("ssse3"), gnu::flatten]]
#define MULTIBUFFER_WIDE [[gnu::target("avx512f,avx512bw,bmi2"), gnu::flatten]]
#define MULTIBUFFER_PERMUTES [[gnu::target("avx512f,avx512bw,avx512vbmi,bmi2"), gnu::flatten]]
#define MULTIBUFFER_ARITHMETIC [[gnu::target("avx2"), gnu::flatten]]
#define MULTIBUFFER_FUSED [[gnu::target("avx2,fma"), gnu::flatten]]
#define MULTIBUFFER_HALVES [[gnu::target("avx2,f16c"), gnu::flatten]]
/// MULTIBUFFER_BASELINE asks for no instructions that not every processor has, or with the value
/// `avx2` for none beyond AVX2, so that tests run the code for such processors as well.
inline const char* baseline() {
  static const char* const asked = std::getenv("MULTIBUFFER_BASELINE");
  return asked;
}
inline bool wants_baseline() { return baseline() && std::strcmp(baseline(), "avx2") != 0; }
inline bool has_shuffles() { return __builtin_cpu_supports("ssse3") != 0 && !wants_baseline(); }
inline bool has_wide_vectors() {
  return __builtin_cpu_supports("avx512bw") != 0 && __builtin_cpu_supports("bmi2") != 0 &&
         !baseline();
}
inline bool has_permutes() {
  return __builtin_cpu_supports("avx512vbmi") != 0 && has_wide_vectors();
}
inline bool has_wide_arithmetic() {
  return __builtin_cpu_supports("avx2") != 0 && !wants_baseline();
}
inline bool has_fused() { return __builtin_cpu_supports("fma") != 0 && has_wide_arithmetic(); }
inline bool has_halves() {
  static const bool has = [] {  // clang 14 does not know the name "f16c"
    unsigned a = 0, b = 0, c = 0, d = 0;
    return __get_cpuid(1, &a, &b, &c, &d) != 0 && (c & bit_F16C) != 0;
  }();
  return has && has_wide_arithmetic();
}
#else
#define MULTIBUFFER_SHUFFLES [[gnu::flatten]]
#define MULTIBUFFER_WIDE [[gnu::flatten]]
#define MULTIBUFFER_PERMUTES [[gnu::flatten]]
#define MULTIBUFFER_ARITHMETIC [[gnu::flatten]]
#define MULTIBUFFER_FUSED [[gnu::flatten]]
#define MULTIBUFFER_HALVES [[gnu::flatten]]
#if defined(__aarch64__)
inline bool has_fused() { return true; }
#else
inline bool has_fused() { return false; }
#endif
inline bool has_wide_arithmetic() { return false; }
inline bool has_halves() { return false; }
inline bool has_shuffles() { return true; }
inline bool has_wide_vectors() { return false; }
inline bool has_permutes() { return false; }
#endif

/// The bytes of a vector that `lanes`, each of 0 ... 15, name; where `has_shuffles`.
#if defined(__x86_64__)
[[gnu::target("ssse3")]] inline Vector<std::uint8_t> shuffled(const Vector<std::uint8_t>& bytes,
                                                              const Vector<std::uint8_t>& lanes) {
  return Vector<std::uint8_t>(_mm_shuffle_epi8(__m128i(bytes), __m128i(lanes)));
}
#elif defined(__aarch64__)
inline Vector<std::uint8_t> shuffled(const Vector<std::uint8_t>& bytes,
                                     const Vector<std::uint8_t>& lanes) {
  return Vector<std::uint8_t>(vqtbl1q_u8(uint8x16_t(bytes), uint8x16_t(lanes)));
}
#else
inline Vector<std::uint8_t> shuffled(const Vector<std::uint8_t>& bytes,
                                     const Vector<std::uint8_t>& lanes) {
  Vector<std::uint8_t> result;
  for (std::size_t i = 0; i < vector_bytes; ++i) result[i] = bytes[lanes[i]];
  return result;
}
#endif

/// True where the compiler has non-temporal stores, which go past the caches.
#if defined(__x86_64__)
inline constexpr bool has_nontemporal_stores = true;
#else
inline constexpr bool has_nontemporal_stores = false;
#endif

/// Copies a cache line to `to`, a multiple of its size, by a non-temporal store where there is one.
/// `nontemporal_fence` orders later stores behind such stores.
inline void nontemporal_store_line(std::byte* to, const std::byte* from) {
#if defined(__x86_64__)
  for (std::size_t i = 0; i < cache_line_bytes; i += vector_bytes)
    _mm_stream_si128(reinterpret_cast<__m128i*>(to + i),
                     _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + i)));
#else
  std::memcpy(to, from, cache_line_bytes);
#endif
}
#if defined(__x86_64__)
/// Stores a whole line at once, so that the processor need not wait for the rest of it.
[[gnu::target("avx512f")]] inline void nontemporal_store_wide_line(std::byte* to,
                                                                   const std::byte* from) {
  _mm512_stream_si512(reinterpret_cast<__m512i*>(to), _mm512_loadu_si512(from));
}
/// Copies a cache line's size, by way of the caches.
[[gnu::target("avx512f")]] inline void copy_wide_line(std::byte* to, const std::byte* from) {
  _mm512_storeu_si512(to, _mm512_loadu_si512(from));
}
/// A cache line in a register. Never passed by value: functions for processors without such
/// registers pass such values in another way than those for processors with them.
struct WideLine {
  __m512i bytes;
};
/// The bytes of a line from `begin` to `end`, of which there is at least one.
[[gnu::target("bmi2")]] inline __mmask64 bytes_of_line(std::int64_t begin, std::int64_t end) {
  return _bzhi_u64(~std::uint64_t{0}, static_cast<unsigned>(end)) & (~std::uint64_t{0} << begin);
}
/// Puts those bytes of `line` there, from `from`. No others are read, but their lines may be
/// fetched.
[[gnu::target("avx512bw,bmi2")]] inline void put_bytes(WideLine& line, std::int64_t begin,
                                                       std::int64_t end, const std::byte* from) {
  const auto first = reinterpret_cast<std::uintptr_t>(from) - static_cast<std::uintptr_t>(begin);
  line.bytes = _mm512_mask_loadu_epi8(line.bytes, bytes_of_line(begin, end),
                                      reinterpret_cast<const void*>(first));
}
/// Puts bytes from `from` on at the end of `line`, from `begin` on, and reads a line's size from
/// `from` on, no bytes before.
[[gnu::target("avx512bw,bmi2")]] inline void put_first_bytes(WideLine& line, std::int64_t begin,
                                                             const std::byte* from) {
  alignas(64) std::byte moved[2 * cache_line_bytes];
  _mm512_storeu_si512(moved + begin, _mm512_loadu_si512(from));
  line.bytes = _mm512_mask_loadu_epi8(line.bytes, bytes_of_line(begin, cache_line_bytes), moved);
}
/// Puts the `count` bytes before `end` at the begin of `line`, and reads a line's size before
/// `end`, no bytes behind.
[[gnu::target("avx512bw,bmi2")]] inline void put_last_bytes(WideLine& line, std::int64_t count,
                                                            const std::byte* end) {
  alignas(64) std::byte moved[2 * cache_line_bytes];
  _mm512_store_si512(moved, _mm512_loadu_si512(end - cache_line_bytes));
  line.bytes =
      _mm512_mask_loadu_epi8(line.bytes, bytes_of_line(0, count), moved + cache_line_bytes - count);
}
/// Writes those bytes to the line at `to`, by way of the caches, and no others.
[[gnu::target("avx512bw,bmi2")]] inline void store_bytes(std::byte* to, std::int64_t begin,
                                                         std::int64_t end, const WideLine& line) {
  _mm512_mask_storeu_epi8(to, bytes_of_line(begin, end), line.bytes);
}
[[gnu::target("avx512f")]] inline void nontemporal_store_wide_line(std::byte* to,
                                                                   const WideLine& line) {
  _mm512_stream_si512(reinterpret_cast<__m512i*>(to), line.bytes);
}
[[gnu::target("avx512f")]] inline void copy_wide_line(std::byte* to, const WideLine& line) {
  _mm512_storeu_si512(to, line.bytes);
}
/// Puts bytes in those places of `line`: in each, the one that `lanes` names there, counted from
/// `from`. No others are read than those whose bits `wanted` has.
[[gnu::target("avx512bw,avx512vbmi,bmi2")]] inline void put_permuted(
    WideLine& line, std::int64_t begin, std::int64_t end, const WideLine& lanes,
    std::uint64_t wanted, const std::byte* from) {
  line.bytes = _mm512_mask_permutexvar_epi8(line.bytes, bytes_of_line(begin, end), lanes.bytes,
                                            _mm512_maskz_loadu_epi8(wanted, from));
}
#else
// Wide vectors are x86-64's alone: the others are never called.
inline void nontemporal_store_wide_line(std::byte* to, const std::byte* from) {
  nontemporal_store_line(to, from);
}
inline void copy_wide_line(std::byte* to, const std::byte* from) {
  std::memcpy(to, from, cache_line_bytes);
}
struct WideLine {};
inline void put_bytes(WideLine& /*line*/, std::int64_t /*begin*/, std::int64_t /*end*/,
                      const std::byte* /*from*/) {}
inline void put_first_bytes(WideLine& /*line*/, std::int64_t /*begin*/, const std::byte* /*from*/) {
}
inline void put_last_bytes(WideLine& /*line*/, std::int64_t /*count*/, const std::byte* /*end*/) {}
inline void store_bytes(std::byte* /*to*/, std::int64_t /*begin*/, std::int64_t /*end*/,
                        const WideLine& /*line*/) {}
inline void nontemporal_store_wide_line(std::byte* /*to*/, const WideLine& /*line*/) {}
inline void copy_wide_line(std::byte* /*to*/, const WideLine& /*line*/) {}
inline void put_permuted(WideLine& /*line*/, std::int64_t /*begin*/, std::int64_t /*end*/,
                         const WideLine& /*lanes*/, std::uint64_t /*wanted*/,
                         const std::byte* /*from*/) {}
#endif
inline void nontemporal_fence() {
#if defined(__x86_64__)
  _mm_sfence();
#endif
}

}  // namespace multibuffer
