#pragma once

#include <multibuffer/device.hpp>
#include <multibuffer/stages/place.hpp>
#include <multibuffer/watch.hpp>

#include "host/backend/copy_plan.hpp"
#include "host/backend/plan_description.hpp"
#include "host/backend/ragged_plan.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace multibuffer {

/// A block of a device's memory, 256-byte aligned. Its destructor may run while work that uses it
/// is still queued: the block is freed after that work.
class Memory {
 public:
  virtual ~Memory() = default;
  std::byte* data() const noexcept { return data_; }
  std::int64_t bytes() const noexcept { return bytes_; }
  bool contains(const void* pointer) const noexcept {
    const auto* at = static_cast<const std::byte*>(pointer);
    return !std::less{}(at, data_) && std::less{}(at, data_ + bytes_);
  }
  /// Waits for all work of this library that uses the block. Returns false if it may still run,
  /// since the device refused to wait.
  virtual bool wait() noexcept = 0;
  /// Waits for the last work that writes the block, whichever stream it is on.
  virtual void wait_for_contents() = 0;

 protected:
  Memory(std::byte* data, std::int64_t bytes) : data_(data), bytes_(bytes) {}
  std::byte* data_;
  std::int64_t bytes_;
};

/// Work that ends on the device after the call that asked for it.
class PendingWork {
 public:
  virtual ~PendingWork() = default;
  /// Waits for its end; throws `index_out_of_range` if an index was, however often it is asked.
  virtual void wait() = 0;
};

/// A use of blocks by work that the library does not enqueue itself; `Access` holds one. It ends
/// with its destructor, if not before; the blocks live longer.
class MemoryUse {
 public:
  virtual ~MemoryUse() = default;
  /// Marks the end of what has been enqueued.
  virtual void end() = 0;
};
struct UsedMemory {
  std::shared_ptr<Memory> memory;
  bool writes = false;
};

/// A copy to be run again and again; as pending work, it is the last run.
class PreparedCopy : public PendingWork {
 public:
  /// Enqueues it on the stream that it was planned for. Several threads may.
  virtual void run() = 0;
  /// To be called when no run can come any more: the stream may go then, though results still ask
  /// about the last run.
  virtual void end_runs() noexcept = 0;
};

struct FirstMismatch {
  std::int64_t mismatches = 0;
  std::int64_t first = -1;  ///< element number; -1 if none
};

/// The contract of a backend. Its callers have decided all that can be decided without touching
/// device memory; two implementations, `host` and `cuda`, give one meaning to the rest. Calls may
/// come from several threads at once.
///
/// `uses` in `copy` are the blocks that the plan reads and writes: a call on one stream waits for
/// earlier work on another on those blocks.
class Backend {
 public:
  virtual ~Backend() = default;
  virtual DeviceKind kind() const = 0;
  virtual int ordinal() const = 0;
  /// May ask the device, which takes its time: a call into the driver for the memory that is free.
  virtual DeviceInfo info() const = 0;

  /// Throws `out_of_device_memory` with the sizes. 0 bytes are allowed.
  virtual std::shared_ptr<Memory> allocate(std::int64_t bytes, StreamRef stream) = 0;

  /// Fills [0, arena_bytes) of `arena` from the placement's segments and each table at its place in
  /// `table_offsets` (bytes from the arena's start). Returns after the last read of host memory.
  virtual void upload(const Placement& placement, const std::vector<std::int64_t>& table_offsets,
                      Memory& arena, StreamRef stream, const Watch& watch) = 0;

  /// Copies host memory to `offset` in `to`. Returns after the last read of `from`.
  virtual void write(Memory& to, std::int64_t offset, const void* from, std::int64_t bytes,
                     StreamRef stream) = 0;
  /// Copies `bytes` at the device address `from` to host memory, and returns when they are there.
  /// `block` is the block that they lie in, whose last write is waited for; null for memory that is
  /// not the library's, whose contents must be there.
  virtual void read(void* to, Memory* block, const std::byte* from, std::int64_t bytes) = 0;

