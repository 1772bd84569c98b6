#include "slices.hpp"

#include <algorithm>
#include <cstddef>
#include <limits>
#include <span>
#include <utility>

namespace multibuffer {
namespace {

constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();

/// Products and sums that stop at the largest number: bounds need no more.
std::int64_t times(std::int64_t a, std::int64_t b) {
  std::int64_t product = 0;
  return __builtin_mul_overflow(a, b, &product) ? most : product;
}
std::int64_t plus(std::int64_t a, std::int64_t b) {
  std::int64_t sum = 0;
  return __builtin_add_overflow(a, b, &sum) ? most : sum;
}

/// The ranges of a group's common shape that lie in a box.
std::vector<Range> group_ranges(const Whole& whole, const Box& box, std::size_t group) {
  std::vector<Range> ranges(whole.result.groups[group].shape.size());
  for (std::size_t i = 0; i < box.size(); ++i) {
    const ResultAxis& axis = whole.result.axes[i];
    if (!axis.array_axis && axis.group == group) ranges[axis.group_axis] = box[i];
  }
  return ranges;
}

/// The part of an index array that belongs to `ranges` of the shape it is broadcast to.
HostIndices cut_indices(const HostIndices& indices, std::span<const Range> ranges) {
  HostIndices result{indices.values, {}};
  // Axis by axis, the innermost first: rows of `block` values are kept or left out.
  std::int64_t block = 1;
  const std::size_t lead = ranges.size() - indices.shape.size();
  for (std::size_t i = indices.shape.size(); i-- > 0;) {
    const std::int64_t extent = indices.shape[i];
    const Range range = extent == 1 ? Range{0, 1} : ranges[lead + i];
    result.shape.insert(result.shape.begin(), range.size());
    if (range.size() != extent) {
      std::vector<std::int64_t> kept;
      const auto count = static_cast<std::int64_t>(result.values.size());
      for (std::int64_t at = 0; at < count; at += extent * block)
        kept.insert(kept.end(), result.values.begin() + at + range.begin * block,
                    result.values.begin() + at + range.end * block);
      result.values = std::move(kept);
    }
    block *= range.size();
  }
  return result;
}

/// The smallest range that all indices lie in.
Range hull(std::span<const std::int64_t> values) {
  if (values.empty()) return {};
  const auto [least, greatest] = std::ranges::minmax(values);
  return {least, greatest + 1};
}

std::int64_t distinct(std::vector<std::int64_t> values) {
  std::ranges::sort(values);
  return std::unique(values.begin(), values.end()) - values.begin();
}

/// How much of each array axis a box reads: what its indices span, and how many there are.
struct Reads {
  std::vector<Range> spans;
  std::vector<std::int64_t> counts;
};
Reads reads_of(const Whole& whole, const Box& box, bool count) {
  Reads reads;
  for (const std::int64_t extent : whole.view.shape()) {
    reads.spans.push_back({0, extent});
    reads.counts.push_back(extent);
  }
  for (std::size_t i = 0; i < box.size(); ++i)
    if (const auto axis = whole.result.axes[i].array_axis) {
      reads.spans[*axis] = box[i];
      reads.counts[*axis] = box[i].size();
    }
  for (std::size_t g = 0; g < whole.groups.size(); ++g) {
    const std::vector<Range> ranges = group_ranges(whole, box, g);
    for (std::size_t m = 0; m < whole.groups[g].size(); ++m) {
      const HostIndices indices = cut_indices(whole.groups[g][m], ranges);
      const auto axis = static_cast<std::size_t>(whole.result.groups[g].axes[m]);
      reads.spans[axis] = hull(indices.values);
      reads.counts[axis] = count ? distinct(indices.values) : reads.spans[axis].size();
    }
  }
  return reads;
}

}  // namespace

std::int64_t BoxBytes::all() const { return plus(plus(travels, tables), result); }

Box whole_box(const Whole& whole) {
  Box box;
  for (const ResultAxis& axis : whole.result.axes) box.push_back({0, axis.extent});
  return box;
}

Part part_of(const Whole& whole, const Box& box) {
  const Reads reads = reads_of(whole, box, false);
  Part part{whole.view, whole.groups};
  for (std::size_t axis = 0; axis < reads.spans.size(); ++axis)
    part.view = part.view.slice(static_cast<int>(axis),
                                {reads.spans[axis].begin, reads.spans[axis].end, 1});
  for (std::size_t g = 0; g < part.groups.size(); ++g) {
    const std::vector<Range> ranges = group_ranges(whole, box, g);
    for (std::size_t m = 0; m < part.groups[g].size(); ++m) {
      HostIndices& indices = part.groups[g][m];
      indices = cut_indices(indices, ranges);
      const auto axis = static_cast<std::size_t>(whole.result.groups[g].axes[m]);
      for (std::int64_t& value : indices.values) value -= reads.spans[axis].begin;
    }
  }
  return part;
}

BoxBytes bytes_of(const Whole& whole, const Box& box) {
  const Reads reads = reads_of(whole, box, false);
  const auto axes = whole.view.layout().axes();
  const int levels = whole.view.layout().levels();
  BoxBytes bytes{.travels = whole.view.itemsize(), .tables = 0, .result = whole.result_itemsize};
  std::vector<std::int64_t> slots(static_cast<std::size_t>(levels), 1);
  for (std::size_t i = 0; i < axes.size(); ++i) {
    bytes.travels = times(bytes.travels, reads.spans[i].size());
    // A level has a slot for each index of its own axes and of those before it.
    for (int level = axes[i].level; level < levels; ++level)
      slots[static_cast<std::size_t>(level)] =
          times(slots[static_cast<std::size_t>(level)], reads.spans[i].size());
  }
  constexpr std::int64_t alignment = 256;
  for (const std::int64_t count : slots)
    bytes.tables =
        plus(bytes.tables, plus(times(count, static_cast<std::int64_t>(sizeof(void*))), alignment));
  for (const Range& range : box) bytes.result = times(bytes.result, range.size());
  for (std::size_t g = 0; g < whole.groups.size(); ++g) {
    const std::vector<Range> ranges = group_ranges(whole, box, g);
    std::int64_t values = 1;
    for (const Range& range : ranges) values = times(values, range.size());
    const auto each = static_cast<std::int64_t>(whole.groups[g].size() * sizeof(std::int64_t));
    bytes.tables = plus(bytes.tables, plus(times(values, each), alignment));
  }
  return bytes;
}

bool is_sparse(const Whole& whole, const Box& box) {
  if (whole.groups.empty()) return false;
  const Reads reads = reads_of(whole, box, true);
  std::int64_t needed = whole.view.itemsize();
  std::int64_t travels = needed;
  for (std::size_t axis = 0; axis < reads.counts.size(); ++axis) {
    needed = times(needed, reads.counts[axis]);
    travels = times(travels, reads.spans[axis].size());
  }
  // Below this a piece of its own costs more than what it saves.
  constexpr std::int64_t worth_a_piece = std::int64_t{1} << 20;
  return travels > worth_a_piece && travels / 4 > needed;
}

std::vector<Box> halves(const Whole& whole, const Box& box) {
  std::vector<Box> best;
  std::int64_t least = most;
  for (std::size_t i = 0; i < box.size(); ++i) {
    if (box[i].size() < 2) continue;
    std::vector<Box> pair{box, box};
    pair[0][i].end = pair[1][i].begin = box[i].begin + box[i].size() / 2;
    const std::int64_t larger =
        std::max(bytes_of(whole, pair[0]).all(), bytes_of(whole, pair[1]).all());
    if (!best.empty() && larger >= least) continue;
    best = std::move(pair);
    least = larger;
  }
  return best;
}

std::vector<Box> cut(const Whole& whole, std::int64_t limit) {
  std::vector<Box> done, open{whole_box(whole)};
  while (!open.empty()) {
    const Box box = std::move(open.back());
    open.pop_back();
    std::vector<Box> smaller;
    if (bytes_of(whole, box).all() > limit || is_sparse(whole, box)) smaller = halves(whole, box);
    if (smaller.empty())
      done.push_back(box);
    else
      open.insert(open.end(), smaller.rbegin(), smaller.rend());
  }
  return done;
}

}  // namespace multibuffer
