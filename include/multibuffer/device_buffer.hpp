#pragma once

#include <multibuffer/array_view.hpp>
#include <multibuffer/device.hpp>
#include <multibuffer/watch.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <type_traits>
#include <vector>

namespace multibuffer {

class Memory;
class PendingWork;

/// An array in a device's memory, at strides and without pointers: what gathers return, and what an
/// array without tables hands out (`DeviceArray::as_buffer`). Copies share the memory.
///
/// It is a handle, and its constness is shallow, as that of a `std::span<T>`: a `const` one still
/// gives writable elements, unless it is `readonly()`. Several threads may use one at a time, and
/// its copies; the elements are theirs to protect.
class DeviceBuffer {
 public:
  /// Copies a dense C-ordered host array to `device`; returns after the last read of `data`. A stop
  /// that was asked for before throws `cancelled`.
  static DeviceBuffer from_host(const Device& device, const void* data,
                                std::span<const std::int64_t> shape, Format format,
                                const CallOptions& options = {});

  /// Where index 0 of all axes is, in the device's memory; valid while this or a copy lives and, if
  /// the caller gave the memory without an owner (`Output`), while that does. Work on `stream()`
  /// may still be writing to it.
  std::byte* data() const noexcept { return parts_.data; }
  const Format& format() const noexcept { return parts_.format; }
  const std::vector<std::int64_t>& shape() const noexcept { return parts_.shape; }
  /// Bytes, one per axis.
  const std::vector<std::int64_t>& strides() const noexcept { return parts_.strides; }
  std::int64_t size() const;  ///< elements
  std::int64_t nbytes() const { return size() * format().itemsize(); }
  const Device& device() const noexcept { return parts_.device; }
  /// The stream that its gather was enqueued on.
  StreamRef stream() const noexcept { return parts_.stream; }
  /// Returns true if the elements lie one after the other in C order.
  bool is_c_contiguous() const;
  /// True if nobody may write to the elements, since others share them. The library refuses to.
  bool readonly() const noexcept { return parts_.readonly; }

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
  void order_before(StreamRef stream) const;
  /// As `order_before`, for a consumer that sees to the order itself: nothing is enqueued or waited
  /// for.
  void hand_over_unordered(StreamRef stream) const;

  /// The elements in C order of the axes, whatever the strides; synchronizes.
  std::vector<std::byte> to_host() const;
  /// As values of type T. Throws `format_unsupported`, naming both, unless the format is T's in
  /// this machine's memory (`native_format`), however it is spelled.
  template <class T>
  std::vector<T> to_host() const {
    require_elements(native_format<T>());
    if constexpr (std::is_same_v<T, bool>) {  // whose vector has no elements in memory
      const std::vector<std::byte> bytes = to_host();
      std::vector<bool> values(bytes.size());
      for (std::size_t i = 0; i < bytes.size(); ++i) values[i] = bytes[i] != std::byte{0};
      return values;
    } else {
      std::vector<T> values(static_cast<std::size_t>(size()));
      copy_to_host(std::as_writable_bytes(std::span(values)));
      return values;
    }
  }
  /// Copies the elements, in C order of the axes, to host memory of `nbytes()` bytes; synchronizes.
  /// Throws `invalid_argument` for memory of another size.
  void copy_to_host(std::span<std::byte> to) const;

  /// The elements where they are, in C order of the axes, valid as `data()` is; synchronizes.
  /// Throws what `to_host<T>` throws, and `invalid_argument` for a buffer on another device than
  /// the host, for one that is not dense in C order or not aligned for T, and for a T that is not
  /// `const` where the buffer is read-only.
  template <class T>
  std::span<T> as_span() const {
    require_elements(native_format<T>());
    return {static_cast<T*>(dense_on_host(alignof(T), !std::is_const_v<T>)),
            static_cast<std::size_t>(size())};
  }

  /// The memory of this buffer under another format, shape and strides (bytes, of any sign), from
  /// the same address on. Nothing moves; it keeps, waits for and reports what this one does. Throws
  /// `invalid_argument` if an element would lie outside of the bytes that this buffer spans.
  DeviceBuffer reinterpret(Format format, std::vector<std::int64_t> shape,
                           std::vector<std::int64_t> strides) const;
  /// Keeps shape and strides, and needs a format of this itemsize.
  DeviceBuffer reinterpret(Format format) const;

  /// The array as a view of its memory, host or device. Synchronize before it is used on another
  /// stream, and keep this buffer while it is.
  ArrayView view() const;

 private:
  friend class DeviceArray;
  friend detail::Internals;
  struct Parts {
    Device device;
    Format format;
    std::vector<std::int64_t> shape;
    std::vector<std::int64_t> strides;
    std::byte* data = nullptr;
    std::shared_ptr<Memory> memory;  ///< null where the caller owns it
    StreamRef stream = {};
    std::shared_ptr<PendingWork>
        pending;  ///< null where `memory` knows all that is to be waited for
    /// Keeps memory that is not the library's.
    std::shared_ptr<const void> owner = nullptr;
    bool readonly = false;
  };
  explicit DeviceBuffer(Parts parts);
  void require_elements(const Format& wanted) const;
  void* dense_on_host(std::size_t alignment, bool writable) const;

  Parts parts_;
};

}  // namespace multibuffer
