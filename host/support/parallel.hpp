#pragma once

#include <multibuffer/watch.hpp>

#include <cstdint>
#include <functional>

namespace multibuffer {

/// Returns the largest number of threads that the host backend uses: MULTIBUFFER_NUM_THREADS, up to
/// 65,536, else one for each processor.
int thread_count();

/// Calls `work(begin, end)` for pieces that cover [0, count), in parallel if the whole is large
/// enough; `bytes_each` is the number of bytes that one of `count` moves. The calling thread takes
/// part and reports the bytes done to `watch`. Exceptions of `work` are thrown here. A stop request
/// throws `cancelled` between pieces: "while `doing`".
void parallel_for(std::int64_t count, std::int64_t bytes_each, const Watch& watch,
                  const std::function<void(std::int64_t begin, std::int64_t end)>& work,
                  const char* doing = "moving bytes on the host");

}  // namespace multibuffer
