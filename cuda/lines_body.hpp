#pragma once

#include "cuda/find_rows.hpp"
#include "cuda/words.hpp"

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
  constexpr int per_word = word_bytes / static_cast<int>(sizeof(Item));
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
    Bytes16 words[batch] = {};
    int count[batch];
    for_batch([&](int b) {
      const Count begin = found.vector[b] * per_word;
      const Count rest = plan.line.items - begin;
      count[b] = !found.valid[b] ? 0 : rest < per_word ? static_cast<int>(rest) : per_word;
      const Count pixel = plan.line.parts.divide(begin);
      Count part = begin - pixel * parts;
      Address source = found.rows.source[b] + Address{pixel} * stride + Address{part} * part_stride;
      for (int i = 0; i < per_word; ++i) {
        if (i < count[b]) set_item<Item>(words[b], i, access.template load<Item>(source));
        const bool is_last = ++part == parts;
        source += is_last ? to_next : part_stride;
        part = is_last ? 0 : part;
      }
    });
    for_batch([&](int b) {
      const Address out =
          output_at(plan, found.rows.out[b]) + Address{found.vector[b]} * word_bytes;
      if (count[b] > 0)
        store_word(access, out, words[b], 0, count[b] * static_cast<int>(sizeof(Item)));
    });
  }
}

}  // namespace multibuffer::cuda
