#pragma once

#include "cuda/kernels/find_rows.hpp"
#include "cuda/kernels/ragged_kernel.hpp"

#include <cstdint>

/// Finds what belongs at a place of a ragged plan's dense side: the part that both bodies share.
/// `Access` is as in find_rows.hpp.
namespace multibuffer::cuda {

template <class Access>
constexpr std::int64_t load_entry(Access& access, const KernelTable& table, std::int64_t position) {
  const Address at = table.data + static_cast<Address>(position * table.bytes_each);
  return table.bytes_each == 8 ? access.template load<std::int64_t>(at)
                               : std::int64_t{access.template load<std::uint32_t>(at)};
}

/// The entry of a row; -1 for one that a bad index names.
template <class Plan, class Access>
constexpr std::int64_t entry_of_row(const Plan& plan, Access& access, std::int64_t row) {
  if (plan.entries == 0) return plan.first + row * plan.step;
  return access.template load<std::int64_t>(plan.entries + static_cast<Address>(row) * 8);
}

template <class Plan, class Access>
constexpr Address start_of_entry(const Plan& plan, Access& access, std::int64_t entry) {
  return plan.base + static_cast<Address>(load_entry(access, plan.starts, entry) * plan.unit);
}

/// Returns how many parts the dense side has: of a packed one, whose room may be larger, those of
/// its rows.
template <class Plan, class Access>
constexpr typename Plan::Count dense_parts(const Plan& plan, Access& access) {
  if (plan.offsets.data == 0) return plan.parts;
  const std::int64_t items = load_entry(access, plan.offsets, static_cast<std::int64_t>(plan.rows));
  const std::int64_t parts = items * static_cast<std::int64_t>(plan.item_parts.divisor);
  return parts < static_cast<std::int64_t>(plan.parts) ? static_cast<typename Plan::Count>(parts)
                                                       : plan.parts;
}

/// Rows [first, end), one of which a part of a packed side belongs to.
template <class Count>
struct RowRange {
  Count first = 0;
  Count end = 0;
};

/// Returns the row of a part, by bisection of the rows that it may belong to.
template <class Plan, class Access>
constexpr typename Plan::Count row_of_part(const Plan& plan, Access& access,
                                           RowRange<typename Plan::Count> rows,
                                           typename Plan::Count part) {
  const auto item = static_cast<std::int64_t>(plan.item_parts.divide(part));
  while (rows.end - rows.first > 1) {
    const auto middle = static_cast<typename Plan::Count>(rows.first + (rows.end - rows.first) / 2);
    if (load_entry(access, plan.offsets, static_cast<std::int64_t>(middle)) <= item)
      rows.first = middle;
    else
      rows.end = middle;
  }
  return rows.first;
}

/// Returns the rows of a turn's parts [first, last], which all threads of a block look for alike:
/// their loads are one, and what each thread then bisects is in the first cache.
template <class Plan, class Access>
constexpr RowRange<typename Plan::Count> rows_of_turn(const Plan& plan, Access& access,
                                                      typename Plan::Count first,
                                                      typename Plan::Count last) {
  if (plan.offsets.data == 0) return {};
  const auto begin = row_of_part(plan, access, {0, plan.rows}, first);
  const auto back = row_of_part(plan, access, {begin, plan.rows}, last);
  return {begin, static_cast<typename Plan::Count>(back + 1)};
}

/// Some parts that follow each other on both sides. Padding that the plan has as a word has no
/// source.
struct RaggedPiece {
  Address source = 0;
  std::int64_t parts = 0;
};

/// Returns where a part of an item's run is, in an item with gaps.
template <class Plan>
constexpr std::int64_t place_in_item(const Plan& plan, typename Plan::Count part) {
  using Count = typename Plan::Count;
  Count run = plan.run_parts.divide(part);
  std::int64_t place =
      static_cast<std::int64_t>(part - run * plan.run_parts.divisor) * plan.part_bytes;
  for (int axis = plan.axis_count - 1; axis >= 0; --axis) {
    const auto& extent = plan.axes[axis].extent;
    const Count outer = extent.divide(run);
    place += static_cast<std::int64_t>(run - outer * extent.divisor) * plan.axes[axis].stride;
    run = outer;
  }
  return place;
}

/// Returns the piece of a row that begins with part `part` behind its item `first`, of `parts`
/// parts.
template <class Plan>
constexpr RaggedPiece piece_of_row(const Plan& plan, Address start, std::int64_t first,
                                   typename Plan::Count part, std::int64_t parts) {
  if (plan.axis_count < 0)
    return {start + static_cast<Address>(first * plan.item_stride +
                                         static_cast<std::int64_t>(part) * plan.part_bytes),
            parts};
  const auto item = plan.item_parts.divide(part);
  const auto in_item = static_cast<typename Plan::Count>(part - item * plan.item_parts.divisor);
  return {
      start + static_cast<Address>((first + static_cast<std::int64_t>(item)) * plan.item_stride +
                                   place_in_item(plan, in_item)),
      1};
}

/// Returns the padding from part `part` of a row on.
template <class Plan>
constexpr RaggedPiece piece_of_padding(const Plan& plan, typename Plan::Count part,
                                       std::int64_t parts) {
  if (plan.fill == 0) return {0, parts};
  const auto byte = static_cast<typename Plan::Count>(
      part * static_cast<typename Plan::Count>(plan.dense_part_bytes));
  const auto phase = byte - plan.fill_bytes.divide(byte) * plan.fill_bytes.divisor;
  return {plan.fill + static_cast<Address>(phase), parts};
}

template <class Plan, class Access>
constexpr RaggedPiece padded_piece(const Plan& plan, Access& access, typename Plan::Count part) {
  using Count = typename Plan::Count;
  const Count row = plan.row_parts.divide(part);
  const auto in_row = static_cast<Count>(part - row * plan.row_parts.divisor);
  const std::int64_t entry = entry_of_row(plan, access, static_cast<std::int64_t>(row));
  const std::int64_t length = entry < 0 ? 0 : load_entry(access, plan.lengths, entry);
  const PaddedItems items = padded_items(length, plan.length, plan.before, plan.keeps_end);
  const auto item_parts = static_cast<std::int64_t>(plan.item_parts.divisor);
  const std::int64_t place = items.place * item_parts;
  const std::int64_t end = place + items.count * item_parts;
  const auto at = static_cast<std::int64_t>(in_row);
  if (at < place) return piece_of_padding(plan, in_row, place - at);
  if (at >= end)
    return piece_of_padding(plan, in_row, static_cast<std::int64_t>(plan.row_parts.divisor) - at);
  return piece_of_row(plan, start_of_entry(plan, access, entry), items.first,
                      static_cast<Count>(at - place), end - at);
}

/// `row` has the part, or one behind it has; it becomes that row.
template <class Plan, class Access>
constexpr RaggedPiece packed_piece(const Plan& plan, Access& access, typename Plan::Count part,
                                   typename Plan::Count& row) {
  const auto item_parts = static_cast<std::int64_t>(plan.item_parts.divisor);
  const auto at = static_cast<std::int64_t>(part);
  std::int64_t begin =
      load_entry(access, plan.offsets, static_cast<std::int64_t>(row)) * item_parts;
  std::int64_t end =
      load_entry(access, plan.offsets, static_cast<std::int64_t>(row) + 1) * item_parts;
  while (end <= at) {
    ++row;
    begin = end;
    end = load_entry(access, plan.offsets, static_cast<std::int64_t>(row) + 1) * item_parts;
  }
  const std::int64_t entry = entry_of_row(plan, access, static_cast<std::int64_t>(row));
  return piece_of_row(plan, start_of_entry(plan, access, entry), 0,
                      static_cast<typename Plan::Count>(at - begin), end - at);
}

/// Returns what the dense side has from `part` on, which it has. Of a packed side, `row` is as
/// above.
template <class Plan, class Access>
constexpr RaggedPiece piece_at(const Plan& plan, Access& access, typename Plan::Count part,
                               typename Plan::Count& row) {
  return plan.offsets.data == 0 ? padded_piece(plan, access, part)
                                : packed_piece(plan, access, part, row);
}

}  // namespace multibuffer::cuda
