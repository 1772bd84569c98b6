#pragma once

#include "host/cpu/row_walk.hpp"

#include <cstdint>

namespace multibuffer {

/// Whether rows of so many bytes, so many on a line, are worth a call of `gather_line` each line.
bool worth_gathering_lines(std::int64_t row_bytes, std::int64_t rows);

/// Copies the next `rows` rows of the line that a walk is on, of `row_bytes` bytes each: each is
/// looked up and asked for some rows before it is copied, in one loop. With `streaming` they go
/// past the caches; after a thread's last comes `finish_streaming`. The walk does not move. Returns
/// false, with nothing done, for plans whose addresses take more than a table and what is before
/// it.
bool gather_line(const RowWalk& walk, std::int64_t rows, std::int64_t row_bytes, bool streaming);

}  // namespace multibuffer
