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
///  - What a capture into a graph forbids in its strictest mode is refused.
///  - Copies to the device come from page-locked memory, out of one registration, or are refused.
///
/// There are three devices, of 1 GiB each; the last is left to the tests of little memory.
namespace fake_cuda {

inline constexpr int devices = 3;
inline constexpr std::int64_t memory_bytes = std::int64_t{1} << 30;

/// Enqueues what a kernel would do.
void enqueue(cudaStream_t stream, std::function<void()> work);

/// How often CUDA was asked for what takes time.
struct Counts {
  int launches = 0;
  int copies = 0;  ///< and memory set
  int allocations = 0;
  int events = 0;
  int waits = 0;  ///< of the host
  bool operator==(const Counts&) const = default;
};
Counts counts();

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
