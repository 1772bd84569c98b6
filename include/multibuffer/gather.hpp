#pragma once

#include <multibuffer/device_array.hpp>
#include <multibuffer/device_buffer.hpp>
#include <multibuffer/gather_modes.hpp>
#include <multibuffer/indices.hpp>
#include <multibuffer/stream.hpp>
#include <multibuffer/watch.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace multibuffer {

/// Says which elements of an array to read. Without groups, `{}`, it is everything; slices are view
/// operations on the array. Several groups are independent of each other (NumPy's `ix_`).
struct Selection {
  std::vector<IndexGroup> groups = {};
  IndexMode mode = IndexMode::raise;

  /// One element, or sub-array, per coordinate: index array i is for axis i. Without index arrays,
  /// everything.
  static Selection at(std::span<const Indices> coordinates, IndexMode mode = IndexMode::raise);
};

/// The caller's own memory for a result. It must not overlap the elements of an array in place,
/// indices on the device, or a table that an axis goes through: a gather throws `invalid_argument`
/// if it does. It cannot detect this for arrays that lie in place on a device behind pointers.
/// Indices in host memory may lie inside of it: all of them are then read first.
struct Output {
  void* data = nullptr;
  std::int64_t bytes = 0;  ///< how much there is
  MemorySpace space = MemorySpace::host;
  /// Bytes, one per axis of the result, none negative and no two elements overlapping; empty means
  /// dense in the order of the options.
  std::vector<std::int64_t> strides = {};
  /// The block that `data` lies in, if it is the library's (`output_of`): then it is kept alive,
  /// and later work on it waits for this, on whatever stream. Other streams' use of memory of your
  /// own is for you to order.
  std::shared_ptr<Memory> memory = nullptr;
  /// Keeps memory of your own: the result holds it, and so do its copies, one of which you keep
  /// until the work is done. Without an owner the memory must outlive them all.
  std::shared_ptr<const void> owner = nullptr;
};

/// An earlier result's memory, to be written again in its own shape and strides. Throws
/// `invalid_argument` for a read-only buffer.
Output output_of(const DeviceBuffer& buffer);

/// Says how elements are read, and where to.
struct GatherOptions {
  /// The order in which a result's axes lie in memory of the library's.
  Order order = Order::C;
  /// The result's elements; not given: the array's own. They are converted as they are gathered,
  /// without a second pass, and their byte order is the one that the format says ("f" this
  /// machine's, ">f" the other). Between bools, integers of 8 to 64 bits, half, bfloat16, floats of
  /// 8 bits, float and double, and from all of these and complex to complex; anything, structs and
  /// long double apart, to itself in the other byte order. (On a CUDA device, transposed elements
  /// are then read one by one: there, a copy first may be faster.) The result is `numpy.astype`'s
  /// where that is defined:
  ///
  ///  - to bool: whether it is not 0; complex numbers become complex alone, not bool or real, which
  ///    would lose the imaginary part (NumPy warns and drops it);
  ///  - integers to integers that cannot hold them: as `overflow` says;
  ///  - reals to integers: towards zero, the nearest integer there is for those beyond, 0 for a NaN
  ///    (undefined in C and NumPy; the rule is Rust's);
  ///  - to reals: rounded to nearest, ties to even, once; a NaN keeps its sign and the leading bits
  ///    of its payload.
  std::optional<Format> format = {};
  Overflow overflow = Overflow::wrap;
  /// Given: the result's format is float32, of either byte order, and its elements are scaled. They
  /// come from bools, integers and reals.
  std::optional<Scaling> scaling = {};
  std::optional<Output> out = {};
  /// The stream must exist until the call returns; a plan's as long as the plan.
  StreamRef stream = {};
  /// Keeps `stream`: a plan holds it as long as itself.
  std::shared_ptr<const void> stream_owner = nullptr;
  Watch watch = {};
};

/// Reads the selected elements into dense memory. On a CUDA device the work is enqueued; on the
/// host it is done on return, as it is where `out` is host memory. Several threads may gather from
/// one array at a time. Throws `index_out_of_range` (position in the index array, value, axis and
/// extent), `invalid_argument`, `out_of_device_memory`, and `format_unsupported` where elements
/// cannot be converted, or scaled.
DeviceBuffer gather(const DeviceArray& array, const Selection& selection,
                    const GatherOptions& options = {});

/// `numpy.take`: `indices` along one axis, which count as `mode` says; the shape of the indices
/// takes the axis' place.
DeviceBuffer take(const DeviceArray& array, int axis, const Indices& indices,
                  const GatherOptions& options = {});
DeviceBuffer take(const DeviceArray& array, int axis, const Indices& indices, IndexMode mode,
                  const GatherOptions& options = {});

/// All elements, dense in the order of the options.
DeviceBuffer copy(const DeviceArray& array, const GatherOptions& options = {});

}  // namespace multibuffer
