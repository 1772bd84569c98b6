#pragma once

#include "cuda/kernels/find_rows.hpp"
#include "cuda/kernels/words.hpp"

#include <cstdint>

/// The body for items that lie evenly in the leaves but not one after the other: stepped, reversed,
/// the fields of structs.
namespace multibuffer::cuda {

/// Family `lines`: consecutive threads take consecutive words of the output's lines, and load their
/// items one by one, side by side with their neighbours, so that what one leaves of a cache line
/// the others take.
template <class Item, int Levels, class Plan, class Access>
constexpr void gather_lines(const Plan& plan, Access& access, const Place& place) {
  using Count = CountOf<typename Plan::Offset>;
  constexpr int item_bytes = static_cast<int>(sizeof(Item));
  constexpr int per_word = word_bytes / item_bytes;
  const Count parts = plan.line.parts.divisor;
  const auto in_bytes = [&](std::int64_t stride) {
    return static_cast<Address>(stride * plan.leaf_unit);
  };
  const Address stride = in_bytes(plan.line.stride);
  const Address part_stride = in_bytes(plan.line.part_stride);
  // From a pixel's last item to the next one's first.
  const Address to_next = stride - Address{parts - 1} * part_stride;
  for (const Count first : turns(plan, place)) {
    const auto found = find_vectors<Levels>(plan, access, place, first);
    LineWord<Count> words[batch];
    Bytes16 values[batch] = {};
    for_batch([&](int b) {
      words[b] = line_word(plan, found, b, static_cast<std::int64_t>(plan.line.items) * item_bytes);
      const int begin = words[b].begin / item_bytes;
      const int end = words[b].end / item_bytes;
      const Count item = words[b].number * per_word -
                         static_cast<Count>(words[b].head / item_bytes) + static_cast<Count>(begin);
      const Count pixel = plan.line.parts.divide(item);
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
