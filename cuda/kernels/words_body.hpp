#pragma once

#include "cuda/kernels/find_rows.hpp"
#include "cuda/kernels/words.hpp"

#include <cstddef>
#include <cstdint>

/// The bodies of the families whose rows are not aligned to vectors. Both write aligned words, and
/// shift each together from the words that its bytes lie in; see words.hpp.
namespace multibuffer::cuda {

/// Family `shifted`: consecutive threads take consecutive words of the output, those of one row
/// after those of another. Where rows are not aligned to words, two rows' words are one at times.
template <int Levels, class Plan, class Access>
constexpr void gather_shifted(const Plan& plan, Access& access, const Place& place) {
  using Count = CountOf<typename Plan::Offset>;
  for (const Count first : turns(plan, place)) {
    const auto found = find_vectors<Levels>(plan, access, place, first);
    LineWord<Count> words[batch];
    Address source[batch];  // of the word's byte 0, which may lie before the row
    Around around[batch] = {};
    for (int b = 0; b < batch; ++b) {
      words[b] = line_word(plan, found, b, plan.run_bytes);
      source[b] = words[b].source + Address{words[b].number} * word_bytes -
                  static_cast<Address>(words[b].head);
      if (words[b].begin < words[b].end)
        around[b] = load_around(access, source[b], words[b].begin, words[b].end);
    }
    for (int b = 0; b < batch; ++b)
      if (words[b].begin < words[b].end)
        store_word(access, words[b].out, word_at(around[b], source[b]), words[b].begin,
                   words[b].end);
  }
}

/// Family `words`: consecutive threads take consecutive words of the output, and put each together
/// from the rows that it lies in: all of the batch's first rows at once, then the second ones.
template <int Levels, class Plan, class Access>
constexpr void gather_words(const Plan& plan, Access& access, const Place& place) {
  using Offset = typename Plan::Offset;
  using Count = CountOf<Offset>;
  for (const Count first : turns(plan, place)) {
    Bytes16 values[batch] = {};
    Address out[batch] = {};
    int begin[batch];   // of the word's bytes, what belongs to its span
    int filled[batch];  // up to where there are values
    int end[batch];
    Count row[batch];            // that the next byte belongs to
    std::int64_t within[batch];  // how far into it
    bool more = false;
    for (int b = 0; b < batch; ++b) {
      Count item = first + static_cast<Count>(b) * place.threads + place.thread;
      const bool exists = item < plan.items;
      item = exists ? item : 0;
      const Count span = plan.spans.words.divide(item);
      const Count word = item - span * plan.spans.words.divisor;
      const std::int64_t at = static_cast<std::int64_t>(word) * word_bytes - plan.spans.head;
      const std::int64_t rest = plan.spans.bytes - at;
      begin[b] = at < 0 ? static_cast<int>(-at) : 0;
      end[b] = !exists ? 0 : rest < word_bytes ? static_cast<int>(rest) : word_bytes;
      filled[b] = begin[b];
      const auto byte = static_cast<std::uint64_t>(at + begin[b]);
      const std::uint64_t in_span = plan.spans.run.divide(byte);
      row[b] = span * plan.spans.rows + static_cast<Count>(in_span);
      within[b] = static_cast<std::int64_t>(byte - in_span * plan.spans.run.divisor);
      out[b] = Address{word} * word_bytes;
      more = more || exists;
    }
    for (bool is_first = true; more; is_first = false) {
      bool wanted[batch];
      bool valid[batch];
      for (int b = 0; b < batch; ++b) valid[b] = wanted[b] = filled[b] < end[b];
      const Rows<Offset> rows = find_rows<Levels>(plan, access, row, valid);
      Around around[batch] = {};
      Address source[batch];
      int next[batch];
      for (int b = 0; b < batch; ++b) {
        const std::int64_t rest = plan.run_bytes - within[b];
        const int room = end[b] - filled[b];
        next[b] = filled[b] + (rest < room ? static_cast<int>(rest) : room);
        source[b] =
            rows.source[b] + static_cast<Address>(within[b]) - static_cast<Address>(filled[b]);
        if (valid[b]) around[b] = load_around(access, source[b], filled[b], next[b]);
      }
      more = false;
      for_batch([&](int b) {
        if (is_first) out[b] += output_at(plan, rows.out[b]);
        if (!wanted[b]) return;
        const Bytes16 word = word_at(around[b], source[b]);
        values[b] = is_first ? word : joined(values[b], word, filled[b]);
        filled[b] = next[b];
        within[b] = 0;
        if (next[b] == end[b]) return;
        ++row[b];
        more = true;
      });
    }
    for_batch([&](int b) {
      if (begin[b] < end[b]) store_word(access, out[b], values[b], begin[b], end[b]);
    });
  }
}

}  // namespace multibuffer::cuda
