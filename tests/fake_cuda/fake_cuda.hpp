#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>
#include <functional>
#include <string>

/// CUDA's runtime without a GPU: what the backend calls of it, over host memory, so that its own
/// tests run where no GPU is. Stricter than a GPU, and worse timed:
///
///  - Work that is enqueued runs when it must and no sooner (lazy), at once (eager), or in between
///    as a die says (random): MULTIBUFFER_FAKE_CUDA says which. A copy that nothing waits for, or a
///    slot that is filled again too early, shows as wrong bits.
///  - Memory is filled with rubbish when it is allocated, when the stream that it is allocated on
///  is so
///    far, and when it is freed, and not used again.
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

/// As `enqueue`, for the library's own kernels, whose launches can fail.
cudaError_t launch(cudaStream_t stream, std::function<void()> work, const void* out);

/// Runs all that has been enqueued on all devices.
void finish_all();

/// Tells whether a die says when enqueued work is done, so that no two runs are alike.
bool is_random();

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

/// Counts what has been taken of all devices and not given back, and the state of the calling
/// thread.
struct Live {
  std::int64_t device_bytes = 0;  ///< with those whose freeing is enqueued and has not run
  std::int64_t page_locked_bytes = 0;
  int streams = 0;
  int events = 0;
  int retained_contexts = 0;
  int current_contexts = 0;  ///< on the thread's stack
  bool is_relaxed = false;   ///< the thread's capture mode
  bool operator==(const Live&) const = default;
};
Live live();

/// Makes one call of CUDA's runtime or driver fail, or the launch of a kernel; the call then does
/// nothing. Calls within a `testing::OwnWork` are spared. There may be one object at a time.
class FailingCall {
 public:
  struct How {
    /// Allocations fail with cudaErrorMemoryAllocation instead, unless the error is sticky.
    cudaError_t error = cudaErrorUnknown;
    /// Every later call fails as well, until the end of the object: what a kernel did has ended the
    /// context, and nothing that is queued runs any more.
    bool is_sticky = false;
    std::string only = {};  ///< calls of this function alone are counted; empty for all
  };
  /// `number` calls succeed before, in this process from now on.
  explicit FailingCall(int number, const How& how);
  explicit FailingCall(int number) : FailingCall(number, How()) {}
  ~FailingCall();
  FailingCall(const FailingCall&) = delete;
  FailingCall& operator=(const FailingCall&) = delete;

  bool has_fired() const { return !call().empty(); }
  std::string call() const;  ///< the function that failed; empty before
  int seen() const;          ///< calls so far that could have failed
};

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
