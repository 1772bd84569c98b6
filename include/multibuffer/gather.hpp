#pragma once

#include <multibuffer/device_array.hpp>
#include <multibuffer/device_buffer.hpp>
#include <multibuffer/gather_modes.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace multibuffer {

/// An n-D C-ordered array of indices, borrowed. Host indices are checked before anything is
/// written and are read before the call returns. Device indices are checked as they are used: keep
/// them unchanged until the result has been synchronized. They must be on the array's own device.
class Indices {
 public:
  Indices(std::span<const std::int64_t> values);  // NOLINT: a list is an index array
  Indices(std::span<const std::int32_t> values);  // NOLINT
  Indices(std::span<const std::int64_t> values, std::vector<std::int64_t> shape);
  Indices(std::span<const std::int32_t> values, std::vector<std::int64_t> shape);
  /// From a dense C-ordered buffer of 32- or 64-bit signed integers, on any device; else throws
  /// `invalid_argument`. The buffer's memory is kept alive.
  explicit Indices(const DeviceBuffer& buffer);

  const void* data() const noexcept { return data_; }
  int bytes_each() const noexcept { return bytes_each_; }  ///< 4 or 8
  const std::vector<std::int64_t>& shape() const noexcept { return shape_; }
  MemorySpace space() const noexcept { return space_; }
  const std::optional<DeviceBuffer>& buffer() const noexcept { return buffer_; }

 private:
  const void* data_;
  int bytes_each_;
  std::vector<std::int64_t> shape_;
  MemorySpace space_ = MemorySpace::host;
  std::optional<DeviceBuffer> buffer_;
};

/// Index arrays that are read together, one for each of `axes`, broadcast against each other: the
/// axes they index are replaced by the axes of their common shape. Where that has no elements, the
/// indices may be anything, as in NumPy.
struct IndexGroup {
  std::vector<int> axes;
  std::vector<Indices> indices;
  /// Where the group's axes go: before the first axis of the result that comes from array axis
  /// `position` or later. Not given: NumPy's rule (where its axes were if they are neighbours, else
  /// in front).
  std::optional<int> position;
};

/// The caller's own memory for a result. It must not overlap what an array in place reads, nor
/// indices on the device: a gather throws `invalid_argument` where the library can know, which is
/// but for arrays in place on a device behind pointers. Indices in host memory may lie inside of
/// it: all of them are then read first.
struct Output {
  void* data = nullptr;
  std::int64_t bytes = 0;  ///< how much there is
  MemorySpace space = MemorySpace::host;
  /// Bytes, one per axis of the result, none negative and no two elements overlapping; empty means
  /// dense in the request's order.
  std::vector<std::int64_t> strides;
  /// The block that `data` lies in, if it is the library's (`output_of`): then it is kept alive,
  /// and later work on it waits for this, on whatever stream. Other streams' use of memory of your
  /// own is for you to order.
  std::shared_ptr<Memory> memory = nullptr;
  /// Keeps memory of your own: the result holds it, and so do its copies, one of which you keep
  /// until the work is done. Without an owner the memory must outlive them all.
  std::shared_ptr<const void> owner = nullptr;
};

/// An earlier result's memory, to be written again in its own shape and strides.
Output output_of(const DeviceBuffer& buffer);

/// What to read of an array. Without groups, all of it. Slices are view operations on the array.
/// Several groups are independent of each other (NumPy's `ix_`).
struct Request {
  std::vector<IndexGroup> groups;
  IndexMode mode = IndexMode::raise;
  Order order = Order::C;
  /// The result's elements; not given: the array's own. They are converted as they are gathered,
  /// without a second pass, and their byte order is the one that the format says ("f" this
  /// machine's, ">f" the other). Between bools, integers of 8 to 64 bits, half, bfloat16, float
  /// and double, and from all of these and complex to complex; anything, structs and long double
  /// apart, to itself in the other byte order. (On a CUDA device, transposed elements are then
  /// read one by one: there, a copy first may be faster.) As `numpy.astype` has it where that is
  /// defined:
  ///
  ///  - to bool: whether it is not 0; complex numbers become complex alone, not bool or real, which
  ///    would lose the imaginary part (NumPy warns and drops it);
  ///  - integers to integers that cannot hold them: as `overflow` says;
  ///  - reals to integers: towards zero, the nearest integer there is for those beyond, 0 for a NaN
  ///    (undefined in C and NumPy; the rule is Rust's);
  ///  - to reals: rounded to nearest, ties to even, once; a NaN keeps its sign and the leading bits
  ///    of its payload.
  std::optional<Format> format;
  Overflow overflow = Overflow::wrap;
  std::optional<Output> out;
  /// The stream must exist until the call returns; a plan's as long as the plan.
  StreamHandle stream = nullptr;
  /// Keeps `stream`: a plan holds it as long as itself.
  std::shared_ptr<const void> stream_owner = nullptr;
  Watch watch;
};

/// Reads what `request` names into dense memory. On a CUDA device the work is enqueued; on the host
/// it is done on return, as it is where `out` is host memory. Throws `index_out_of_range` (position
/// in the index array, value, axis and extent), `invalid_argument`, `out_of_device_memory`, and
/// `format_unsupported` where elements cannot be converted.
DeviceBuffer gather(const DeviceArray& array, const Request& request);

/// A gather decided once, to be run any number of times: kernel, addresses, output and index arrays
/// (those in host memory are copied; those on the device are read again by every run, so that new
/// ones may be written there) stay as they are. Copies are the same plan,
/// which keeps the array, the output and the indices alive.
///
/// On a CUDA device a run is one launch, or one copy, on the request's stream: no allocation, no
/// synchronization. It may be captured into a CUDA graph. A graph's launches are unknown to the
/// library: it is for you to order them with other work on the same memory, to keep the plan until
/// the last of them has ended, and to have synchronized their stream before `result()` is asked.
class Plan {
 public:
  /// Throws what `gather` throws, and `invalid_argument` for an array on a CUDA device and an
  /// output in host memory. Returns when all that a run reads is in place.
  Plan(const DeviceArray& array, const Request& request);

  /// Gathers once more, into the same memory. On the host it is done on return.
  const DeviceBuffer& run() const;
  /// Where runs write. Synchronizing it throws `index_out_of_range` if an index on the device was
  /// out of range in a run that it has not been asked about.
  const DeviceBuffer& result() const noexcept;
  /// What runs read.
  const DeviceArray& array() const noexcept;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

/// `numpy.take`: `indices` along one axis; the shape of the indices takes the axis' place.
DeviceBuffer take(const DeviceArray& array, int axis, const Indices& indices, Request request = {});

/// One element, or sub-array, per coordinate: index array i is for axis i.
DeviceBuffer gather(const DeviceArray& array, std::span<const Indices> coordinates,
                    Request request = {});

/// All elements, dense in `order`.
DeviceBuffer copy(const DeviceArray& array, Order order = Order::C, Request request = {});

}  // namespace multibuffer
