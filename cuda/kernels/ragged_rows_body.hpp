#pragma once

#include "cuda/kernels/ragged_pieces.hpp"

#include <cstdint>

/// These bodies run before the copy, where indices on the device select the rows.
namespace multibuffer::cuda {

/// One thread for a batch of rows.
template <class Access>
constexpr void look_up_rows(const RowIndices& plan, Access& access, std::int64_t first) {
  bool valid[batch];
  Address at[batch];
  std::int64_t rows[batch];
  for (int b = 0; b < batch; ++b) {
    valid[b] = first + b < plan.rows;
    at[b] = plan.data + static_cast<Address>((valid[b] ? first + b : 0) * plan.bytes_each);
  }
  load_integers<std::int32_t>(access, plan.bytes_each, at, valid, rows);
  to_indices(plan, plan.mode, rows);
  for (int b = 0; b < batch; ++b) {
    if (!valid[b]) continue;
    const auto place = static_cast<Address>(first + b) * 8;
    const bool is_bad =
        static_cast<std::uint64_t>(rows[b]) >= static_cast<std::uint64_t>(plan.extent);
    if (is_bad && plan.bad_index != 0)
      access.atomic_min(plan.bad_index, BadIndex{0, first + b}.word());
    const std::int64_t entry = is_bad ? -1 : plan.first + rows[b] * plan.step;
    access.store(plan.entries + place, entry);
    if (plan.sums != 0)
      access.store(plan.sums + place, is_bad ? 0 : load_entry(access, plan.lengths, entry));
  }
}

/// One thread for each offset. Those beyond what 32 bits hold stay at the largest number: then
/// there is no room for their rows either.
template <class Access>
constexpr void write_offset(const RowOffsets& plan, Access& access, std::int64_t row) {
  const std::int64_t sum =
      row == 0 ? 0
               : access.template load<std::int64_t>(plan.sums + static_cast<Address>(row - 1) * 8);
  const Address at = plan.offsets.data + static_cast<Address>(row * plan.offsets.bytes_each);
  constexpr std::int64_t narrow_limit = 0x7fffffff;
  if (plan.offsets.bytes_each == 8)
    access.store(at, sum);
  else
    access.store(at, static_cast<std::uint32_t>(sum < narrow_limit ? sum : narrow_limit));
  if (row == plan.rows && sum > plan.room && plan.bad_index != 0)
    access.atomic_min(plan.bad_index, too_many_items(sum).word());
}

}  // namespace multibuffer::cuda
