#pragma once

#include "cuda/kernels/find_rows.hpp"

#include <cstddef>
#include <cstdint>

/// Words of 16 bytes that begin anywhere, for the bodies of `shifted`, `words`, `pixels`, `strided`
/// and `convert`.
///
/// These families write aligned words and, except for `strided`, read the aligned words that the
/// wanted bytes lie in: an over-read load. A word that is read has at least one wanted byte, so the
/// load cannot fault: memory is allocated, mapped and protected in larger, aligned pieces. The
/// other bytes are dropped, and may change meanwhile. The library's own blocks are padded, so that
/// memory checkers find no fault. For arrays in place in memory of the caller's, a checker may
/// report reads of up to 15 bytes around an allocation whose size is no multiple of 16.
namespace multibuffer::cuda {

/// The two aligned words that 16 bytes lie in.
struct WordPair {
  Bytes16 low;
  Bytes16 high;
};

/// Loads the words of the 16 bytes at `source`, of which bytes [begin, end) are wanted.
template <class Access>
constexpr WordPair load_word_pair(Access& access, Address source, int begin, int end) {
  const int shift = static_cast<int>(source % word_bytes);
  const Address first = source - static_cast<Address>(shift);
  WordPair pair;
  if (shift + begin < word_bytes) pair.low = access.template over_read<Bytes16>(first);
  if (shift + end > word_bytes) pair.high = access.template over_read<Bytes16>(first + word_bytes);
  return pair;
}

constexpr Bytes16 word_at(const WordPair& pair, Address source) {
  return funnel(pair.low, pair.high, static_cast<int>(source % word_bytes));
}

/// Stores the first `Integer` of the rest of a word, and drops it from the rest.
template <class Integer, class Access>
constexpr void store_next(Access& access, Address& at, Bytes16& rest) {
  constexpr int bits = 8 * static_cast<int>(sizeof(Integer));
  access.store(at, static_cast<Integer>(rest.low));
  at += sizeof(Integer);
  if constexpr (bits == 64)
    rest = {rest.high, 0};
  else
    rest = {(rest.low >> bits) | (rest.high << (64 - bits)), rest.high >> bits};
}

/// Writes bytes [begin, end) of an aligned word.
template <class Access>
constexpr void store_word(Access& access, Address word, const Bytes16& value, int begin, int end) {
  if (begin == 0 && end == word_bytes) {
    access.store(word, value);
    return;
  }
  // In aligned powers of two, which grow towards the middle of the word and shrink after it.
  Bytes16 rest = funnel(value, value, begin);
  Address at = word + static_cast<Address>(begin);
  const Address last = word + static_cast<Address>(end);
  if (at % 2 != 0 && at + 1 <= last) store_next<std::uint8_t>(access, at, rest);
  if (at % 4 != 0 && at + 2 <= last) store_next<std::uint16_t>(access, at, rest);
  if (at % 8 != 0 && at + 4 <= last) store_next<std::uint32_t>(access, at, rest);
  if (at + 8 <= last) store_next<std::uint64_t>(access, at, rest);
  if (at + 4 <= last) store_next<std::uint32_t>(access, at, rest);
  if (at + 2 <= last) store_next<std::uint16_t>(access, at, rest);
  if (at + 1 <= last) store_next<std::uint8_t>(access, at, rest);
}

/// A word of an output row, whose bytes are dense there and begin anywhere.
template <class Count>
struct RowWord {
  Address source = 0;  ///< where the row begins in the leaves
  Address out = 0;     ///< the word, aligned
  Count number = 0;    ///< index of the word in its row
  int head = 0;        ///< bytes of the row's first word that lie before the row
  int begin = 0;       ///< the first of the word's bytes that belongs to the row
  int end = 0;         ///< the end of these bytes, or 0 where none does
};

/// Returns the word that vector `b` of `found` is, in rows of `row_bytes` bytes.
template <class Plan>
constexpr auto row_word(const Plan& plan, const Vectors<typename Plan::Offset>& found, int b,
                        std::int64_t row_bytes) {
  const Address row = output_at(plan, found.rows.out[b]);
  RowWord<CountOf<typename Plan::Offset>> word;
  word.source = found.rows.source[b];
  word.number = found.vector[b];
  word.head = static_cast<int>(row % word_bytes);
  const std::int64_t before = static_cast<std::int64_t>(word.number) * word_bytes - word.head;
  const std::int64_t rest = row_bytes - before;
  word.out = row + static_cast<Address>(before);
  word.begin = word.number == 0 ? word.head : 0;
  word.end = !found.valid[b] || rest < 0 ? 0
             : rest < word_bytes         ? static_cast<int>(rest)
                                         : word_bytes;
  return word;
}

}  // namespace multibuffer::cuda
