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

/// The body of the family that converts numbers on their way. What kinds of numbers they are is in
/// the plan, and every thread branches alike, once for a batch of vectors: one kernel for all pairs
/// of kinds, each of which is straight code.
namespace multibuffer::cuda {

template <class T>
using BitsOf = Unsigned<sizeof(T)>;

/// Each vector in its place. `complex`: every number made gets an imaginary part of 0.
template <class From, class To, bool complex, bool saturate>
[[gnu::always_inline]] constexpr void convert_vectors(const KernelConversion& c,
                                                      Bytes16 (&vectors)[batch]) {
  constexpr std::size_t to_parts = complex ? 2 : 1;
  constexpr int most = word_bytes / static_cast<int>(std::max(sizeof(From), sizeof(To) * to_parts));
  for (int b = 0; b < batch; ++b) {
    Bytes16 made;
    const auto convert = [&](int i) {
      const auto number = std::bit_cast<From>(item_of<BitsOf<From>>(vectors[b], i));
      set_item(made, i * static_cast<int>(to_parts),
               std::bit_cast<BitsOf<To>>(converted<To, saturate>(widened(number))));
    };
    convert(0);
    if (c.count > 1)
      for (int i = 1; i < most; ++i) convert(i);
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

/// Items of so many bytes, each turned round.
[[gnu::always_inline]] constexpr void reverse_vectors(int item_bytes, Bytes16 (&vectors)[batch]) {
  if (item_bytes == 2) return reverse_items<std::uint16_t>(vectors);
  if (item_bytes == 4) return reverse_items<std::uint32_t>(vectors);
  if (item_bytes == 8) return reverse_items<std::uint64_t>(vectors);
}

/// Inline, so that vectors stay in registers.
[[gnu::always_inline]] constexpr void convert_vectors(const KernelConversion& c,
                                                      Bytes16 (&vectors)[batch]) {
  if (c.reversed_before != 0) reverse_vectors(c.reversed_before, vectors);
  if (c.numbers.from == c.numbers.to) return;
  visit_number(c.numbers.from, [&](auto from) {
    visit_number(c.numbers.to, [&](auto to) {
      using From = decltype(from);
      using To = decltype(to);
      if constexpr (Real<To>)
        if (is_complex(c.numbers.to)) return convert_vectors<From, To, true, true>(c, vectors);
      if constexpr (Integer<From> && Integer<To>)
        if (!c.numbers.saturate) return convert_vectors<From, To, false, false>(c, vectors);
      if constexpr (!std::is_same_v<From, To>) convert_vectors<From, To, false, true>(c, vectors);
    });
  });
  if (c.reversed_after != 0) reverse_vectors(c.reversed_after, vectors);
}

/// Of vectors that are aligned to their size, all bytes, also those after a row's end.
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
/// row may be partial.
template <int /*Bytes*/, int Levels, class Plan, class Access>
[[gnu::always_inline]] constexpr void Convert::gather(const Plan& plan, Access& access,
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
    convert_vectors(c, vectors);
    for (int b = 0; b < batch; ++b) {
      const bool is_whole = bytes[b] == c.from_bytes;
      const int to_bytes = is_whole ? c.to_bytes : bytes[b] * c.to_bytes / c.from_bytes;
      const int piece = is_whole && c.aligned_output ? c.to_bytes : c.store_bytes;
      if (bytes[b] > 0) store_by(piece, access, out[b], vectors[b], to_bytes);
    }
  }
}

}  // namespace multibuffer::cuda
