#pragma once

#include <multibuffer/watch.hpp>

#include <cstdint>
#include <functional>

namespace multibuffer {

/// How many threads the host backend uses at the most: MULTIBUFFER_NUM_THREADS, up to 65,536, else
/// all processors.
int thread_count();

/// Calls `work(begin, end)` for pieces that cover [0, count), several at a time where the whole is
/// worth it: `bytes_each` is what one of them moves. The calling thread takes part and reports the
/// bytes done to `watch`. What `work` throws is thrown here. A stop request throws `cancelled`
/// between pieces: "while `doing`".
void parallel_for(std::int64_t count, std::int64_t bytes_each, const Watch& watch,
                  const std::function<void(std::int64_t begin, std::int64_t end)>& work,
                  const char* doing = "moving bytes on the host");

}  // namespace multibuffer
