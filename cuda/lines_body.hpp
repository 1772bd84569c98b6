#pragma once

#include "cuda/gather_body.hpp"
#include "cuda/words.hpp"

#include <cstdint>

/// The body for items that lie evenly in the leaves but not one after the other: stepped, reversed,
/// the fields of structs.
namespace multibuffer::cuda {

/// Puts an item into a word that has zeros there.
template <class Item>
constexpr void set_item(Bytes16& word, int item, Item value) {
  constexpr int bits = 8 * static_cast<int>(sizeof(Item));
  constexpr int per_half = 64 / bits;
  std::uint64_t& half = item < per_half ? word.low : word.high;
  half |= std::uint64_t{value} << (item % per_half * bits);
}

/// Family `lines`: consecutive threads take consecutive words of the output's lines, and load their
/// items one by one, side by side with their neighbours, so that what one leaves of a cache line
/// the others take.
template <class Item, int Levels, class Plan, class Access>
constexpr void gather_lines(const Plan& plan, Access& access, const Place& place) {
  using Offset = typename Plan::Offset;
  using Count = CountOf<Offset>;
  constexpr int per_word = word_bytes / static_cast<int>(sizeof(Item));
  const Count turn_items = static_cast<Count>(place.threads) * batch;
  const auto stride = static_cast<Address>(std::int64_t{plan.pieces.stride} * plan.leaf_unit);
  for (Count first = place.block * turn_items; first < plan.items;
       first += place.blocks * turn_items) {
    Count line[batch];
    Count begin[batch];
    bool valid[batch];
    for (int b = 0; b < batch; ++b) {
      Count item = first + static_cast<Count>(b) * place.threads + place.thread;
      valid[b] = item < plan.items;
      item = valid[b] ? item : 0;
      line[b] = plan.pieces.per_row.divide(item);
      begin[b] = (item - line[b] * plan.pieces.per_row.divisor) * per_word;
    }
    const Rows<Offset> rows = find_rows<Levels>(plan, access, line, valid);
    Bytes16 words[batch] = {};
    int count[batch];
    for_batch([&](int b) {
      const Count rest = plan.pieces.row_vectors - begin[b];
      count[b] = !valid[b] ? 0 : rest < per_word ? static_cast<int>(rest) : per_word;
      const Address source = rows.source[b] + Address{begin[b]} * stride;
      for (int i = 0; i < per_word; ++i)
        if (i < count[b])
          set_item<Item>(words[b], i,
                         access.template load<Item>(source + static_cast<Address>(i) * stride));
    });
    for_batch([&](int b) {
      const Address out = output_at(plan, rows.out[b]) + Address{begin[b]} * sizeof(Item);
      if (count[b] > 0)
        store_word(access, out, words[b], 0, count[b] * static_cast<int>(sizeof(Item)));
    });
  }
}

}  // namespace multibuffer::cuda
