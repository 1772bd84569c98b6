#pragma once

#include <multibuffer/array_view.hpp>
#include <multibuffer/device.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace multibuffer {

class Memory;
class PendingWork;

/// A dense array in a device's memory: what gathers return. Copies share the memory.
class DeviceBuffer {
 public:
  /// Copies a dense C-ordered host array to `device`; returns after the last read of `data`.
  static DeviceBuffer from_host(const Device& device, const void* data,
                                std::span<const std::int64_t> shape, Format format,
                                StreamHandle stream = nullptr);

  /// In the device's memory; valid while this or a copy lives and, if the caller gave the memory
  /// without an owner (`Output`), while that does. Work on `stream()` may still be writing to it.
  std::byte* data() const noexcept { return parts_.data; }
  const Format& format() const noexcept { return parts_.format; }
  const std::vector<std::int64_t>& shape() const noexcept { return parts_.shape; }
  /// Bytes, one per axis.
  const std::vector<std::int64_t>& strides() const noexcept { return parts_.strides; }
  std::int64_t size() const;  ///< elements
  std::int64_t nbytes() const { return size() * format().itemsize(); }
  const Device& device() const noexcept { return parts_.device; }
  /// The stream that its gather was enqueued on.
  StreamHandle stream() const noexcept { return parts_.stream; }
  /// Whether the elements lie one after the other in C order.
  bool is_c_contiguous() const;

  /// Waits for the last work of this library that writes this buffer, whichever stream it is on. If
  /// an index on the device was out of range, throws `index_out_of_range` with its position and
  /// value, every time it is asked; the contents are then unspecified.
  void synchronize() const;
  /// Gives the buffer to a consumer that reads it on `stream`: work that is enqueued there from now
  /// on comes after the work that fills the buffer, and the memory is used again only after the
  /// work that is on `stream` when the last copy of this buffer goes.
  ///
  /// Does not block, except where device indices are still unchecked or the memory is the caller's;
  /// then like `synchronize`. If `stream` is being captured into a CUDA graph, this waits on the
  /// host and enqueues nothing; keep a copy of the buffer as long as the graph.
  ///
  /// `stream` must exist now; it may be destroyed while the buffer lives. Memory that was read on a
  /// stream other than CUDA's default ones comes back when a call of this library names that stream
  /// again, or when much of it waits (`cuda/memory/reclaimer.hpp` has the rule).
  void order_before(StreamHandle stream) const;
  /// As `order_before`, for a consumer that sees to the order itself: nothing is enqueued or waited
  /// for.
  void hand_over_unordered(StreamHandle stream) const;

  /// The elements in C order of the axes, whatever the strides; synchronizes.
  std::vector<std::byte> to_host() const;

  /// The array as a view of its memory, host or device. Synchronize before it is used on another
  /// stream, and keep this buffer while it is.
  ArrayView view() const;

  /// For the library itself.
  struct Parts {
    Device device;
    Format format;
    std::vector<std::int64_t> shape;
    std::vector<std::int64_t> strides;
    std::byte* data = nullptr;
    std::shared_ptr<Memory> memory;  ///< null where the caller owns it
    StreamHandle stream = nullptr;
    std::shared_ptr<PendingWork>
        pending;  ///< null where `memory` knows all that is to be waited for
    /// Keeps memory that is not the library's.
    std::shared_ptr<const void> owner = nullptr;
  };
  explicit DeviceBuffer(Parts parts);
  const std::shared_ptr<Memory>& memory() const noexcept { return parts_.memory; }
  const std::shared_ptr<const void>& owner() const noexcept { return parts_.owner; }

 private:
  Parts parts_;
};

}  // namespace multibuffer
