#include "pack.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <span>

namespace multibuffer {
namespace {

/// The runs of a strided leaf from a given one on, in packed order.
class Runs {
 public:
  Runs(std::span<const PackAxis> axes, const std::byte* source, std::int64_t first)
      : axes_(axes), source_(source) {
    for (std::size_t i = axes.size(); i-- > 0;) {
      index_[i] = first % axes[i].extent;
      first /= axes[i].extent;
      source_ += index_[i] * axes[i].stride;
    }
  }
  const std::byte* source() const { return source_; }
  void next() {
    for (std::size_t i = axes_.size(); i-- > 0;) {
      source_ += axes_[i].stride;
      if (++index_[i] < axes_[i].extent) return;
      source_ -= axes_[i].extent * axes_[i].stride;
      index_[i] = 0;
    }
  }

 private:
  std::span<const PackAxis> axes_;
  const std::byte* source_;
  std::array<std::int64_t, max_axes> index_{};
};

/// Bytes [begin, end) of a segment as they are packed.
void pack_segment(const Placement& placement, const Segment& segment, std::int64_t begin,
                  std::int64_t end, std::byte* out) {
  if (placement.packing.empty()) {
    std::memcpy(out, segment.source + begin, static_cast<std::size_t>(end - begin));
    return;
  }
  const std::int64_t run = placement.run_bytes;
  Runs runs(placement.packing, segment.source, begin / run);
  for (std::int64_t skip = begin % run; begin < end; skip = 0, runs.next()) {
    const std::int64_t bytes = std::min(run - skip, end - begin);
    std::memcpy(out, runs.source() + skip, static_cast<std::size_t>(bytes));
    out += bytes;
    begin += bytes;
  }
}

}  // namespace

void pack(const Placement& placement, std::int64_t begin, std::int64_t end, std::byte* out) {
  const std::vector<Segment>& segments = placement.segments;
  auto segment = std::ranges::upper_bound(segments, begin, {}, &Segment::offset);
  if (segment != segments.begin() && std::prev(segment)->offset + std::prev(segment)->bytes > begin)
    --segment;
  const auto clear_to = [&](std::int64_t position) {
    std::memset(out, 0, static_cast<std::size_t>(position - begin));
    out += position - begin;
    begin = position;
  };
  // Small rows are scattered, so their first lines are asked for a few rows ahead.
  constexpr std::ptrdiff_t ahead = 8;
  for (; begin < end && segment != segments.end() && segment->offset < end; ++segment) {
    if (segments.end() - segment > ahead) __builtin_prefetch(segment[ahead].source);
    if (begin < segment->offset) clear_to(segment->offset);
    const std::int64_t stop = std::min(end, segment->offset + segment->bytes);
    pack_segment(placement, *segment, begin - segment->offset, stop - segment->offset, out);
    out += stop - begin;
    begin = stop;
  }
  if (begin < end) clear_to(end);
}

}  // namespace multibuffer
