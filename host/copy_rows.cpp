#include "copy_rows.hpp"

#include "vector.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstring>

namespace multibuffer {
namespace {

constexpr auto block_bytes = static_cast<std::int64_t>(vector_bytes);

/// Streaming only pays where whole cache lines are written one after the other.
constexpr std::int64_t streamed_row_bytes = 2048;

bool is_aligned(const std::byte* pointer, std::int64_t to) {
  return reinterpret_cast<std::uintptr_t>(pointer) % static_cast<std::uintptr_t>(to) == 0;
}

template <class Line>
void stream_lines(std::byte* to, const std::byte* from, std::int64_t bytes, const Line& line) {
  const auto misaligned =
      static_cast<std::int64_t>(reinterpret_cast<std::uintptr_t>(to) % line_bytes);
  const std::int64_t head = misaligned == 0 ? 0 : std::min(bytes, line_bytes - misaligned);
  if (head > 0) std::memcpy(to, from, static_cast<std::size_t>(head));
  std::int64_t at = head;
  for (; at + line_bytes <= bytes; at += line_bytes) line(to + at, from + at);
  if (at < bytes) std::memcpy(to + at, from + at, static_cast<std::size_t>(bytes - at));
}

void stream_narrow(std::byte* to, const std::byte* from, std::int64_t bytes) {
  stream_lines(to, from, bytes, stream_line);
}
MULTIBUFFER_WIDE void stream_wide(std::byte* to, const std::byte* from, std::int64_t bytes) {
  stream_lines(to, from, bytes, stream_wide_line);
}

/// Two moves of `Bytes` that overlap in the middle: any size from Bytes to 2 * Bytes.
template <std::size_t Bytes>
void copy_ends(std::byte* to, const std::byte* from, std::int64_t bytes) {
  std::byte first[Bytes], last[Bytes];
  std::memcpy(first, from, Bytes);
  std::memcpy(last, from + bytes - Bytes, Bytes);
  std::memcpy(to, first, Bytes);
  std::memcpy(to + bytes - Bytes, last, Bytes);
}

/// Rows of a size known when this is compiled.
template <int Bytes>
struct FixedRow {
  void operator()(std::byte* to, const std::byte* from, std::int64_t) const {
    std::memcpy(to, from, Bytes);
  }
};
struct TinyRow {  ///< 3 to 15 bytes
  void operator()(std::byte* to, const std::byte* from, std::int64_t bytes) const {
    if (bytes >= 8) return copy_ends<8>(to, from, bytes);
    if (bytes >= 4) return copy_ends<4>(to, from, bytes);
    copy_ends<2>(to, from, bytes);
  }
};
struct SmallRow {  ///< 16 bytes and up
  void operator()(std::byte* to, const std::byte* from, std::int64_t bytes) const {
    for (std::int64_t at = 0; at + block_bytes <= bytes; at += block_bytes)
      std::memcpy(to + at, from + at, vector_bytes);
    if (bytes % block_bytes != 0)
      std::memcpy(to + bytes - block_bytes, from + bytes - block_bytes, vector_bytes);
  }
};
struct LargeRow {
  void operator()(std::byte* to, const std::byte* from, std::int64_t bytes) const {
    std::memcpy(to, from, static_cast<std::size_t>(bytes));
  }
};
struct StreamedRow {
  void operator()(std::byte* to, const std::byte* from, std::int64_t bytes) const {
    stream_bytes(to, from, bytes);
  }
};

template <class CopyRow>
void copy_each(std::span<const RowCopy> rows, std::span<const RowCopy> ahead,
               std::int64_t row_bytes, const CopyRow& copy_row) {
  const std::size_t both = std::min(rows.size(), ahead.size());
  for (std::size_t i = 0; i < both; ++i) {
    prefetch_rest_of_row(ahead[i].from, row_bytes);
    copy_row(rows[i].to, rows[i].from, row_bytes);
  }
  for (std::size_t i = both; i < rows.size(); ++i) copy_row(rows[i].to, rows[i].from, row_bytes);
}

/// Whole lines to aligned places.
template <class Line>
void stream_each(std::span<const RowCopy> rows, std::span<const RowCopy> ahead,
                 std::int64_t row_bytes, const Line& line) {
  copy_each(rows, ahead, row_bytes, [&](std::byte* to, const std::byte* from, std::int64_t bytes) {
    for (std::int64_t at = 0; at < bytes; at += line_bytes) line(to + at, from + at);
  });
}
void stream_rows_narrow(std::span<const RowCopy> rows, std::span<const RowCopy> ahead,
                        std::int64_t row_bytes) {
  stream_each(rows, ahead, row_bytes, stream_line);
}
MULTIBUFFER_WIDE void stream_rows_wide(std::span<const RowCopy> rows,
                                       std::span<const RowCopy> ahead, std::int64_t row_bytes) {
  stream_each(rows, ahead, row_bytes, stream_wide_line);
}

/// Rows that lie one after the other where they are written leave together, through a buffer: by
/// themselves they would not fill whole cache lines. Short rows are too scattered for that to pay:
/// reading them takes all the requests that the first cache can have under way.
constexpr std::int64_t joined_bytes = std::int64_t{16} << 10;
constexpr std::int64_t least_joined_row = 512;

bool are_joined(std::span<const RowCopy> rows, std::int64_t row_bytes) {
  for (std::size_t i = 1; i < rows.size(); ++i)
    if (rows[i].to != rows[i - 1].to + row_bytes) return false;
  return static_cast<std::int64_t>(rows.size()) * row_bytes <= joined_bytes;
}

template <class CopyRow>
void copy_joined(std::span<const RowCopy> rows, std::span<const RowCopy> ahead,
                 std::int64_t row_bytes, const CopyRow& copy_row) {
  alignas(line_bytes) std::byte buffer[static_cast<std::size_t>(joined_bytes + line_bytes)];
  // Vectors that are whole in the result are whole in the buffer.
  std::byte* const begin = buffer + reinterpret_cast<std::uintptr_t>(rows[0].to) % line_bytes;
  std::byte* to = begin;
  for (std::size_t i = 0; i < rows.size(); ++i, to += row_bytes) {
    if (i < ahead.size()) prefetch_rest_of_row(ahead[i].from, row_bytes);
    copy_row(to, rows[i].from, row_bytes);
  }
  stream_bytes(rows[0].to, begin, to - begin);
}

}  // namespace

bool worth_streaming(std::int64_t bytes) {
  // What is reported as the last cache may be shared with others: a virtual machine sees all of its
  // host's. Few processors have more than 16 MiB of it for each of their cores.
  constexpr std::int64_t most_a_core = std::int64_t{16} << 20;
  static const std::int64_t cache = [] {
    const std::int64_t size = sysconf(_SC_LEVEL3_CACHE_SIZE);
    const std::int64_t cores = std::max<std::int64_t>(1, sysconf(_SC_NPROCESSORS_ONLN));
    return size > 0 ? std::min(size, cores * most_a_core) : std::int64_t{32} << 20;
  }();
  return bytes > cache / 2;
}

void stream_bytes(std::byte* to, const std::byte* from, std::int64_t bytes) {
  static const auto stream = has_wide_vectors() ? stream_wide : stream_narrow;
  stream(to, from, bytes);
}

void copy_bytes(std::byte* to, const std::byte* from, std::int64_t bytes, bool streaming) {
  if (streaming && bytes >= streamed_row_bytes) return stream_bytes(to, from, bytes);
  std::memcpy(to, from, static_cast<std::size_t>(bytes));
}

void prefetch_row(const std::byte* row, std::int64_t bytes) {
  prefetch_first_line(row);
  prefetch_rest_of_row(row, bytes);
}

void prefetch_rest_of_row(const std::byte* row, std::int64_t bytes) {
  constexpr std::int64_t most = 8 * line_bytes;
  const auto into_line =
      static_cast<std::int64_t>(reinterpret_cast<std::uintptr_t>(row) % line_bytes);
  for (std::int64_t at = line_bytes - into_line; at < std::min(bytes, most); at += line_bytes)
    prefetch_first_line(row + at);
}

void copy_rows(std::span<const RowCopy> rows, std::span<const RowCopy> ahead,
               std::int64_t row_bytes, bool streaming) {
  if (row_bytes <= block_bytes) ahead = {};  // the walk has asked for all of them
  const bool whole_lines =
      row_bytes % line_bytes == 0 &&
      std::ranges::all_of(rows, [](const RowCopy& row) { return is_aligned(row.to, line_bytes); });
  static const auto stream_rows = has_wide_vectors() ? stream_rows_wide : stream_rows_narrow;
  if (streaming && whole_lines) return stream_rows(rows, ahead, row_bytes);
  const bool joined = streaming && row_bytes >= least_joined_row && are_joined(rows, row_bytes);
  const auto with = [&](const auto& copy_row) {
    if (joined) return copy_joined(rows, ahead, row_bytes, copy_row);
    copy_each(rows, ahead, row_bytes, copy_row);
  };
  if (streaming && row_bytes >= streamed_row_bytes)
    return copy_each(rows, ahead, row_bytes, StreamedRow{});
  switch (row_bytes) {
    case 1:
      return with(FixedRow<1>{});
    case 2:
      return with(FixedRow<2>{});
    case 4:
      return with(FixedRow<4>{});
    case 8:
      return with(FixedRow<8>{});
    case 16:
      return with(FixedRow<16>{});
    case 32:
      return with(FixedRow<32>{});
    case 64:
      return with(FixedRow<64>{});
    default:
      break;
  }
  if (row_bytes < block_bytes) return with(TinyRow{});
  if (row_bytes < 512) return with(SmallRow{});
  with(LargeRow{});
}

}  // namespace multibuffer
