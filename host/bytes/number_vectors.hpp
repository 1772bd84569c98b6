#pragma once

#include "host/bytes/simd.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>

// Numbers that processors convert many of in an instruction, where compilers do not find it. All
// agree with `converted` (host/backend/convert_number.hpp), also in what becomes of a NaN and of
// numbers beyond the result's range:
//
//  - widen_halves, narrow_to_halves: halves to floats and back, rounded to nearest, ties to even;
//  - to_integers: floats and doubles to int32, and these and int32 to integers of one or two bytes,
//    saturating: towards zero, the nearest that there is for those beyond, and 0 for a NaN.
//    Instructions make the lowest int32 of all reals that have none;
//  - truncate_each: the same from reals to int64, for which there is an instruction for one number
//    alone, and by it to uint32 and uint64.

namespace multibuffer {

#if defined(__x86_64__)

inline std::int64_t truncated(float number) { return _mm_cvttss_si64(_mm_set_ss(number)); }
inline std::int64_t truncated(double number) { return _mm_cvttsd_si64(_mm_set_sd(number)); }

template <class To, class From>
void truncate_each(std::byte* to, const std::byte* from, std::int64_t count) {
  constexpr To highest = std::numeric_limits<To>::max();
  constexpr From beyond_signed = 9223372036854775808.0;
  for (std::int64_t i = 0; i < count; ++i) {
    From number;
    std::memcpy(&number, from + i * static_cast<std::int64_t>(sizeof number), sizeof number);
    const std::int64_t integer = truncated(number);
    auto made = static_cast<To>(integer);
    if constexpr (std::is_same_v<To, std::int64_t>) {
      if (integer == INT64_MIN) [[unlikely]]
        made = number > 0 ? highest : number == number ? INT64_MIN : 0;
    } else if constexpr (std::is_same_v<To, std::uint64_t>) {
      if (integer < 0) [[unlikely]]
        made = number >= 2 * beyond_signed ? highest
               : number >= beyond_signed
                   ? static_cast<To>(truncated(number - beyond_signed)) + (To{1} << 63)
                   : 0;
    } else {
      if (static_cast<std::uint64_t>(integer) > highest) [[unlikely]]
        made = number > 0 ? highest : 0;
    }
    std::memcpy(to + i * static_cast<std::int64_t>(sizeof made), &made, sizeof made);
  }
}

/// May be called where `has_wide_vectors`. Instructions have masks of all: GCC 12 takes what is
/// undefined in the plain forms for a mistake of ours (GCC bug 105593).
struct SixteenNumbers {
  static constexpr std::int64_t count = 16;
  static constexpr __mmask16 all = 0xffff;

  [[gnu::target("avx512f")]] static void widen_halves(std::byte* to, const std::byte* from) {
    _mm512_storeu_ps(
        to, _mm512_maskz_cvtph_ps(all, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from))));
  }
  [[gnu::target("avx512f")]] static void narrow_to_halves(std::byte* to, const std::byte* from) {
    constexpr int nearest = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to),
                        _mm512_maskz_cvtps_ph(all, _mm512_loadu_ps(from), nearest));
  }
  template <class To, class From>
  [[gnu::target("avx512f")]] static void to_integers(std::byte* to, const std::byte* from) {
    put<To>(to, integers<From>(from));
  }

 private:
  template <class From>
  [[gnu::target("avx512f")]] static __m512i integers(const std::byte* from) {
    if constexpr (std::is_same_v<From, float>) {
      const __m512 floats = _mm512_loadu_ps(from);
      const __mmask16 numbers = _mm512_cmp_ps_mask(floats, floats, _CMP_ORD_Q);
      const __mmask16 too_large =
          _mm512_cmp_ps_mask(floats, _mm512_set1_ps(2147483648.0F), _CMP_GE_OQ);
      return _mm512_mask_mov_epi32(_mm512_maskz_cvttps_epi32(numbers, floats), too_large,
                                   _mm512_set1_epi32(0x7fffffff));
    } else if constexpr (std::is_same_v<From, double>) {
      return _mm512_maskz_inserti64x4(0xff, _mm512_castsi256_si512(eight_integers(from)),
                                      eight_integers(from + sizeof(__m512d)), 1);
    } else {
      return _mm512_loadu_si512(from);
    }
  }
  [[gnu::target("avx512f")]] static __m256i eight_integers(const std::byte* from) {
    const __m512d doubles = _mm512_loadu_pd(from);
    const __mmask8 numbers = _mm512_cmp_pd_mask(doubles, doubles, _CMP_ORD_Q);
    const __m512d within = _mm512_maskz_min_pd(numbers, doubles, _mm512_set1_pd(2147483647.0));
    return _mm512_maskz_cvttpd_epi32(0xff, within);
  }
  template <class To>
  [[gnu::target("avx512f")]] static void put(std::byte* to, __m512i integers) {
    if constexpr (std::is_unsigned_v<To>)
      integers = _mm512_maskz_max_epi32(all, integers, _mm512_setzero_si512());
    if constexpr (sizeof(To) == 1)
      _mm_storeu_si128(reinterpret_cast<__m128i*>(to),
                       std::is_signed_v<To> ? _mm512_maskz_cvtsepi32_epi8(all, integers)
                                            : _mm512_maskz_cvtusepi32_epi8(all, integers));
    else if constexpr (sizeof(To) == 2)
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(to),
                          std::is_signed_v<To> ? _mm512_maskz_cvtsepi32_epi16(all, integers)
                                               : _mm512_maskz_cvtusepi32_epi16(all, integers));
    else
      _mm512_storeu_si512(to, integers);
  }
};

