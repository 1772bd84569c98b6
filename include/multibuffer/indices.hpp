#pragma once

#include <multibuffer/device_buffer.hpp>

#include <cstdint>
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

}  // namespace multibuffer
