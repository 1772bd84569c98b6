#include "gather_line.hpp"

#include "copy_rows.hpp"
#include "line_stream.hpp"
#include "vector.hpp"

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

// What is written by way of the caches is read from them as often as not, where asking for all
// lines of a row costs as much as copying it: 256 KiB in rows of 256 B go at 23 GB/s so, and at 27
// with the first line alone.
template <class Moves, class Address>
void copy_rows(const Line line, const Address address) {
  std::byte* to = line.to;
  for (std::int64_t i = 0; i < line.rows; ++i, to += line.out_stride) {
    if (i + rows_ahead < line.rows) prefetch_first_line(address(i + rows_ahead));
    Moves::copy(to, address(i), line.row_bytes);
  }
}

template <class Stream, class Address>
void stream_rows(const Line line, const Address address) {
  std::byte* to = line.to;
  Stream out(to);
  for (std::int64_t i = 0; i < line.rows; ++i, to += line.out_stride) {
    if (i + rows_ahead < line.rows) prefetch_row(address(i + rows_ahead), line.row_bytes);
    out.go_to(to);
    out.append(address(i), line.row_bytes);
  }
  out.finish();
}

template <class Address>
void gather_narrow(const Line& line, const Address& address, bool streaming) {
  if (!streaming) return copy_rows<NarrowMoves>(line, address);
  stream_rows<LineStream<NarrowMoves>>(line, address);
}

template <class Address>
MULTIBUFFER_WIDE void gather_wide(const Line& line, const Address& address, bool streaming) {
  if (!streaming) return copy_rows<WideMoves>(line, address);
  if (line.row_bytes < WideLineStream::least_bytes)
    return stream_rows<LineStream<WideMoves>>(line, address);
  stream_rows<WideLineStream>(line, address);
}

}  // namespace

bool worth_gathering_lines(std::int64_t row_bytes, std::int64_t rows) {
  return row_bytes > most_item_bytes && row_bytes < most_row_bytes && rows >= least_rows;
}

bool gather_line(const RowWalk& walk, std::int64_t rows, std::int64_t row_bytes, bool streaming) {
  static const bool wide = has_wide_vectors();
  const Line line{walk.to(), walk.out_stride(), rows, row_bytes};
  return walk.with_addresses([&](const auto& address) {
    if (wide)
      gather_wide(line, address, streaming);
    else
      gather_narrow(line, address, streaming);
  });
}

}  // namespace multibuffer
