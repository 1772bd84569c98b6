#pragma once

#include <multibuffer/device.hpp>

#include <initializer_list>
#include <memory>
#include <vector>

namespace multibuffer {

class DeviceArray;
class DeviceBuffer;
class RaggedArray;
class Memory;
class MemoryUse;

/// Memory that an `Access` names: an uploaded array, with all that its views share, or a result.
class Accessed {
 public:
  Accessed(const DeviceArray& array);    // NOLINT: an array is something to access
  Accessed(const DeviceBuffer& buffer);  // NOLINT
  Accessed(const RaggedArray& array);    // NOLINT

 private:
  friend class Access;
  Device device_;
  std::vector<std::shared_ptr<Memory>> blocks_;
  std::shared_ptr<const void> owner_;  ///< of memory that is not the library's
  bool readonly_ = false;
};

/// A use of device memory by work of your own, a kernel that you launch for example.
///
///     {
///       multibuffer::Access access(stream, {array}, {result});  // reads array, writes result
///       kernel<<<blocks, threads, 0, cuda_stream>>>(...);
///     }
///
/// Work that you enqueue on `stream` while the access is open runs after the library's earlier work
/// on that memory; the library's later work on it, on any stream, runs after yours. The memory is
/// kept until your work has ended, even if the arrays go before. A DLPack consumer needs no access
/// to keep the memory. It needs one if the library writes the memory again on another stream (a
/// plan's next run, `out`, `update`).
///
/// While an access is open, other threads whose work conflicts with it wait on the host; accesses
/// that only read do not conflict. The thread that opened it may use the memory on the same stream
/// only, and gets `invalid_argument` otherwise. So keep it as short as the launch. `stream` must
/// exist until its end; it may be destroyed then.
///
/// On a stream that is being captured into a CUDA graph, the host waits for the library's earlier
/// work instead. Of the graph's launches the library knows nothing: keep the arrays as long as the
/// graph, and order other work on them yourself.
///
/// On the host there is nothing to order, and an access only keeps the memory. Not thread-safe: it
/// belongs to the thread that opened it. Name all arrays of a piece of work in one access: threads
/// that each have one open and want the other's may wait for each other for ever.
class Access {
 public:
  /// Throws `invalid_argument` for memory of several devices, for a read-only buffer among
  /// `writes`, and if this thread has a conflicting access open on another stream.
  Access(StreamRef stream, std::vector<Accessed> reads, std::vector<Accessed> writes = {});
  ~Access();
  Access(Access&&) noexcept;
  Access& operator=(Access&&) = delete;

  /// Marks the end, as the destructor does; throws `cuda_failure` where CUDA reports an error. A
  /// second call does nothing.
  void end();

 private:
  std::vector<Accessed> accessed_;  ///< destroyed after the use
  std::unique_ptr<MemoryUse> use_;
};

}  // namespace multibuffer
