#pragma once

#include "row_walk.hpp"
#include "vector.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

namespace multibuffer {

/// Asks the second cache for the first lines of a row; the hardware follows a longer one by itself.
inline void prefetch_row(const std::byte* row, std::int64_t bytes) {
  constexpr std::int64_t most = 8 * line_bytes;
  prefetch_first_line(row);
  for (std::int64_t at = line_bytes - place_in_line(row); at < std::min(bytes, most);
       at += line_bytes)
    prefetch_first_line(row + at);
}

/// Copies rows of `row_bytes`; if `streaming`, past the caches where that pays. Asks for those in
/// `ahead`, which are copied next.
void copy_rows(std::span<const RowCopy> rows, std::span<const RowCopy> ahead,
               std::int64_t row_bytes, bool streaming);

}  // namespace multibuffer
