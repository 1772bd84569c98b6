#pragma once

#include <cstddef>
#include <cstdint>

namespace multibuffer {

/// Copies `count` items of any size that lie `stride` bytes apart to places `out_stride` apart.
void copy_strided(std::byte* to, std::int64_t out_stride, const std::byte* from,
                  std::int64_t stride, std::int64_t count, std::int64_t item_bytes);

/// Copies `count` items of 1, 2, 4 or 8 bytes that lie `step` items apart, forwards or backwards,
/// to successive places. No byte outside of the hull of these items is read.
void copy_every(std::byte* to, const std::byte* from, std::int64_t count, std::int64_t step,
                std::int64_t item_bytes);

/// Returns true if vectors do `copy_every` for these.
bool can_copy_every(std::int64_t step, std::int64_t item_bytes);

/// Copies `count` items of 1, 2, 4 or 8 bytes from each of `parts` sequences, which begin
/// `part_stride` bytes apart, in turn: a b c a b c ...
void interleave(std::byte* to, const std::byte* from, std::int64_t count, std::int64_t parts,
                std::int64_t part_stride, std::int64_t item_bytes);

/// Returns true if vectors do `interleave` for these.
bool can_interleave(std::int64_t parts, std::int64_t item_bytes);

}  // namespace multibuffer
