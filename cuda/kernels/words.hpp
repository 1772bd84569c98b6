#pragma once

#include "cuda/kernels/find_rows.hpp"

#include <cstddef>
#include <cstdint>

/// Words of 16 bytes that begin anywhere: what `shifted`, `words`, `pixels`, `lines` and `convert`
/// share.
///
/// They write aligned words and, but for `lines`, read the aligned words that the wanted bytes lie
/// in. So they read bytes beside those that are wanted, though never a word without a wanted one.
/// That is always possible: memory is allocated, mapped and protected in larger, aligned pieces.
/// What they read there, they drop; it may change meanwhile. The library's own blocks are padded,
/// so that memory checkers have nothing to say. For arrays in place in somebody else's memory, one
/// may remark on reads of up to 15 bytes around an allocation whose size is no multiple of 16.
namespace multibuffer::cuda {

/// The aligned words around 16 bytes.
struct Around {
  Bytes16 low;
  Bytes16 high;
};

/// For the output word whose byte 0 would be at `source`, and of which bytes [begin, end) are
/// wanted.
template <class Access>
constexpr Around load_around(Access& access, Address source, int begin, int end) {
  const int shift = static_cast<int>(source % word_bytes);
  const Address first = source - static_cast<Address>(shift);
  Around around;
  if (shift + begin < word_bytes) around.low = access.template overhang<Bytes16>(first);
  if (shift + end > word_bytes) around.high = access.template overhang<Bytes16>(first + word_bytes);
  return around;
}

constexpr Bytes16 word_at(const Around& around, Address source) {
  return funnel(around.low, around.high, static_cast<int>(source % word_bytes));
}

/// Stores the first `Integer` of what is left of a word, and drops it.
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

/// A word of a line (or a row): of bytes that are dense in the output, wherever they begin there.
template <class Count>
struct LineWord {
  Address source = 0;  ///< where the line begins in the leaves
  Address out = 0;     ///< the word, aligned
  Count number = 0;    ///< which of its line
  int head = 0;        ///< how far into its first word the line begins
  int begin = 0;       ///< of the word's bytes, what belongs to the line
  int end = 0;         ///< 0 where nothing does
};

/// The one that vector `b` of those found is, in lines of so many bytes.
template <class Plan>
constexpr auto line_word(const Plan& plan, const Vectors<typename Plan::Offset>& found, int b,
                         std::int64_t line_bytes) {
  const Address line = output_at(plan, found.rows.out[b]);
  LineWord<CountOf<typename Plan::Offset>> word;
  word.source = found.rows.source[b];
  word.number = found.vector[b];
  word.head = static_cast<int>(line % word_bytes);
  const std::int64_t before = static_cast<std::int64_t>(word.number) * word_bytes - word.head;
  const std::int64_t rest = line_bytes - before;
  word.out = line + static_cast<Address>(before);
  word.begin = word.number == 0 ? word.head : 0;
  word.end = !found.valid[b] || rest < 0 ? 0
             : rest < word_bytes         ? static_cast<int>(rest)
                                         : word_bytes;
  return word;
}

}  // namespace multibuffer::cuda
