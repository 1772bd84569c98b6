#pragma once

#include "cuda/kernels/find_rows.hpp"
#include "cuda/kernels/row_words.hpp"
#include "cuda/kernels/words.hpp"

#include <cstdint>

namespace multibuffer::cuda {

/// Gives consecutive threads consecutive words of the output. A thread assembles each of its words
/// from the rows that it lies in: the first rows of the whole batch at once, then the second ones.
template <int /*Bytes*/, int Levels, class Plan, class Access>
constexpr void Words::gather(const Plan& plan, Access& access, const Place& place) {
  using Offset = typename Plan::Offset;
  using Count = CountOf<Offset>;
  const KernelSpans<Offset>& spans = plan.own.spans;
  for (const Count first : turns(plan, place)) {
    Bytes16 values[batch] = {};
    Address out[batch] = {};
    int begin[batch];   // the first of the word's bytes that belongs to its span
    int filled[batch];  // the end of the bytes that have their values
    int end[batch];
    Count row[batch];            // that the next byte belongs to
    std::int64_t within[batch];  // how far into it
    bool more = false;
    for (int b = 0; b < batch; ++b) {
      Count item = first + static_cast<Count>(b) * place.threads + place.thread;
      const bool exists = item < plan.items;
      item = exists ? item : 0;
      const Count span = spans.words.divide(item);
      const Count word = item - span * spans.words.divisor;
      const std::int64_t at = static_cast<std::int64_t>(word) * word_bytes - spans.head;
      const std::int64_t rest = spans.bytes - at;
      begin[b] = at < 0 ? static_cast<int>(-at) : 0;
      end[b] = !exists ? 0 : rest < word_bytes ? static_cast<int>(rest) : word_bytes;
      filled[b] = begin[b];
      const auto byte = static_cast<std::uint64_t>(at + begin[b]);
      const std::uint64_t in_span = spans.run.divide(byte);
      row[b] = span * spans.rows + static_cast<Count>(in_span);
      within[b] = static_cast<std::int64_t>(byte - in_span * spans.run.divisor);
      out[b] = Address{word} * word_bytes;
      more = more || exists;
    }
    for (bool is_first = true; more; is_first = false) {
      bool wanted[batch];
      bool valid[batch];
      for (int b = 0; b < batch; ++b) valid[b] = wanted[b] = filled[b] < end[b];
      const Rows<Offset> rows = find_rows<Levels>(plan, access, row, valid);
      WordPair pairs[batch] = {};
      Address source[batch];
      int next[batch];
      for (int b = 0; b < batch; ++b) {
        const std::int64_t rest = plan.run_bytes - within[b];
        const int room = end[b] - filled[b];
        next[b] = filled[b] + (rest < room ? static_cast<int>(rest) : room);
        source[b] =
            rows.source[b] + static_cast<Address>(within[b]) - static_cast<Address>(filled[b]);
        if (valid[b]) pairs[b] = load_word_pair(access, source[b], filled[b], next[b]);
      }
      more = false;
      for_batch([&](int b) {
        if (is_first) out[b] += output_at(plan, rows.out[b]);
        if (!wanted[b]) return;
        const Bytes16 word = word_at(pairs[b], source[b]);
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
