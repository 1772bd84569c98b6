#include "host/cpu/gather_inner_axis.hpp"

#include "host/bytes/nontemporal_writer.hpp"
#include "host/bytes/simd.hpp"
#include "host/bytes/wide_copy.hpp"
#include "host/cpu/row_range.hpp"
#include "host/support/prefetch.hpp"
#include "host/support/threshold.hpp"

#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace multibuffer {
namespace {

/// How far ahead rows are prefetched: as far as covers the memory's latency, and takes little of
/// the second cache. Rows of 1 KiB out of 1 GiB, one thread of a Zen 4: 12.8 GB/s so, 10.5 with a
/// quarter of it, and 6.5 where the processor is left to find rows by itself.
constexpr std::int64_t bytes_ahead = std::int64_t{16} << 10;
constexpr Threshold most_rows_ahead{64, 2};

/// Returns how many rows are prefetched ahead, and prefetches so many from the first one on.
template <class Address>
std::int64_t prefetch_first_rows(const RowRange& range, const Address& address) {
  const std::int64_t ahead = range.rows_ahead(bytes_ahead, most_rows_ahead);
  for (std::int64_t i = 0; i < ahead; ++i) prefetch_lines(address(i), range.row_bytes);
  return ahead;
}

template <class Moves, class Address>
void copy_range(const RowRange range, const Address address) {
  const std::int64_t bytes = range.row_bytes;
  for_each_row_ahead(
      range, address, prefetch_first_rows(range, address),
      [bytes](std::byte* to, const std::byte* from, const std::byte* later) {
        copy_and_prefetch<Moves>(to, from, bytes, later, prefetch_to_second_cache);
      },
      [bytes](std::byte* to, const std::byte* from) { Moves::copy(to, from, bytes); });
}

// One loop, with a test in it: with two loops, each of which appends, the compiler keeps the
// writer's line in memory (rows of 256 B: 12 % more time).
template <class Writer, class Address>
void write_rows_by(const RowRange range, const Address address) {
  const std::int64_t ahead = prefetch_first_rows(range, address);
  Writer out(range.to);
  std::byte* to = range.to;
  for (std::int64_t i = 0; i < range.rows; ++i, to += range.out_stride) {
    if (i + ahead < range.rows) prefetch_lines(address(i + ahead), range.row_bytes);
    out.go_to(to);
    out.append(address(i), range.row_bytes);
  }
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
