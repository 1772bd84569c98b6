#pragma once

#include <cstddef>

namespace multibuffer {

/// Memory for results on the host. Large blocks that are given back are kept, up to
/// `most_kept_bytes` in all, and given to later results of about their size: memory that is fresh
/// from the system costs a page fault for every page, which takes several times as long as writing
/// it. What a block held stays in it. Any thread may call these, also in the child of a fork.
inline constexpr std::size_t most_kept_bytes = std::size_t{64} << 20;

/// Returns at least `bytes` bytes at a multiple of `large_alignment`; throws `std::bad_alloc`.
void* allocate_kept(std::size_t bytes);
/// Takes back what `allocate_kept(bytes)` returned.
void deallocate_kept(void* memory, std::size_t bytes) noexcept;

/// Returns how many bytes are kept at the moment.
std::size_t kept_bytes();

}  // namespace multibuffer
