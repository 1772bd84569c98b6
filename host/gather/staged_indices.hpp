#pragma once

#include <multibuffer/device.hpp>
#include <multibuffer/indices.hpp>
#include <multibuffer/stages/large_vector.hpp>

#include "host/backend/backend.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace multibuffer {

/// The number of values in an index array.
std::int64_t count_of(const Indices& indices);

/// Checks all of an index array that can be checked before it is used. `values` are its values in
/// host memory; those on the device are fetched only where the result is empty, since otherwise the
/// device checks them as it reads them. Throws `index_out_of_range`.
void check_indices(const Indices& indices, const void* values, const PlanIndices& plan,
                   IndexMode mode, bool empty_result);

/// Copies the host index arrays of a selection into one piece, for memory of the library's: before
/// they are checked, since the caller's may change between the one and the other.
class StagedIndices {
 public:
  void add(const Indices& indices);
  const void* values(std::size_t number) const { return bytes_.data() + offsets_[number]; }

  /// Allocates memory of `device`, writes all of them there, and points the plan at them. Null
  /// without any.
  std::shared_ptr<Memory> upload(CopyPlan& plan, std::span<const Indices* const> sources,
                                 const Device& device, StreamRef stream) const;

 private:
  LargeVector<std::byte> bytes_;
  std::vector<std::size_t> offsets_;
};

}  // namespace multibuffer
