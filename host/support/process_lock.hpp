#pragma once

#include <mutex>

namespace multibuffer {

/// The mutexes that a process has one of each, in the order in which a thread may lock them.
enum class ProcessLock {
  contents,     ///< what datasets have mapped and decoded
  mappings,     ///< the list of mapped files
  hdf5,         ///< libhdf5, which threads may not use at once
  kept_memory,  ///< the host backend's memory that is used again
};

/// A child of a fork finds them unlocked, and what they guard whole: the fork waits for them.
std::mutex& process_mutex(ProcessLock which);

}  // namespace multibuffer
