#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>
#include <functional>

/// CUDA's runtime without a GPU: what the backend calls of it, over host memory, so that its own
/// tests run where no GPU is. Stricter than a GPU, and worse timed:
///
///  - Work that is enqueued runs when it must and no sooner (lazy), at once (eager), or in between
///    as a die says (random): MULTIBUFFER_FAKE_CUDA says which. A copy that nothing waits for, or a
///    slot that is filled again too early, shows as wrong bits.
///  - Memory is filled with rubbish when it is allocated and when it is freed, and not used again.
///  - What a capture into a graph forbids is refused, and ends the capture, as CUDA has it: waiting
///  and
///    allocating by the thread's mode and the capture's, and in every mode what necessarily
///    conflicts with it (a captured stream's id, waiting for it, events that cross its border, an
///    event of the whole context, the legacy stream while a stream that synchronizes with it is
///    captured).
///  - The legacy stream synchronizes with all streams that were made without cudaStreamNonBlocking.
///  - A call that names a destroyed stream ends the program. The stream's work goes on.
///  - Calls make a context on the device that they are for, as CUDA 12 does.
///  - A kernel that writes to another device's memory without peer access ends the program, and so
///    does one on a stream of another device.
///  - Copies to the device come from page-locked memory, out of one registration, or are refused.
///
/// There are four devices, of 1 GiB each. The third is left to the tests of little memory, the last
/// to those that ask which devices have contexts.
namespace fake_cuda {

inline constexpr int devices = 4;
inline constexpr std::int64_t memory_bytes = std::int64_t{1} << 30;

/// Enqueues what a kernel would do that writes at `out`.
void enqueue(cudaStream_t stream, std::function<void()> work, const void* out = nullptr);

/// How often CUDA was asked for what takes time.
struct Counts {
  int launches = 0;
  int copies = 0;  ///< and memory set
  int allocations = 0;
  int events = 0;
  int waits = 0;  ///< of the host
  int events_made = 0;
  int questions = 0;  ///< about devices and their memory: properties, attributes, free bytes
  bool operator==(const Counts&) const = default;
};
Counts counts();

/// Whether anything has made the device's primary context.
bool has_context(int ordinal);

/// What a device's pool of memory has taken from the device: blocks that are in use, and those that
/// were freed on another stream than the one that would have them, by work that has not run yet.
std::int64_t pool_bytes(int ordinal);

/// The next call of cudaEventRecord in this process fails.
void fail_next_event();

/// Lets a device have less memory than it has, for as long as this lives.
class MemoryLimit {
 public:
  MemoryLimit(int ordinal, std::int64_t bytes);
  ~MemoryLimit();
  MemoryLimit(const MemoryLimit&) = delete;
  MemoryLimit& operator=(const MemoryLimit&) = delete;

 private:
  int ordinal_;
};

}  // namespace fake_cuda
