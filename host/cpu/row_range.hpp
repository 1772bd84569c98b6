#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace multibuffer {

/// Rows of one inner axis, by where they go; a `RowAddress` tells where they come from.
struct RowRange {
  std::byte* to;
  std::int64_t out_stride;
  std::int64_t rows;
  std::int64_t row_bytes;

  /// The number of rows that are `bytes` ahead of the one being copied: one at least, if there is
  /// any, and no more than `most`.
  std::int64_t rows_ahead(std::int64_t bytes, std::int64_t most) const {
    return std::min(rows, std::clamp<std::int64_t>(bytes / row_bytes, 1, most));
  }
};

/// Calls copy(to, from, later) for each row of a range but the last `ahead` ones, where `later` is
/// the row so many ahead, which is to be prefetched, and then copy_last(to, from) for those.
///
/// The range and the address are values, here and in those who call this: through a reference, the
/// compiler must assume that each store to a row changes them (256 KiB in rows of 64 B: 10 instead
/// of 18 GB/s).
template <class Address, class Copy, class CopyLast>
void for_each_row_ahead(const RowRange range, const Address address, std::int64_t ahead,
                        const Copy copy, const CopyLast copy_last) {
  std::byte* to = range.to;
  std::int64_t i = 0;
  for (; i < range.rows - ahead; ++i, to += range.out_stride)
    copy(to, address(i), address(i + ahead));
  for (; i < range.rows; ++i, to += range.out_stride) copy_last(to, address(i));
}

}  // namespace multibuffer