/// May be called where `has_halves`.
struct EightNumbers {
  static constexpr std::int64_t count = 8;

  [[gnu::target("avx2,f16c")]] static void widen_halves(std::byte* to, const std::byte* from) {
    _mm256_storeu_ps(reinterpret_cast<float*>(to),
                     _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from))));
  }
  [[gnu::target("avx2,f16c")]] static void narrow_to_halves(std::byte* to, const std::byte* from) {
    constexpr int nearest = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
    _mm_storeu_si128(
        reinterpret_cast<__m128i*>(to),
        _mm256_cvtps_ph(_mm256_loadu_ps(reinterpret_cast<const float*>(from)), nearest));
  }
  template <class To, class From>
  [[gnu::target("avx2")]] static void to_integers(std::byte* to, const std::byte* from) {
    put<To>(to, integers<From>(from));
  }

 private:
  // The instructions are right for nearly all reals. The lowest integer, which they make of all
  // that have none, is looked at again.
  template <class From>
  [[gnu::target("avx2")]] static __m256i integers(const std::byte* from) {
    if constexpr (std::is_same_v<From, float>) {
      const __m256 floats = _mm256_loadu_ps(reinterpret_cast<const float*>(from));
      const __m256i integers = _mm256_cvttps_epi32(floats);
      if (has_lowest(integers)) [[unlikely]] {
        const __m256 numbers = _mm256_cmp_ps(floats, floats, _CMP_ORD_Q);
        const __m256 too_large = _mm256_cmp_ps(floats, _mm256_set1_ps(2147483648.0F), _CMP_GE_OQ);
        // The lowest becomes 0, or the highest.
        return _mm256_xor_si256(_mm256_and_si256(integers, _mm256_castps_si256(numbers)),
                                _mm256_castps_si256(too_large));
      }
      return integers;
    } else if constexpr (std::is_same_v<From, double>) {
      const std::byte* const second = from + sizeof(__m256d);
      const __m256i integers = _mm256_set_m128i(_mm256_cvttpd_epi32(doubles(second)),
                                                _mm256_cvttpd_epi32(doubles(from)));
      if (has_lowest(integers)) [[unlikely]]
        return _mm256_set_m128i(four_integers(doubles(second)), four_integers(doubles(from)));
      return integers;
    } else {
      return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
    }
  }
  [[gnu::target("avx2")]] static bool has_lowest(__m256i integers) {
    const __m256i lowest = _mm256_set1_epi32(std::numeric_limits<std::int32_t>::min());
    return _mm256_movemask_epi8(_mm256_cmpeq_epi32(integers, lowest)) != 0;
  }
  [[gnu::target("avx2")]] static __m256d doubles(const std::byte* from) {
    return _mm256_loadu_pd(reinterpret_cast<const double*>(from));
  }
  [[gnu::target("avx2")]] static __m128i four_integers(__m256d doubles) {
    const __m256d numbers = _mm256_and_pd(doubles, _mm256_cmp_pd(doubles, doubles, _CMP_ORD_Q));
    return _mm256_cvttpd_epi32(_mm256_min_pd(numbers, _mm256_set1_pd(2147483647.0)));
  }
  template <class To>
  [[gnu::target("avx2")]] static void put(std::byte* to, __m256i integers) {
    const __m128i first = _mm256_castsi256_si128(integers);
    const __m128i second = _mm256_extracti128_si256(integers, 1);
    const __m128i words = std::is_same_v<To, std::uint16_t> ? _mm_packus_epi32(first, second)
                                                            : _mm_packs_epi32(first, second);
    if constexpr (sizeof(To) == 1)
      _mm_storel_epi64(reinterpret_cast<__m128i*>(to), std::is_signed_v<To>
                                                           ? _mm_packs_epi16(words, words)
                                                           : _mm_packus_epi16(words, words));
    else if constexpr (sizeof(To) == 2)
      _mm_storeu_si128(reinterpret_cast<__m128i*>(to), words);
    else
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), integers);
  }
};

#else

// Never called elsewhere.
template <class To, class From>
void truncate_each(std::byte* /*to*/, const std::byte* /*from*/, std::int64_t /*count*/) {}
struct SixteenNumbers {
  static constexpr std::int64_t count = 16;
  static void widen_halves(std::byte* /*to*/, const std::byte* /*from*/) {}
  static void narrow_to_halves(std::byte* /*to*/, const std::byte* /*from*/) {}
  template <class To, class From>
  static void to_integers(std::byte* /*to*/, const std::byte* /*from*/) {}
};
using EightNumbers = SixteenNumbers;

#endif

}  // namespace multibuffer
