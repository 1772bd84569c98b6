#include "host/cpu/copy_rows.hpp"

#include "host/bytes/nontemporal_writer.hpp"
#include "host/bytes/simd.hpp"
#include "host/bytes/wide_copy.hpp"
#include "host/cpu/row_kinds.hpp"
#include "host/support/threshold.hpp"

#include <algorithm>

namespace multibuffer {
namespace {

/// Each batch begins and ends with partial cache lines, which does not pay for smaller ones.
constexpr Threshold least_nontemporal_bytes{2048, 1};

template <class CopyRow>
void copy_each(std::span<const RowCopy> rows, std::span<const RowCopy> ahead,
               std::int64_t row_bytes, const CopyRow& copy_row) {
  const std::size_t both = std::min(rows.size(), ahead.size());
  for (std::size_t i = 0; i < both; ++i) {
    prefetch_row(ahead[i].from, row_bytes);
    copy_row(rows[i].to, rows[i].from, row_bytes);
  }
  for (std::size_t i = both; i < rows.size(); ++i) copy_row(rows[i].to, rows[i].from, row_bytes);
}

template <class Moves>
void copy_by(std::span<const RowCopy> rows, std::span<const RowCopy> ahead,
             std::int64_t row_bytes) {
  copy_each(rows, ahead, row_bytes, [](std::byte* to, const std::byte* from, std::int64_t bytes) {
    Moves::copy(to, from, bytes);
  });
}
MULTIBUFFER_WIDE void copy_by_wide(std::span<const RowCopy> rows, std::span<const RowCopy> ahead,
                                   std::int64_t row_bytes) {
  copy_by<WideMoves>(rows, ahead, row_bytes);
}

template <class Writer>
void write_each(std::span<const RowCopy> rows, std::span<const RowCopy> ahead,
                std::int64_t row_bytes) {
  Writer out(rows[0].to);
  copy_each(rows, ahead, row_bytes, [&](std::byte* to, const std::byte* from, std::int64_t bytes) {
    out.go_to(to);
    out.append(from, bytes);
  });
  out.finish();
}
MULTIBUFFER_WIDE void write_each_wide(std::span<const RowCopy> rows, std::span<const RowCopy> ahead,
                                      std::int64_t row_bytes) {
  if (row_bytes < WideNontemporalWriter::least_worth_bytes)
    return write_each<NontemporalWriter<WideMoves>>(rows, ahead, row_bytes);
  write_each<WideNontemporalWriter>(rows, ahead, row_bytes);
}

void copy_items(std::span<const RowCopy> rows, std::int64_t bytes) {
  switch (bytes) {
    case 1:
      return copy_by<FixedRow<1>>(rows, {}, bytes);
    case 2:
      return copy_by<FixedRow<2>>(rows, {}, bytes);
    case 4:
      return copy_by<FixedRow<4>>(rows, {}, bytes);
    case 8:
      return copy_by<FixedRow<8>>(rows, {}, bytes);
    case 16:
      return copy_by<FixedRow<16>>(rows, {}, bytes);
    default:
      return copy_by<ShortRow>(rows, {}, bytes);
  }
}

}  // namespace

void copy_rows(std::span<const RowCopy> rows, std::span<const RowCopy> ahead,
               std::int64_t row_bytes, bool nontemporal) {
  if (rows.empty()) return;
  if (row_bytes <= most_item_bytes) return copy_items(rows, row_bytes);
  static const auto write =
      has_wide_vectors() ? write_each_wide : write_each<NontemporalWriter<NarrowMoves>>;
  static const auto copy = has_wide_vectors() ? copy_by_wide : copy_by<NarrowMoves>;
  if (nontemporal && static_cast<std::int64_t>(rows.size()) * row_bytes >= least_nontemporal_bytes)
    return write(rows, ahead, row_bytes);
  if (row_bytes < large_row_bytes) return copy(rows, ahead, row_bytes);
  copy_by<LargeRow>(rows, ahead, row_bytes);
}

}  // namespace multibuffer
