#pragma once

#include "cuda/kernels/find_rows.hpp"
#include "cuda/kernels/row_words.hpp"
#include "cuda/kernels/strided.hpp"

#include <cstdint>

namespace multibuffer::cuda {

/// Gives consecutive threads consecutive words of the output's rows. Threads load their items one
/// by one, at the same time as their neighbours, so that a cache line is used up while it is
/// cached.
template <int Bytes, int Levels, class Plan, class Access>
constexpr void Strided::gather(const Plan& plan, Access& access, const Place& place) {
  using Count = CountOf<typename Plan::Offset>;
  const KernelStrided<typename Plan::Offset>& row = plan.own.strided;
  using Item = Unsigned<Bytes>;
  constexpr int item_bytes = Bytes;
  constexpr int per_word = word_bytes / item_bytes;
  const Count parts = row.parts.divisor;
  const auto in_bytes = [&](std::int64_t stride) {
    return static_cast<Address>(stride * plan.leaf_unit);
  };
  const Address stride = in_bytes(row.stride);
  const Address part_stride = in_bytes(row.part_stride);
  // From a pixel's last item to the next one's first.
  const Address to_next = stride - Address{parts - 1} * part_stride;
  for (const Count first : turns(plan, place)) {
    const auto found = find_vectors<Levels>(plan, access, place, first);
    RowWord<Count> words[batch];
    Bytes16 values[batch] = {};
    for_batch([&](int b) {
      words[b] = row_word(plan, found, b, static_cast<std::int64_t>(row.items) * item_bytes);
      const int begin = words[b].begin / item_bytes;
      const int end = words[b].end / item_bytes;
      const Count item = words[b].number * per_word -
                         static_cast<Count>(words[b].head / item_bytes) + static_cast<Count>(begin);
      const Count pixel = row.parts.divide(item);
      Count part = item - pixel * parts;
      Address source = words[b].source + Address{pixel} * stride + Address{part} * part_stride;
      for (int i = 0; i < per_word; ++i) {
        if (i < begin || i >= end) continue;
        set_item<Item>(values[b], i, access.template load<Item>(source));
        const bool is_last = ++part == parts;
        source += is_last ? to_next : part_stride;
        part = is_last ? 0 : part;
      }
    });
    for_batch([&](int b) {
      if (words[b].begin < words[b].end)
        store_word(access, words[b].out, values[b], words[b].begin, words[b].end);
    });
  }
}

}  // namespace multibuffer::cuda
