#include "host/cpu/gather_inner_axis.hpp"

#include "host/bytes/nontemporal_writer.hpp"
#include "host/bytes/simd.hpp"
#include "host/bytes/wide_copy.hpp"

#include <algorithm>
#include <type_traits>

namespace multibuffer {
namespace {

/// The rows that are prefetched ahead: as many as cover the memory's latency.
constexpr std::int64_t rows_ahead = 32;

struct RowRange {
  std::byte* to;
  std::int64_t out_stride;
  std::int64_t rows;
  std::int64_t row_bytes;
};

/// Calls copy(to, from) for each row, and prefetch(from) some rows before.
template <class Address, class Prefetch, class Copy>
void for_each_row(const RowRange& range, const Address& address, const Prefetch& prefetch,
                  const Copy& copy) {
  for (std::int64_t i = 0; i < std::min(rows_ahead, range.rows); ++i) prefetch(address(i));
  std::byte* to = range.to;
  for (std::int64_t i = 0; i < range.rows; ++i, to += range.out_stride) {
    if (i + rows_ahead < range.rows) prefetch(address(i + rows_ahead));
    copy(to, address(i));
  }
}

// Results that are written to the caches are often read from them as well, and prefetching all
// lines of a row then costs as much as copying it: 256 KiB in rows of 256 B take 23 GB/s so, and 27
// with the first line alone.
//
// Parameters are values, here and below: through a reference, the compiler must assume that each
// store to a row changes them (256 KiB in rows of 64 B: 10 instead of 18 GB/s).
template <class Moves, class Address>
void copy_range(const RowRange range, const Address address) {
  for_each_row(range, address, prefetch_first_line, [&](std::byte* to, const std::byte* from) {
    Moves::copy(to, from, range.row_bytes);
  });
}

template <class Writer, class Address>
void write_rows_by(const RowRange range, const Address address) {
  Writer out(range.to);
  for_each_row(
      range, address, [&](const std::byte* row) { prefetch_row(row, range.row_bytes); },
      [&](std::byte* to, const std::byte* from) {
        out.go_to(to);
        out.append(from, range.row_bytes);
      });
  out.finish();
}

template <class Address>
void gather_narrow(const RowRange& range, const Address& address, bool nontemporal) {
  if (!nontemporal) return copy_range<NarrowMoves>(range, address);
  write_rows_by<NontemporalWriter<NarrowMoves>>(range, address);
}

template <class Address>
MULTIBUFFER_WIDE void gather_wide(const RowRange& range, const Address& address, bool nontemporal) {
  if (!nontemporal) return copy_range<WideMoves>(range, address);
  if (range.row_bytes < WideNontemporalWriter::least_worth_bytes)
    return write_rows_by<NontemporalWriter<WideMoves>>(range, address);
  write_rows_by<WideNontemporalWriter>(range, address);
}

}  // namespace

void gather_inner_axis(const RowWalk& walk, std::int64_t rows, std::int64_t row_bytes,
                       bool nontemporal) {
  static const bool wide = has_wide_vectors();
  const RowRange range{walk.to(), walk.out_stride(), rows, row_bytes};
  walk.with_addresses(
      [&]<class Before, class Entry, class After>(const RowAddress<Before, Entry, After>& address) {
        if constexpr (std::is_void_v<After>) {
          if (wide)
            gather_wide(range, address, nontemporal);
          else
            gather_narrow(range, address, nontemporal);
        }
      });
}

}  // namespace multibuffer
