#pragma once

#include "cuda/kernels/convert.hpp"
#include "cuda/kernels/find_rows.hpp"
#include "cuda/kernels/row_words.hpp"
#include "host/backend/convert_number.hpp"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <type_traits>

/// The body of the family that converts numbers during the gather. Their types are in the plan, and
/// every thread branches alike, once for a batch of vectors: one kernel for all pairs of types,
/// each of which is straight code. Pairs with a float of 8 bits have kernels of their own, so that
/// those of others need no more registers: the code for one number is long, and is not unrolled.
namespace multibuffer::cuda {

template <class T>
using BitsOf = Unsigned<sizeof(T)>;

template <class From, class To>
constexpr bool has_float8 = std::is_same_v<From, Float8> || std::is_same_v<To, Float8>;

/// Sets an item that was 0, as `set_item` does, where its number is no constant: without a
/// reference to either half, which would put the vector into memory.
template <class Item>
[[gnu::always_inline]] constexpr void add_item(Bytes16& vector, int item, Item value) {
  constexpr int bits = 8 * static_cast<int>(sizeof(Item));
  constexpr int per_half = 64 / bits;
  const std::uint64_t shifted = std::uint64_t{value} << (item % per_half * bits);
  vector.low |= item < per_half ? shifted : 0;
  vector.high |= item < per_half ? 0 : shifted;
}

/// Converts each vector in place. `complex`: every number made gets an imaginary part of 0.
template <class From, class To, bool complex, bool saturate, std::size_t count>
[[gnu::always_inline]] constexpr void convert_vectors(const KernelConversion& c,
                                                      Bytes16 (&vectors)[count]) {
  constexpr std::size_t to_parts = complex ? 2 : 1;
  constexpr int most = word_bytes / static_cast<int>(std::max(sizeof(From), sizeof(To) * to_parts));
  for (std::size_t b = 0; b < count; ++b) {
    Bytes16 made;
    const auto converted_item = [&](int i) {
      const auto number = std::bit_cast<From>(item_of<BitsOf<From>>(vectors[b], i));
      return std::bit_cast<BitsOf<To>>(
          converted_by<To, saturate>(c.to_float8, widened_by(c.from_float8, number)));
    };
    const auto convert = [&](int i) {
      set_item(made, i * static_cast<int>(to_parts), converted_item(i));
    };
    if constexpr (has_float8<From, To>) {
#ifdef __CUDA_ARCH__
#pragma unroll 1
#endif
      for (int i = 0; i < c.count; ++i)
        add_item(made, i * static_cast<int>(to_parts), converted_item(i));
    } else {
      convert(0);
      if (c.count > 1)
        for (int i = 1; i < most; ++i) convert(i);
    }
    vectors[b] = made;
  }
}

template <class Item>
[[gnu::always_inline]] constexpr void reverse_items(Bytes16 (&vectors)[batch]) {
  for (int b = 0; b < batch; ++b) {
    Bytes16 made;
    for (int i = 0; i < word_bytes / static_cast<int>(sizeof(Item)); ++i)
      set_item(made, i, reversed_bytes(item_of<Item>(vectors[b], i)));
    vectors[b] = made;
  }
}

/// Byte-swaps items of `item_bytes` bytes.
[[gnu::always_inline]] constexpr void reverse_vectors(int item_bytes, Bytes16 (&vectors)[batch]) {
  if (item_bytes == 2) return reverse_items<std::uint16_t>(vectors);
  if (item_bytes == 4) return reverse_items<std::uint32_t>(vectors);
  if (item_bytes == 8) return reverse_items<std::uint64_t>(vectors);
}

/// Converts vectors of a pair of types that the kernel is for. This is a function, since GCC 12
/// takes `Integer<From>` for false in a lambda within a lambda, after a condition of its template.
template <class From, class To, bool float8, std::size_t count>
[[gnu::always_inline]] constexpr void convert_pair(const KernelConversion& c,
                                                   Bytes16 (&vectors)[count]) {
  if constexpr (has_float8<From, To> == float8) {
    if constexpr (Real<To>)
      if (is_complex(c.numbers.to)) return convert_vectors<From, To, true, true>(c, vectors);
    if constexpr (Integer<From> && Integer<To>)
      if (!c.numbers.saturate) return convert_vectors<From, To, false, false>(c, vectors);
    // Floats of 8 bits are one type, of whatever encodings.
    if constexpr (!std::is_same_v<From, To> || float8)
      convert_vectors<From, To, false, true>(c, vectors);
  }
}

template <bool float8, std::size_t count>
[[gnu::always_inline]] constexpr void convert_numbers(const KernelConversion& c,
                                                      Bytes16 (&vectors)[count]) {
  visit_number(c.numbers.from, [&](auto from) {
    visit_number(c.numbers.to,
                 [&](auto to) { convert_pair<decltype(from), decltype(to), float8>(c, vectors); });
  });
}

/// Converts one vector after the other, by code that is there once: the first goes to the end of
/// the row as often as there are vectors, since only constants index what is in registers.
[[gnu::always_inline]] constexpr void convert_in_turn(const KernelConversion& c,
                                                      Bytes16 (&vectors)[batch]) {
#ifdef __CUDA_ARCH__
#pragma unroll 1
#endif
  for (int turn = 0; turn < batch; ++turn) {
    Bytes16 first[1] = {vectors[0]};
    convert_numbers<true>(c, first);
    for (int b = 1; b < batch; ++b) vectors[b - 1] = vectors[b];
    vectors[batch - 1] = first[0];
  }
}

/// Inline, so that vectors stay in registers.
template <bool float8>
[[gnu::always_inline]] constexpr void convert_batch(const KernelConversion& c,
                                                    Bytes16 (&vectors)[batch]) {
  if (c.reversed_before != 0) reverse_vectors(c.reversed_before, vectors);
  if (c.numbers.from == c.numbers.to) return;
  if constexpr (float8)
    convert_in_turn(c, vectors);
  else
    convert_numbers<false>(c, vectors);
  if (c.reversed_after != 0) reverse_vectors(c.reversed_after, vectors);
}

/// Loads whole vectors, which are aligned to their size; some bytes may lie after a row's end.
template <class Vector, class Access>
constexpr void load_aligned(Access& access, const Address (&at)[batch], const int (&bytes)[batch],
                            Bytes16 (&vectors)[batch]) {
  for (int b = 0; b < batch; ++b) {
    if (bytes[b] == 0) continue;
    if constexpr (sizeof(Vector) == sizeof(Bytes16))
      vectors[b] = access.template over_read<Vector>(at[b]);
    else
      vectors[b].low = access.template over_read<Vector>(at[b]);
  }
}

template <class Access>
constexpr void load_sources(const KernelConversion& c, Access& access, const Address (&at)[batch],
                            const int (&bytes)[batch], Bytes16 (&vectors)[batch]) {
  if (!c.aligned_source) {
    WordPair pairs[batch] = {};
    for (int b = 0; b < batch; ++b)
      if (bytes[b] > 0) pairs[b] = load_word_pair(access, at[b], 0, bytes[b]);
    for (int b = 0; b < batch; ++b) vectors[b] = word_at(pairs[b], at[b]);
    return;
  }
  visit_vector(c.from_bytes,
               [&]<class Vector>() { load_aligned<Vector>(access, at, bytes, vectors); });
}

template <class Piece, class Access>
constexpr void store_pieces(Access& access, Address at, Bytes16 vector, int bytes) {
  const Address end = at + static_cast<Address>(bytes);
  if constexpr (sizeof(Piece) == sizeof(Bytes16))
    access.store(at, vector);
  else
    while (at < end) store_next<Piece>(access, at, vector);
}

/// In pieces of a size that divides `bytes`, and to which `at` is aligned.
template <class Access>
constexpr void store_by(int piece, Access& access, Address at, const Bytes16& vector, int bytes) {
  visit_vector(piece, [&]<class Piece>() { store_pieces<Piece>(access, at, vector, bytes); });
}

/// Gives consecutive threads consecutive vectors of the output, row after row. The last vector of a
/// row may be partial. `float8`: scalars are read or written as floats of 8 bits.
template <int Levels, bool float8, class Plan, class Access>
[[gnu::always_inline]] constexpr void gather_converted(const Plan& plan, Access& access,
                                                       const Place& place) {
  using Count = CountOf<typename Plan::Offset>;
  const KernelConversion& c = plan.own.conversion;
  for (const Count first : turns(plan, place)) {
    const auto found = find_vectors<Levels>(plan, access, place, first);
    Address source[batch];
    Address out[batch];
    int bytes[batch];
    for (int b = 0; b < batch; ++b) {
      const auto before = static_cast<std::int64_t>(found.vector[b]) * c.from_bytes;
      const std::int64_t rest = plan.run_bytes - before;
      source[b] = found.rows.source[b] + static_cast<Address>(before);
      out[b] = output_at(plan, found.rows.out[b]) +
               Address{found.vector[b]} * static_cast<Address>(c.to_bytes);
      bytes[b] = !found.valid[b] ? 0 : rest < c.from_bytes ? static_cast<int>(rest) : c.from_bytes;
    }
    Bytes16 vectors[batch] = {};
    load_sources(c, access, source, bytes, vectors);
    convert_batch<float8>(c, vectors);
    for (int b = 0; b < batch; ++b) {
      const bool is_whole = bytes[b] == c.from_bytes;
      const int to_bytes = is_whole ? c.to_bytes : bytes[b] * c.to_bytes / c.from_bytes;
      const int piece = is_whole && c.aligned_output ? c.to_bytes : c.store_bytes;
      if (bytes[b] > 0) store_by(piece, access, out[b], vectors[b], to_bytes);
    }
  }
}

template <int /*Bytes*/, int Levels, class Plan, class Access>
[[gnu::always_inline]] constexpr void Convert::gather(const Plan& plan, Access& access,
                                                      const Place& place) {
  gather_converted<Levels, false>(plan, access, place);
}

}  // namespace multibuffer::cuda
