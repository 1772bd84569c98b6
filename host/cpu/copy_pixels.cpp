#include "host/cpu/copy_pixels.hpp"

#include "host/cpu/copy_items.hpp"
#include "host/support/rounding.hpp"

#include <algorithm>
#include <cstdlib>

namespace multibuffer {
namespace {

constexpr auto vector_size = static_cast<std::int64_t>(vector_bytes);

constexpr std::int64_t block_bytes = 8192;

}  // namespace

CopyPixels::CopyPixels(const Pixels& pixels) : pixels_(pixels) {
  const std::int64_t last_part = (pixels.parts - 1) * pixels.part_stride;
  const std::int64_t low = std::min<std::int64_t>(last_part, 0);
  const std::int64_t high = std::max<std::int64_t>(last_part, 0) + pixels.part_bytes;
  const std::int64_t left = vector_size - (high - low), distance = std::abs(pixels.stride);
  // Pixels farther apart may be in memory that was allocated one by one, with none between.
  if (!has_shuffles() || left < 0 || distance == 0 || distance > vector_size) return;
  const std::int64_t at_once = std::min(left / distance + 1, vector_size / pixels.bytes());
  // One part of one pixel at a time is best copied as it is.
  if (at_once * pixels.parts < 2) return;
  at_once_ = at_once;
  reach_ = std::max(ceil_divide(left, distance) + 1,
                    ceil_divide(std::int64_t{vector_size}, pixels.bytes()));
  // What a vector has beyond its pixels lies towards those that follow.
  first_ = pixels.stride > 0 ? low : high - vector_size;
  for (std::int64_t at = 0; at < at_once * pixels.bytes(); ++at) {
    const std::int64_t pixel = at / pixels.bytes(), byte = at % pixels.bytes();
    const std::int64_t from = pixel * pixels.stride +
                              byte / pixels.part_bytes * pixels.part_stride +
                              byte % pixels.part_bytes;
    lanes_[at] = static_cast<std::uint8_t>(from - first_);
  }
}

/// Copies most of so many pixels, and returns how many.
MULTIBUFFER_SHUFFLES std::int64_t CopyPixels::shuffle(std::byte* to, const std::byte* from,
                                                      std::int64_t count) const {
  const std::int64_t out_step = at_once_ * pixels_.bytes(), step = at_once_ * pixels_.stride;
  const Vector<std::uint8_t> lanes = lanes_;
  std::int64_t done = 0;
  for (from += first_; done + reach_ <= count; done += at_once_) {
    // What is written beyond the pixels is written again by the next vector.
    store(to, shuffled(load<Vector<std::uint8_t>>(from), lanes));
    to += out_step;
    from += step;
  }
  return done;
}

void CopyPixels::operator()(std::byte* to, const std::byte* from, std::int64_t count) const {
  const std::int64_t bytes = pixels_.bytes();
  // Part by part, of as many pixels as stay in the first cache meanwhile.
  const std::int64_t most =
      std::max<std::int64_t>(1, block_bytes / std::max(std::abs(pixels_.stride), bytes));
  for (std::int64_t done = is_fast() ? shuffle(to, from, count) : 0; done < count; done += most)
    for (std::int64_t part = 0; part < pixels_.parts; ++part)
      copy_strided(to + done * bytes + part * pixels_.part_bytes, bytes,
                   from + done * pixels_.stride + part * pixels_.part_stride, pixels_.stride,
                   std::min(most, count - done), pixels_.part_bytes);
}

}  // namespace multibuffer
