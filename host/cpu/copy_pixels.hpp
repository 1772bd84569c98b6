#pragma once

#include "host/bytes/simd.hpp"

#include <cstddef>
#include <cstdint>

namespace multibuffer {

/// Pixels: a few bytes each, in `parts` that follow one another where they are written, and lie
/// `part_stride` apart, in either direction, where they are read. Strides are in bytes.
struct Pixels {
  std::int64_t stride = 0;
  std::int64_t parts = 1;
  std::int64_t part_stride = 0;
  std::int64_t part_bytes = 0;

  std::int64_t bytes() const { return parts * part_bytes; }
};

/// Copies pixels to successive places: as many as a vector holds by one load, one shuffle and one
/// store, where the processor has shuffles and a pixel is small enough, else part by part.
class CopyPixels {
 public:
  explicit CopyPixels(const Pixels& pixels);

  /// Returns true if vectors copy these pixels.
  static bool can_shuffle(const Pixels& pixels);

  /// Copies `count` pixels, the first part of the first at `from`. Bytes between pixels that are
  /// less than a vector apart may be read as well, and no byte outside of their hull.
  void operator()(std::byte* to, const std::byte* from, std::int64_t count) const;

 private:
  /// The bytes from a pixel's address to its lowest, and to the end of its highest part.
  struct Hull {
    std::int64_t low, high;
  };
  static Hull hull_of(const Pixels& pixels);
  std::int64_t shuffle(std::byte* to, const std::byte* from, std::int64_t count) const;

  Pixels pixels_;
  std::int64_t at_once_ = 0;  ///< pixels that a vector makes; 0 where vectors do not copy them
  std::int64_t reach_ = 0;    ///< pixels that a vector touches, where it is read or written
  std::int64_t first_ = 0;    ///< where a vector begins, from its first pixel
  Vector<std::uint8_t> lanes_{};
};

}  // namespace multibuffer
