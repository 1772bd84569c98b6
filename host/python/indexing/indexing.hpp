#pragma once

#include <multibuffer/device_buffer.hpp>
#include <multibuffer/gather.hpp>
#include <multibuffer/layout.hpp>
#include <multibuffer/stages/large_vector.hpp>

#include <pybind11/pybind11.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace multibuffer::python {

/// An index array: integers, or a mask.
///
/// Values that a gather can read where they are (dense, aligned, native integers of 32 or 64 bits,
/// in host memory) are borrowed; all others are converted once, to memory of its own.
///
/// Borrowed values may be written to while they are read, by a thread that does not need the GIL
/// or, while that is released, by any. So that a value was in range once is nothing to build on:
/// whoever uses one decides by what it has just read, or copies first and checks the copy. The host
/// backend does the one (host/cpu/row_address.hpp), what goes to a device the other
/// (host/gather/gather.cpp). A writer can make of an element some other element of the array, and
/// nothing worse.
class IndexArray {
 public:
  IndexArray() = default;
  /// Integers of its own, in C order; or a mask of 0 and others.
  IndexArray(std::vector<std::int64_t> extents, LargeVector<std::int64_t> values, bool mask = false)
      : shape(std::move(extents)), is_mask(mask), own_(std::move(values)) {}
  /// Keeps somebody else's memory.
  using Holder = std::variant<pybind11::object, std::shared_ptr<const void>>;
  /// Somebody else's: `bytes_each` is 4 or 8 or, in a mask, 1.
  IndexArray(std::vector<std::int64_t> extents, const void* values, int bytes_each, Holder holder)
      : shape(std::move(extents)),
        is_mask(bytes_each == 1),
        borrowed_(values),
        bytes_each_(bytes_each),
        holder_(std::move(holder)) {}
  /// Dense 32- or 64-bit integers on a device, the library's or borrowed.
  explicit IndexArray(DeviceBuffer values) : shape(values.shape()), on_device(std::move(values)) {}

  /// A number that `std::int64_t` cannot hold, where the array has the largest that it can.
  struct Beyond {
    std::int64_t position = 0;  ///< in C order
    std::uint64_t value = 0;
  };

  std::vector<std::int64_t> shape;
  bool is_mask = false;
  std::optional<DeviceBuffer> on_device;  ///< then there are no values here
  std::vector<Beyond> beyond;             ///< ascending, in an array of its own

  std::int64_t size() const;
  /// In C order; of a mask, 0 or 1.
  std::int64_t operator[](std::int64_t i) const;
  /// Treats the numbers beyond as `mode` says, for the axis that this array indexes. Throws
  /// IndexError, as NumPy says it, if that is an error. No axis is so long that any of them is in
  /// range.
  void settle(IndexMode mode, std::size_t axis, std::int64_t extent);
  /// For what was widened from unsigned numbers of 64 bits: those that came out negative.
  void set_beyond_apart();
  /// On the host or not, a mask as the numbers 0 and 1. They borrow from this object.
  Indices indices();

 private:
  const void* data() const { return borrowed_ ? borrowed_ : own_.data(); }

  LargeVector<std::int64_t> own_;
  const void* borrowed_ = nullptr;
  int bytes_each_ = 8;
  Holder holder_;
};

/// The treatment of an index array that lies on a device.
enum class OnDevice {
  copied,   ///< for one gather, which need not keep it until its work is done
  borrowed  ///< if it can be read where it is: dense, native integers of 32 or 64 bits
};

/// From numbers, bools, lists and other sequences, nested or not, and every array that can be an
/// input. Throws IndexError for elements that are neither integers nor bools.
IndexArray index_array(pybind11::handle object, OnDevice on_device = OnDevice::copied);

/// Tells whether NumPy takes it for a list of indices: `range(3)` or a deque, not text or bytes.
bool is_index_sequence(pybind11::handle object);

/// Throws IndexError, as NumPy says it, for an index that is out of range.
void check_index(std::int64_t index, std::size_t axis, std::int64_t extent, std::string_view where);

/// The meaning of a key, NumPy's `a[key]`: view operations and, if it is advanced, index
/// arrays for axes of the view that they leave.
struct Selection {
  std::vector<ViewOperation> operations;
  std::vector<int> axes;
  std::vector<IndexArray> indices;
  /// The axis that each of them indexes, in the array that the key is for.
  struct Indexed {
    std::size_t axis = 0;
    std::int64_t extent = 0;
  };
  std::vector<Indexed> indexed;
  int position = 0;  ///< where the index arrays' axes go, as in `IndexGroup`
  bool advanced() const { return !axes.empty(); }
};

/// Tells whether index arrays, broadcast, have no elements: then NumPy looks at none.
bool are_broadcast_away(std::span<const IndexArray> indices);

/// Every kind of key that NumPy knows but field names. Throws IndexError as NumPy does, naming axis
/// and index; but index arrays are for the gather to check.
Selection select(pybind11::handle key, std::span<const std::int64_t> shape);

/// Throws IndexError, as NumPy says it, for the first index on the host that is out of range.
void check_bounds(const Selection& selection);

/// The shape that index arrays have together. Throws IndexError if they do not broadcast.
std::vector<std::int64_t> broadcast_shape(std::span<const IndexArray> indices);

}  // namespace multibuffer::python
