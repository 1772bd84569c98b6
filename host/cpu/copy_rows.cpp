#include "host/cpu/copy_rows.hpp"

#include "host/bytes/nontemporal_writer.hpp"
#include "host/bytes/short_copy.hpp"
#include "host/bytes/simd.hpp"
#include "host/bytes/wide_copy.hpp"

#include <algorithm>
#include <cstring>

namespace multibuffer {
namespace {

/// From this size, the C library's memcpy is faster.
constexpr std::int64_t large_row_bytes = 2048;

/// Each batch begins and ends with partial cache lines, which does not pay for smaller ones.
constexpr std::int64_t least_nontemporal_bytes = 2048;

/// Rows of a size known when this is compiled.
template <int Bytes>
struct FixedRow {
  void operator()(std::byte* to, const std::byte* from, std::int64_t) const {
    std::memcpy(to, from, Bytes);
  }
};
struct TinyRow {  ///< 3 to 15 bytes
  void operator()(std::byte* to, const std::byte* from, std::int64_t bytes) const {
    copy_short(to, from, bytes);
  }
};
struct LargeRow {
  void operator()(std::byte* to, const std::byte* from, std::int64_t bytes) const {
    std::memcpy(to, from, static_cast<std::size_t>(bytes));
  }
};
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
void copy_small(std::span<const RowCopy> rows, std::span<const RowCopy> ahead,
                std::int64_t row_bytes) {
  copy_each(rows, ahead, row_bytes, [](std::byte* to, const std::byte* from, std::int64_t bytes) {
    Moves::copy(to, from, bytes);
  });
}
MULTIBUFFER_WIDE void copy_small_wide(std::span<const RowCopy> rows, std::span<const RowCopy> ahead,
                                      std::int64_t row_bytes) {
  copy_small<WideMoves>(rows, ahead, row_bytes);
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

void copy_small_rows(std::span<const RowCopy> rows, std::int64_t bytes) {
  const auto by = [&](const auto& copy_row) { copy_each(rows, {}, bytes, copy_row); };
  switch (bytes) {
    case 1:
      return by(FixedRow<1>{});
    case 2:
      return by(FixedRow<2>{});
    case 4:
      return by(FixedRow<4>{});
    case 8:
      return by(FixedRow<8>{});
    case 16:
      return by(FixedRow<16>{});
    default:
      return by(TinyRow{});
  }
}

}  // namespace

void copy_rows(std::span<const RowCopy> rows, std::span<const RowCopy> ahead,
               std::int64_t row_bytes, bool nontemporal) {
  if (rows.empty()) return;
  if (row_bytes <= most_item_bytes) return copy_small_rows(rows, row_bytes);
  static const auto write =
      has_wide_vectors() ? write_each_wide : write_each<NontemporalWriter<NarrowMoves>>;
  static const auto copy = has_wide_vectors() ? copy_small_wide : copy_small<NarrowMoves>;
  if (nontemporal && static_cast<std::int64_t>(rows.size()) * row_bytes >= least_nontemporal_bytes)
    return write(rows, ahead, row_bytes);
  if (row_bytes < large_row_bytes) return copy(rows, ahead, row_bytes);
  copy_each(rows, ahead, row_bytes, LargeRow{});
}

}  // namespace multibuffer
