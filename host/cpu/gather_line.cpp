#include "host/cpu/gather_line.hpp"

#include "host/bytes/line_stream.hpp"
#include "host/bytes/simd.hpp"
#include "host/bytes/wide_copy.hpp"

#include <algorithm>
#include <type_traits>

namespace multibuffer {
namespace {

/// How far ahead rows are asked for: as many as cover the memory's latency.
constexpr std::int64_t rows_ahead = 32;

/// Longer rows gain nothing beside batches of them.
constexpr std::int64_t most_row_bytes = 2048;

/// What a call costs is little beside this many rows.
constexpr std::int64_t least_rows = 2 * rows_ahead;

struct Line {
  std::byte* to;
  std::int64_t out_stride;
  std::int64_t rows;
  std::int64_t row_bytes;
};

/// copy(to, from) for each row, with ask(from) some rows before.
template <class Address, class Ask, class Copy>
void for_each_row(const Line& line, const Address& address, const Ask& ask, const Copy& copy) {
  for (std::int64_t i = 0; i < std::min(rows_ahead, line.rows); ++i) ask(address(i));
  std::byte* to = line.to;
  for (std::int64_t i = 0; i < line.rows; ++i, to += line.out_stride) {
    if (i + rows_ahead < line.rows) ask(address(i + rows_ahead));
    copy(to, address(i));
  }
}

// What is written by way of the caches is often read from them as well, where asking for all lines
// of a row costs as much as copying it: 256 KiB in rows of 256 B go at 23 GB/s so, and at 27 with
// the first line alone.
//
// By value, here and below: of what is referred to, the compiler has to think that each store to a
// row may change it (256 KiB in rows of 64 B: 10 instead of 18 GB/s).
template <class Moves, class Address>
void copy_line(const Line line, const Address address) {
  for_each_row(line, address, prefetch_first_line, [&](std::byte* to, const std::byte* from) {
    Moves::copy(to, from, line.row_bytes);
  });
}

template <class Stream, class Address>
void stream_line_by(const Line line, const Address address) {
  Stream out(line.to);
  for_each_row(
      line, address, [&](const std::byte* row) { prefetch_row(row, line.row_bytes); },
      [&](std::byte* to, const std::byte* from) {
        out.go_to(to);
        out.append(from, line.row_bytes);
      });
  out.finish();
}

template <class Address>
void gather_narrow(const Line& line, const Address& address, bool streaming) {
  if (!streaming) return copy_line<NarrowMoves>(line, address);
  stream_line_by<LineStream<NarrowMoves>>(line, address);
}

template <class Address>
MULTIBUFFER_WIDE void gather_wide(const Line& line, const Address& address, bool streaming) {
  if (!streaming) return copy_line<WideMoves>(line, address);
  if (line.row_bytes < WideLineStream::least_worth_bytes)
    return stream_line_by<LineStream<WideMoves>>(line, address);
  stream_line_by<WideLineStream>(line, address);
}

}  // namespace

bool worth_gathering_lines(std::int64_t row_bytes, std::int64_t rows) {
  return row_bytes > most_item_bytes && row_bytes < most_row_bytes && rows >= least_rows;
}

bool gather_line(const RowWalk& walk, std::int64_t rows, std::int64_t row_bytes, bool streaming) {
  static const bool wide = has_wide_vectors();
  const Line line{walk.to(), walk.out_stride(), rows, row_bytes};
  bool done = false;
  walk.with_addresses(
      [&]<class Before, class Entry, class After>(const RowAddress<Before, Entry, After>& address) {
        // Indices behind a table are for items, hardly ever for what is longer.
        if constexpr (std::is_void_v<After>) {
          if (wide)
            gather_wide(line, address, streaming);
          else
            gather_narrow(line, address, streaming);
          done = true;
        }
      });
  return done;
}

}  // namespace multibuffer
