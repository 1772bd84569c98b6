#include "host/cpu/gather_cached_rows.hpp"

#include "host/bytes/simd.hpp"
#include "host/bytes/wide_copy.hpp"
#include "host/cpu/row_kinds.hpp"
#include "host/cpu/row_range.hpp"
#include "host/support/prefetch.hpp"

#include <cstddef>
#include <cstdint>
#include <type_traits>

// A row of 16 bytes is copied in 0.55 ns by a loop that knows its size, and in 2.4 by one that is
// told the size, finds the addresses of a batch of rows first and prefetches them (1024 rows in the
// second cache of a Zen 5).

namespace multibuffer {
namespace {

/// As `large_row_bytes`, where there are wide vectors and rows are prefetched.
constexpr std::int64_t large_wide_row_bytes = 4096;

/// Copies rows of so many cache lines.
template <std::int64_t Lines>
struct WideLines {
  static void copy(std::byte* to, const std::byte* from, std::int64_t /*bytes*/) {
    for (std::int64_t at = 0; at < Lines * cache_line_bytes; at += cache_line_bytes)
      copy_wide_line(to + at, from + at);
  }
};

/// A `RowAddress` with nothing to add after the table, so that a loop over it has all that it needs
/// in registers: with that term, 1.0 ns for a row of 16 bytes.
template <class Before, class Entry>
struct OneTermAddress {
  RowTerm<Before> before;
  const Entry* table;
  std::int64_t unit;
  std::uintptr_t base;  ///< with all that is the same for every row

  const std::byte* operator()(std::int64_t row) const {
    std::int64_t position = before(row);
    if constexpr (!std::is_void_v<Entry>)
      position = static_cast<std::int64_t>(table[position]) * unit;
    return reinterpret_cast<const std::byte*>(base + static_cast<std::uintptr_t>(position));
  }
};

template <class Before, class Entry>
OneTermAddress<Before, Entry> one_term(const RowAddress<Before, Entry, void>& address) {
  OneTermAddress<Before, Entry> result{address.before, address.table, address.unit, address.base};
  if constexpr (std::is_void_v<Entry>)
    result.base += static_cast<std::uintptr_t>(address.first);
  else
    result.table += address.first;
  return result;
}

template <class Row, class Address>
void copy_each(const RowRange range, const Address address) {
  std::byte* to = range.to;
  for (std::int64_t i = 0; i < range.rows; ++i, to += range.out_stride)
    Row::copy(to, address(i), range.row_bytes);
}

/// Rows of this size or more are prefetched: the second cache holds only some hundreds of them.
constexpr std::int64_t least_prefetched_bytes = 576;

/// Prefetches rows into the first cache, a little ahead.
template <class Moves, class Address>
void copy_each_ahead(const RowRange range, const Address address) {
  constexpr std::int64_t bytes_ahead = 4096, most_rows_ahead = bytes_ahead / least_prefetched_bytes;
  const std::int64_t bytes = range.row_bytes;
  for_each_row_ahead(
      range, address, range.rows_ahead(bytes_ahead, most_rows_ahead),
      [bytes](std::byte* to, const std::byte* from, const std::byte* later) {
        copy_and_prefetch<Moves>(to, from, bytes, later, prefetch_to_first_cache);
      },
      [bytes](std::byte* to, const std::byte* from) { Moves::copy(to, from, bytes); });
}

// Functions of their own, by `Row` and `Address`, so that each loop has all registers.
template <class Row, class Address>
[[gnu::noinline]] void copy_each_narrow(const RowRange range, const Address address) {
  copy_each<Row>(range, address);
}
template <class Row, class Address>
[[gnu::noinline]] MULTIBUFFER_WIDE void copy_each_wide(const RowRange range,
                                                       const Address address) {
  copy_each<Row>(range, address);
}
template <class Address>
[[gnu::noinline]] MULTIBUFFER_WIDE void copy_each_ahead_wide(const RowRange range,
                                                             const Address address) {
  copy_each_ahead<WideMoves>(range, address);
}

template <class Address>
void gather_any(const RowRange& range, const Address& address) {
  if (range.row_bytes <= static_cast<std::int64_t>(vector_bytes))
    return copy_each_narrow<ShortRow>(range, address);
  if (range.row_bytes >= large_row_bytes) return copy_each_narrow<LargeRow>(range, address);
  if (range.row_bytes >= least_prefetched_bytes)
    return copy_each_ahead<NarrowMoves>(range, address);
  copy_each_narrow<NarrowMoves>(range, address);
}

/// Uses what every processor has, which is as fast as wide vectors for rows within a cache line.
template <class Address>
void gather_narrow(const RowRange& range, const Address& address) {
  switch (range.row_bytes) {
    case 1:
      return copy_each_narrow<FixedRow<1>>(range, address);
    case 2:
      return copy_each_narrow<FixedRow<2>>(range, address);
    case 4:
      return copy_each_narrow<FixedRow<4>>(range, address);
    case 8:
      return copy_each_narrow<FixedRow<8>>(range, address);
    case 16:
      return copy_each_narrow<FixedRow<16>>(range, address);
    case 32:
      return copy_each_narrow<FixedRow<32>>(range, address);
    default:
      return gather_any(range, address);
  }
}

template <class Address>
void gather_wide(const RowRange& range, const Address& address) {
  switch (range.row_bytes) {
    case cache_line_bytes:
      return copy_each_wide<WideLines<1>>(range, address);
    case 2 * cache_line_bytes:
      return copy_each_wide<WideLines<2>>(range, address);
    case 4 * cache_line_bytes:
      return copy_each_wide<WideLines<4>>(range, address);
    case 8 * cache_line_bytes:
      return copy_each_wide<WideLines<8>>(range, address);
    default:
      if (range.row_bytes < least_prefetched_bytes)
        return copy_each_wide<WideMoves>(range, address);
      return copy_each_ahead_wide(range, address);
  }
}

}  // namespace

void gather_cached_rows(const RowWalk& walk, std::int64_t rows, std::int64_t row_bytes) {
  const bool wide =
      row_bytes >= cache_line_bytes && row_bytes < large_wide_row_bytes && has_wide_vectors();
  const RowRange range{walk.to(), walk.out_stride(), rows, row_bytes};
  walk.with_addresses(
      [&]<class Before, class Entry, class After>(const RowAddress<Before, Entry, After>& address) {
        if constexpr (std::is_void_v<After>) {
          if (address.after.stride != 0)
            gather_any(range, address);
          else if (wide)
            gather_wide(range, one_term(address));
          else
            gather_narrow(range, one_term(address));
        }
      });
}

}  // namespace multibuffer
