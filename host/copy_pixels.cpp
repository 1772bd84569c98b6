#include "copy_pixels.hpp"

#include "copy_items.hpp"

#include <algorithm>
#include <cstdlib>

namespace multibuffer {
namespace {

constexpr auto vector_size = static_cast<std::int64_t>(vector_bytes);

}  // namespace

CopyPixels::CopyPixels(const Pixels& pixels) : pixels_(pixels) {
  const std::int64_t last_part = (pixels.parts - 1) * pixels.part_stride;
  const std::int64_t low = std::min<std::int64_t>(last_part, 0);
  const std::int64_t high = std::max<std::int64_t>(last_part, 0) + pixels.part_bytes;
  hull_bytes_ = high - low;
  if (!has_shuffles() || hull_bytes_ > vector_size || pixels.stride == 0) return;
  const std::int64_t in_source = (vector_size - hull_bytes_) / std::abs(pixels.stride) + 1;
  const std::int64_t at_once = std::min(in_source, vector_size / pixels.bytes());
  // One part of one pixel at a time is best copied as it is.
  if (at_once * pixels.parts < 2) return;
  at_once_ = at_once;
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

/// How many vectors neither reach beyond the hull of so many pixels nor beyond their result.
std::int64_t CopyPixels::vectors_within(std::int64_t count) const {
  const std::int64_t distance = std::abs(pixels_.stride);
  const std::int64_t source_room = (count - 1) * distance + hull_bytes_ - vector_size;
  const std::int64_t out_room = count * pixels_.bytes() - vector_size;
  if (source_room < 0 || out_room < 0) return 0;
  return std::min(source_room / distance, out_room / pixels_.bytes()) / at_once_ + 1;
}

/// Copies most of so many pixels, and returns how many.
MULTIBUFFER_SHUFFLES std::int64_t CopyPixels::shuffle(std::byte* to, const std::byte* from,
                                                      std::int64_t count) const {
  const std::int64_t vectors = vectors_within(count);
  const std::int64_t out_step = at_once_ * pixels_.bytes(), step = at_once_ * pixels_.stride;
  const Vector<std::uint8_t> lanes = lanes_;
  from += first_;
  for (std::int64_t i = 0; i < vectors; ++i) {
    // What is written beyond the pixels is written again by the next vector.
    store(to, Vector<std::uint8_t>(__builtin_shuffle(load<Vector<std::uint8_t>>(from), lanes)));
    to += out_step;
    from += step;
  }
  return vectors * at_once_;
}

void CopyPixels::operator()(std::byte* to, const std::byte* from, std::int64_t count) const {
  const std::int64_t done = is_fast() ? shuffle(to, from, count) : 0;
  to += done * pixels_.bytes();
  from += done * pixels_.stride;
  for (std::int64_t part = 0; part < pixels_.parts; ++part)
    copy_strided(to + part * pixels_.part_bytes, pixels_.bytes(), from + part * pixels_.part_stride,
                 pixels_.stride, count - done, pixels_.part_bytes);
}

}  // namespace multibuffer
