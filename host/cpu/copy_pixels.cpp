#include "host/cpu/copy_pixels.hpp"

#include "host/cpu/copy_items.hpp"
#include "host/support/rounding.hpp"
#include "host/support/threshold.hpp"

#include <algorithm>
#include <cstdlib>

namespace multibuffer {
namespace {

constexpr auto vector_size = static_cast<std::int64_t>(vector_bytes);

constexpr Threshold block_bytes{8192, 64};

}  // namespace

CopyPixels::Hull CopyPixels::hull_of(const Pixels& pixels) {
  const std::int64_t last_part = (pixels.parts - 1) * pixels.part_stride;
  return {std::min<std::int64_t>(last_part, 0),
          std::max<std::int64_t>(last_part, 0) + pixels.part_bytes};
}

bool CopyPixels::can_shuffle(const Pixels& pixels) {
  const Hull hull = hull_of(pixels);
  const std::int64_t left = vector_size - (hull.high - hull.low);
  const std::int64_t distance = std::abs(pixels.stride);
  // Pixels farther apart may be in separate allocations, with no memory between them.
  if (!has_shuffles() || left < 0 || distance == 0 || distance > vector_size) return false;
  // A single part is best copied without a shuffle. No division here: a plane may be small.
  return pixels.parts > 1 ? vector_size >= pixels.bytes()
                          : left >= distance && vector_size >= 2 * pixels.bytes();
}

CopyPixels::CopyPixels(const Pixels& pixels) : pixels_(pixels) {
  if (!can_shuffle(pixels)) return;
  const auto [low, high] = hull_of(pixels);
  const std::int64_t left = vector_size - (high - low);
  const std::int64_t distance = std::abs(pixels.stride);
  // A local copy: the compiler must assume that writing lanes changes the member.
  const std::int64_t at_once = std::min(left / distance + 1, vector_size / pixels.bytes());
  at_once_ = at_once;
  reach_ = std::max(ceil_divide(left, distance) + 1,
                    ceil_divide(std::int64_t{vector_size}, pixels.bytes()));
  // The bytes of a vector beyond its pixels lie towards the pixels that follow.
  first_ = pixels.stride > 0 ? low : high - vector_size;
  for (std::int64_t at = 0; at < at_once * pixels.bytes(); ++at) {
    const std::int64_t pixel = at / pixels.bytes(), byte = at % pixels.bytes();
    const std::int64_t from = pixel * pixels.stride +
                              byte / pixels.part_bytes * pixels.part_stride +
                              byte % pixels.part_bytes;
    lanes_[at] = static_cast<std::uint8_t>(from - first_);
  }
}

/// Copies most of `count` pixels, and returns how many.
MULTIBUFFER_SHUFFLES std::int64_t CopyPixels::shuffle(std::byte* to, const std::byte* from,
                                                      std::int64_t count) const {
  const std::int64_t out_step = at_once_ * pixels_.bytes(), step = at_once_ * pixels_.stride;
  const Vector<std::uint8_t> lanes = lanes_;
  std::int64_t done = 0;
  for (from += first_; done + reach_ <= count; done += at_once_) {
    // Bytes written beyond the pixels are written again by the next vector.
    store(to, shuffled(load<Vector<std::uint8_t>>(from), lanes));
    to += out_step;
    from += step;
  }
  return done;
}

void CopyPixels::operator()(std::byte* to, const std::byte* from, std::int64_t count) const {
  const std::int64_t bytes = pixels_.bytes();
  // Part by part, of as many pixels as stay in the L1 cache meanwhile.
  const std::int64_t most =
      std::max<std::int64_t>(1, block_bytes / std::max(std::abs(pixels_.stride), bytes));
  for (std::int64_t done = at_once_ > 0 ? shuffle(to, from, count) : 0; done < count; done += most)
    for (std::int64_t part = 0; part < pixels_.parts; ++part)
      copy_strided(to + done * bytes + part * pixels_.part_bytes, bytes,
                   from + done * pixels_.stride + part * pixels_.part_stride, pixels_.stride,
                   std::min(most, count - done), pixels_.part_bytes);
}

}  // namespace multibuffer
