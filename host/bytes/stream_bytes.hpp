#pragma once

#include <cstddef>
#include <cstdint>

namespace multibuffer {

/// Whether results of this size go past the caches: nobody finds them there afterwards.
bool worth_streaming(std::int64_t bytes);

/// Copies `bytes` bytes past the caches, as far as they are whole cache lines of `to`. After the
/// last streaming copy of a thread comes `finish_streaming`.
void stream_bytes(std::byte* to, const std::byte* from, std::int64_t bytes);

/// Copies `bytes` bytes; if `streaming`, past the caches where that pays.
void copy_bytes(std::byte* to, const std::byte* from, std::int64_t bytes, bool streaming);

}  // namespace multibuffer
