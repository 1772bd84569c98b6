#pragma once

#include "cuda/kernels/convert_body.hpp"
#include "cuda/kernels/ragged_pieces.hpp"
#include "cuda/kernels/row_words.hpp"

#include <cstdint>

namespace multibuffer::cuda {

/// Bytes [begin, end) of one vector, and the others of another.
constexpr Bytes16 replaced(const Bytes16& vector, const Bytes16& by, int begin, int end) {
  const Bytes16 up_to_end = begin == 0 ? by : joined(vector, by, begin);
  return end >= word_bytes ? up_to_end : joined(up_to_end, vector, end);
}

/// Gives consecutive threads consecutive vectors of the dense side; the last may be partial. A
/// vector is assembled from the rows in it before it is converted; padding is put in afterwards,
/// since it is what the result's numbers are. `float8`: scalars are read or written as floats of 8
/// bits.
template <bool float8, class Plan, class Access>
[[gnu::always_inline]] constexpr void gather_ragged_numbers(const Plan& plan, Access& access,
                                                            const Place& place) {
  using Count = typename Plan::Count;
  const KernelConversion& c = plan.conversion;
  const Count parts = dense_parts(plan, access);
  if (parts == 0) return;
  const auto part_of = [&](Count vector) {
    const Count part = vector * static_cast<Count>(c.count);
    return part < parts ? part : static_cast<Count>(parts - 1);
  };
  for (const Count first : turns(plan, place)) {
    const Count turn = static_cast<Count>(place.threads) * batch;
    const auto range = rows_of_turn(plan, access, part_of(first), part_of(first + turn));
    Bytes16 vectors[batch] = {};
    std::uint32_t padding[batch] = {};  // a bit for each number that is padding
    Count at[batch];
    int filled[batch];  // numbers
    int end[batch];
    Count row[batch];
    bool more = false;
    for_batch([&](int b) {
      const Count vector = first + static_cast<Count>(b) * place.threads + place.thread;
      at[b] = vector * static_cast<Count>(c.count);
      const bool exists = vector < plan.items && at[b] < parts;
      const Count rest = exists ? static_cast<Count>(parts - at[b]) : 0;
      end[b] = rest < static_cast<Count>(c.count) ? static_cast<int>(rest) : c.count;
      filled[b] = 0;
      row[b] = 0;
      if (!exists) return;
      if (plan.offsets.data != 0) row[b] = row_of_part(plan, access, range, at[b]);
      more = true;
    });
    while (more) {
      more = false;
      for_batch([&](int b) {
        if (filled[b] >= end[b]) return;
        const RaggedPiece piece = piece_at(
            plan, access, static_cast<Count>(at[b] + static_cast<Count>(filled[b])), row[b]);
        const int room = end[b] - filled[b];
        const int next = filled[b] + (piece.parts < room ? static_cast<int>(piece.parts) : room);
        if (piece.source != 0) {
          const int before = filled[b] * plan.part_bytes;
          const Address source = piece.source - static_cast<Address>(before);
          const Bytes16 word =
              word_at(load_word_pair(access, source, before, next * plan.part_bytes), source);
          vectors[b] = before == 0 ? word : joined(vectors[b], word, before);
        } else {
          padding[b] |= ((std::uint32_t{1} << next) - 1) & ~((std::uint32_t{1} << filled[b]) - 1);
        }
        filled[b] = next;
        more = more || next < end[b];
      });
    }
    convert_batch<float8>(c, vectors);
    for_batch([&](int b) {
      if (end[b] == 0) return;
      for (int i = 0; padding[b] >> i != 0; ++i)
        if ((padding[b] >> i & 1) != 0)
          vectors[b] = replaced(vectors[b], plan.fill_word, i * plan.dense_part_bytes,
                                (i + 1) * plan.dense_part_bytes);
      const bool is_whole = end[b] == c.count;
      store_by(is_whole && c.aligned_output ? c.to_bytes : c.store_bytes, access,
               plan.out + Address{at[b]} * static_cast<Address>(plan.dense_part_bytes), vectors[b],
               end[b] * plan.dense_part_bytes);
    });
  }
}

}  // namespace multibuffer::cuda
