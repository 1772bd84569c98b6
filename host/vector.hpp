#pragma once

#include <cstddef>
#include <cstring>
#include <utility>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

// Sixteen bytes at a time, by the compiler's own vectors: every x86-64 and every 64-bit Arm has
// them, and memory, not arithmetic, limits what they are used for here.

namespace multibuffer {

inline constexpr std::size_t vector_bytes = 16;

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

/// Copies 16 bytes to `to`, a multiple of 16, past the caches where the processor has such a store
/// that its compiler knows. `finish_streaming` orders what follows behind such stores.
inline void stream_vector(std::byte* to, const std::byte* from) {
#if defined(__SSE2__)
  _mm_stream_si128(reinterpret_cast<__m128i*>(to),
                   _mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
#else
  std::memcpy(to, from, vector_bytes);
#endif
}
inline void finish_streaming() {
#if defined(__SSE2__)
  _mm_sfence();
#endif
}

}  // namespace multibuffer