  /// Runs a plan, in its direction, whose pointers are all valid on this device; throws
  /// `invalid_argument` for a written side that is not. Where `check` asks for it and the mode is
  /// `raise`, indices are checked as they are read: a bad one copies nothing, and the work that is
  /// returned reports the lowest bad position. Where none of `uses` is written, since what is
  /// written is not the library's, the work is returned to be waited for. Otherwise returns
  /// nullptr: the written block knows when it is.
  virtual std::shared_ptr<PendingWork> copy(const CopyPlan& plan, bool check,
                                            const std::vector<UsedMemory>& uses, StreamRef stream,
                                            const Watch& watch) = 0;

  /// Says how `copy` and `prepare`, or `copy_ragged` and `prepare_ragged`, run a plan that has
  /// rows, and why so. Touches no memory.
  virtual PlanDescription describe(const CopyPlan& plan) = 0;
  virtual PlanDescription describe(const RaggedPlan& plan) = 0;

  /// Prepares a copy to be run later. Returns when all that a run reads is there; keeps `uses`.
  virtual std::shared_ptr<PreparedCopy> prepare(const CopyPlan& plan, bool check,
                                                std::vector<UsedMemory> uses, StreamRef stream) = 0;

  /// Copy rows of unequal length, and prepare that, as `copy` and `prepare` do other plans. `check`
  /// asks for `plan.indices` to be checked and, for a packed side, whether the rows that they
  /// select have more items than there is room for: the pending work then throws
  /// `invalid_argument`.
  virtual std::shared_ptr<PendingWork> copy_ragged(const RaggedPlan& plan, bool check,
                                                   const std::vector<UsedMemory>& uses,
                                                   StreamRef stream, const Watch& watch) = 0;
  virtual std::shared_ptr<PreparedCopy> prepare_ragged(const RaggedPlan& plan, bool check,
                                                       std::vector<UsedMemory> uses,
                                                       StreamRef stream) = 0;

  /// Compares `elements` elements of `itemsize` bytes in two dense arrays of this device, which lie
  /// in `uses`, or are written already.
  virtual FirstMismatch compare(const std::byte* actual, const std::byte* expected,
                                std::int64_t elements, std::int64_t itemsize,
                                const std::vector<std::shared_ptr<Memory>>& uses) = 0;

  /// Throws `invalid_argument`, naming the leaf, unless this device can read every leaf where it
  /// lies: for placements in place.
  virtual void check_in_place(const Placement& placement) = 0;

  /// Throws `invalid_argument` for a stream that is being captured.
  virtual void synchronize(StreamRef stream) = 0;

  /// Gives `memory` to a consumer who reads it on `stream`. Unless `ordered` is false, what is
  /// enqueued there from now on comes after the work that writes it. The memory is not used again
  /// before the work that the consumer has enqueued there when the last holder lets go of it. Does
  /// not wait, but for the writing where `stream` is being captured: nothing is then enqueued
  /// there.
  virtual void hand_over(Memory& memory, StreamRef stream, bool ordered) = 0;

  /// Begins a use of blocks by the caller's work on `stream`, which comes after earlier work on
  /// them; waits on the host for other threads' conflicting uses to end. Throws `invalid_argument`
  /// if this thread has one. On a stream that is being captured the host waits for the earlier
  /// work.
  virtual std::unique_ptr<MemoryUse> begin_use(const std::vector<UsedMemory>& blocks,
                                               StreamRef stream) = 0;
};

/// The host backend; one for the process.
std::shared_ptr<Backend> open_host_backend();

/// A CUDA backend for device `ordinal`; one for the process and device. Throws
/// `device_unavailable` with the reason. Defined in cuda/ or, in a build without the CUDA Toolkit,
/// in host/backend/without_cuda.cpp.
std::shared_ptr<Backend> open_cuda_backend(int ordinal);

/// The CUDA devices, or none and the reason.
struct CudaDevices {
  std::vector<DeviceInfo> devices;
  std::string why_none;
};
CudaDevices list_cuda_devices();

/// The CUDA device whose memory `pointer` leads to; nothing for other memory, and where there is no
/// CUDA to ask.
std::optional<int> cuda_device_of(const void* pointer);

}  // namespace multibuffer
