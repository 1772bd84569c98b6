#pragma once

#include <multibuffer/array_view.hpp>
#include <multibuffer/gather.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <span>

namespace multibuffer {

struct Storage;

/// Bytes of memory, as numbers: [begin, end).
struct AddressRange {
  std::uintptr_t begin = 0, end = 0;

  bool meets(const AddressRange& other) const { return begin < other.end && other.begin < end; }
  bool holds(const AddressRange& other) const { return begin <= other.begin && other.end <= end; }
};

/// Memory that some array in place was found not to read. What an array in place reads never
/// changes, and most outputs are used again: they are looked for here before every leaf is asked.
class ClearRanges {
 public:
  bool has(const AddressRange& range) const;
  void add(const AddressRange& range);

 private:
  mutable std::mutex mutex_;
  std::array<AddressRange, 8> ranges_;
  std::size_t next_ = 0;
};

/// Where an output's elements are: `strides` in bytes, none of them negative, for `shape`.
struct OutputPlace {
  const void* data = nullptr;
  std::span<const std::int64_t> shape;
  std::span<const std::int64_t> strides;
  std::int64_t itemsize = 1;

  /// From the first byte to behind the last. Empty where there are no elements.
  AddressRange range() const;
};

/// Throws `invalid_argument` if `out` has a byte of what `array` reads in place. Uploads that were
/// copied read memory of their own, which nobody else has. Of arrays on a device, those behind
/// pointers are not looked at: their tables are on the device.
void check_apart(const DeviceArray& array, const OutputPlace& out);

/// The same of an array in host memory that is read by its own pointers.
void check_apart(const ArrayView& view, const OutputPlace& out);

}  // namespace multibuffer
