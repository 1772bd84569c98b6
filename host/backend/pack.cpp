#include "host/backend/pack.hpp"

#include "host/bytes/nontemporal_copy.hpp"
#include "host/bytes/simd.hpp"
#include "host/support/threshold.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <span>

namespace multibuffer {
namespace {

/// From this size on packed bytes leave the caches before they are read again.
constexpr Threshold nontemporal_bytes{std::int64_t{1} << 18, 1};

/// The number of scattered rows that are prefetched ahead of the one being copied.
constexpr std::ptrdiff_t rows_ahead = 12;

/// Walks the runs of a strided leaf in packed order, from a given one on.
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

/// Packs bytes [begin, end) of a segment.
void pack_segment(const Placement& placement, const Segment& segment, std::int64_t begin,
                  std::int64_t end, std::byte* out, bool nontemporal) {
  if (placement.packing.empty())
    return copy_bytes(out, segment.source + begin, end - begin, nontemporal);

  const std::int64_t run = placement.run_bytes;
  Runs runs(placement.packing, segment.source, begin / run);
  for (std::int64_t skip = begin % run; begin < end; skip = 0, runs.next()) {
    const std::int64_t bytes = std::min(run - skip, end - begin);
    copy_bytes(out, runs.source() + skip, bytes, nontemporal);
    out += bytes;
    begin += bytes;
  }
}

}  // namespace

void pack(const Placement& placement, std::int64_t begin, std::int64_t end, std::byte* out) {
  const Segments& segments = placement.segments;
  auto next = std::ranges::upper_bound(segments, begin, {}, &Segment::offset);
  if (next != segments.begin()) {
    const Segment before = *std::ranges::prev(next);
    if (before.offset + before.bytes > begin) --next;
  }
  const auto clear_to = [&](std::int64_t position) {
    std::memset(out, 0, static_cast<std::size_t>(position - begin));
    out += position - begin;
    begin = position;
  };
  const bool nontemporal = end - begin >= nontemporal_bytes;
  for (; begin < end && next != segments.end(); ++next) {
    const Segment segment = *next;
    if (segment.offset >= end) break;
    if (segments.end() - next > rows_ahead) {
      const Segment ahead = next[rows_ahead];
      prefetch_row(ahead.source, ahead.bytes);
    }
    if (begin < segment.offset) clear_to(segment.offset);
    const std::int64_t stop = std::min(end, segment.offset + segment.bytes);
    pack_segment(placement, segment, begin - segment.offset, stop - segment.offset, out,
                 nontemporal);
    out += stop - begin;
    begin = stop;
  }
  if (begin < end) clear_to(end);
  if (nontemporal) nontemporal_fence();
}

}  // namespace multibuffer
