#pragma once

#include <multibuffer/stages/place.hpp>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace multibuffer::cuda {

/// Writes an arena's bytes, leaves and offset arrays together, so that one transfer can fill it.
/// Bytes between them are 0.
class ArenaImage {
 public:
  /// Borrows both. A placement in place has no leaves to write.
  ArenaImage(const Placement& placement, const std::vector<std::int64_t>& table_offsets);

  std::int64_t bytes() const noexcept { return bytes_; }
  /// The bytes of the leaves, which begin at 0.
  std::int64_t leaf_bytes() const noexcept { return leaf_bytes_; }
  /// Writes bytes [begin, end) of the image to `out`.
  void fill(std::int64_t begin, std::int64_t end, std::byte* out) const;

 private:
  const Placement& placement_;
  const std::vector<std::int64_t>& table_offsets_;
  std::int64_t leaf_bytes_ = 0;
  std::int64_t bytes_ = 0;
};

}  // namespace multibuffer::cuda
