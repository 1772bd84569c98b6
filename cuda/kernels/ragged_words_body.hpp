#pragma once

#include "cuda/kernels/ragged_pieces.hpp"
#include "cuda/kernels/row_words.hpp"

#include <cstdint>

namespace multibuffer::cuda {

/// Gives consecutive threads consecutive words of the dense side. A thread assembles each of its
/// words from the rows and the padding that it has: the first pieces of the whole batch at once,
/// then the second ones.
template <class Plan, class Access>
constexpr void gather_ragged_words(const Plan& plan, Access& access, const Place& place) {
  using Count = typename Plan::Count;
  const Count parts = dense_parts(plan, access);
  if (parts == 0) return;
  // The part that a word begins with; the first and the last may have none there.
  const auto part_of = [&](Count word) {
    const std::int64_t part = static_cast<std::int64_t>(word) * word_bytes - plan.head;
    const auto last = static_cast<std::int64_t>(parts) - 1;
    return static_cast<Count>(part < 0 ? 0 : part < last ? part : last);
  };
  for (const Count first : turns(plan, place)) {
    const Count turn = static_cast<Count>(place.threads) * batch;
    const auto range = rows_of_turn(plan, access, part_of(first), part_of(first + turn));
    Bytes16 values[batch] = {};
    std::int64_t at[batch];  // the part that the word's byte 0 is
    int begin[batch];        // the first of the word's bytes that the side has
    int filled[batch];       // the end of the bytes that have their values
    int end[batch];
    Count row[batch];
    bool more = false;
    for_batch([&](int b) {
      const Count word = first + static_cast<Count>(b) * place.threads + place.thread;
      at[b] = static_cast<std::int64_t>(word) * word_bytes - plan.head;
      const std::int64_t rest = static_cast<std::int64_t>(parts) - at[b];
      begin[b] = at[b] < 0 ? static_cast<int>(-at[b]) : 0;
      end[b] = word >= plan.items || rest <= 0 ? 0
               : rest < word_bytes             ? static_cast<int>(rest)
                                               : word_bytes;
      filled[b] = begin[b];
      row[b] = 0;
      if (filled[b] >= end[b]) return;
      if (plan.offsets.data != 0) row[b] = row_of_part(plan, access, range, part_of(word));
      more = true;
    });
    while (more) {
      bool wanted[batch];
      bool from_memory[batch];
      WordPair pairs[batch] = {};
      Address source[batch];
      int next[batch];
      for_batch([&](int b) {
        wanted[b] = filled[b] < end[b];
        from_memory[b] = false;
        source[b] = 0;
        next[b] = filled[b];
        if (!wanted[b]) return;
        const RaggedPiece piece =
            piece_at(plan, access, static_cast<Count>(at[b] + filled[b]), row[b]);
        const int room = end[b] - filled[b];
        next[b] += piece.parts < room ? static_cast<int>(piece.parts) : room;
        from_memory[b] = piece.source != 0;
        source[b] = piece.source - static_cast<Address>(filled[b]);
        if (from_memory[b]) pairs[b] = load_word_pair(access, source[b], filled[b], next[b]);
      });
      more = false;
      for_batch([&](int b) {
        if (!wanted[b]) return;
        const Bytes16 word = from_memory[b] ? word_at(pairs[b], source[b]) : plan.fill_word;
        values[b] = filled[b] == begin[b] ? word : joined(values[b], word, filled[b]);
        filled[b] = next[b];
        more = more || next[b] < end[b];
      });
    }
    for_batch([&](int b) {
      if (begin[b] < end[b])
        store_word(access, plan.out + static_cast<Address>(at[b] + plan.head), values[b], begin[b],
                   end[b]);
    });
  }
}

}  // namespace multibuffer::cuda
