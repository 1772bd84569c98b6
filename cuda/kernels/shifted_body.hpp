#pragma once

#include "cuda/kernels/find_rows.hpp"
#include "cuda/kernels/row_words.hpp"
#include "cuda/kernels/shifted.hpp"

#include <cstdint>

namespace multibuffer::cuda {

/// Gives consecutive threads consecutive words of the output, row after row. Where rows are not
/// aligned to words, the last word of a row and the first of the next may be one and the same.
template <int /*Bytes*/, int Levels, class Plan, class Access>
constexpr void Shifted::gather(const Plan& plan, Access& access, const Place& place) {
  using Count = CountOf<typename Plan::Offset>;
  for (const Count first : turns(plan, place)) {
    const auto found = find_vectors<Levels>(plan, access, place, first);
    RowWord<Count> words[batch];
    Address source[batch];  // of the word's byte 0, which may lie before the row
    WordPair pairs[batch] = {};
    for (int b = 0; b < batch; ++b) {
      words[b] = row_word(plan, found, b, plan.run_bytes);
      source[b] = words[b].source + Address{words[b].number} * word_bytes -
                  static_cast<Address>(words[b].head);
      if (words[b].begin < words[b].end)
        pairs[b] = load_word_pair(access, source[b], words[b].begin, words[b].end);
    }
    for (int b = 0; b < batch; ++b)
      if (words[b].begin < words[b].end)
        store_word(access, words[b].out, word_at(pairs[b], source[b]), words[b].begin,
                   words[b].end);
  }
}

}  // namespace multibuffer::cuda
