#pragma once

#include "row_walk.hpp"

#include <cstddef>
#include <cstdint>
#include <span>

namespace multibuffer {

/// Whether results of this size go past the caches: nobody finds them there afterwards.
bool worth_streaming(std::int64_t bytes);

/// Copies `bytes` bytes past the caches, as far as they are whole cache lines of `to`. After the
/// last streaming copy of a thread comes `finish_streaming`.
void stream_bytes(std::byte* to, const std::byte* from, std::int64_t bytes);

/// Copies `bytes` bytes; if `streaming`, past the caches where that pays.
void copy_bytes(std::byte* to, const std::byte* from, std::int64_t bytes, bool streaming);

/// Asks the caches for the first lines of a row; the hardware follows a longer one by itself.
void prefetch_row(const std::byte* row, std::int64_t bytes);

/// The same but for the line that the row begins in, which a `RowWalk` has asked for.
void prefetch_rest_of_row(const std::byte* row, std::int64_t bytes);

/// Copies rows of `row_bytes` and asks the caches for the rest of those in `ahead`, which are
/// copied next.
void copy_rows(std::span<const RowCopy> rows, std::span<const RowCopy> ahead,
               std::int64_t row_bytes, bool streaming);

}  // namespace multibuffer
