#include "host/gather/boxes.hpp"

#include "host/support/threshold.hpp"

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

/// The ranges of an index array's own axes that belong to `ranges` of the shape it is broadcast to.
std::vector<Range> own_ranges(const HostIndices& indices, std::span<const Range> ranges) {
  std::vector<Range> own;
  const std::size_t lead = ranges.size() - indices.shape.size();
  for (std::size_t i = 0; i < indices.shape.size(); ++i)
    own.push_back(indices.shape[i] == 1 ? Range{0, 1} : ranges[lead + i]);
  return own;
}

/// Calls `visit` for the values in `own`, in C order, as spans of neighbours: nothing is copied.
template <class Visit>
void for_runs(const HostIndices& indices, std::span<const Range> own, Visit&& visit) {
  if (std::ranges::any_of(own, [](const Range& range) { return range.size() == 0; })) return;
  // Inner axes that are there as a whole make runs of those outside of them longer.
  std::size_t axis = own.size();
  std::int64_t block = 1;
  while (axis > 0 && own[axis - 1].size() == indices.shape[axis - 1])
    block *= indices.shape[--axis];
  std::int64_t run = block;
  std::int64_t begin = 0;
  std::vector<std::int64_t> steps;  // of the axes outside of the runs
  if (axis > 0) {
    --axis;
    begin = own[axis].begin * block;
    run = own[axis].size() * block;
    steps.resize(axis);
    for (std::int64_t step = block * indices.shape[axis], i = std::ssize(steps); i-- > 0;) {
      const auto at = static_cast<std::size_t>(i);
      steps[at] = step;
      begin += own[at].begin * step;
      step *= indices.shape[at];
    }
  }
  std::vector<std::int64_t> index(steps.size(), 0);
  const std::span<const std::int64_t> values = indices.values;
  for (;;) {
    visit(values.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(run)));
    std::size_t i = steps.size();
    for (; i > 0; --i) {
      begin += steps[i - 1];
      if (++index[i - 1] < own[i - 1].size()) break;
      begin -= index[i - 1] * steps[i - 1];
      index[i - 1] = 0;
    }
    if (i == 0) return;
  }
}

std::vector<std::int64_t> values_in(const HostIndices& indices, std::span<const Range> own) {
  std::vector<std::int64_t> values;
  for_runs(indices, own, [&](std::span<const std::int64_t> run) {
    values.insert(values.end(), run.begin(), run.end());
  });
  return values;
}

/// The smallest range that all indices in `own` lie in.
Range hull(const HostIndices& indices, std::span<const Range> own) {
  Range hull{most, 0};
  for_runs(indices, own, [&](std::span<const std::int64_t> run) {
    const auto [least, greatest] = std::ranges::minmax(run);
    hull = {std::min(hull.begin, least), std::max(hull.end, greatest + 1)};
  });
  return hull.begin == most ? Range{} : hull;
}

bool is_of_indices(const Whole& whole, std::size_t result_axis) {
  return !whole.result.axes[result_axis].array_axis;
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
      const HostIndices& indices = whole.groups[g][m];
      const std::vector<Range> own = own_ranges(indices, ranges);
      const auto axis = static_cast<std::size_t>(whole.result.groups[g].axes[m]);
      reads.spans[axis] = hull(indices, own);
      reads.counts[axis] = count ? distinct(values_in(indices, own)) : reads.spans[axis].size();
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
  Part part{whole.view, {}};
  for (std::size_t axis = 0; axis < reads.spans.size(); ++axis)
    part.view = part.view.slice(static_cast<int>(axis),
                                {reads.spans[axis].begin, reads.spans[axis].end, 1});
  for (std::size_t g = 0; g < whole.groups.size(); ++g) {
    const std::vector<Range> ranges = group_ranges(whole, box, g);
    std::vector<HostIndices>& group = part.groups.emplace_back();
    for (std::size_t m = 0; m < whole.groups[g].size(); ++m) {
      const std::vector<Range> own = own_ranges(whole.groups[g][m], ranges);
      HostIndices& indices =
          group.emplace_back(HostIndices{values_in(whole.groups[g][m], own), {}});
      for (const Range& range : own) indices.shape.push_back(range.size());
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
  std::int64_t pieces = 1;
  for (std::size_t i = 0; i < box.size(); ++i)
    if (is_of_indices(whole, i)) pieces = times(pieces, box[i].size());
  // Below this a piece of its own costs more than what it saves.
  constexpr Threshold worth_a_piece{std::int64_t{1} << 20, 1};
  return travels / std::max<std::int64_t>(1, pieces) > worth_a_piece && travels / 4 > needed;
}

std::vector<Box> halves(const Whole& whole, const Box& box, CutAlong along) {
  std::vector<Box> best;
  std::int64_t least = most;
  for (std::size_t i = 0; i < box.size(); ++i) {
    if (box[i].size() < 2) continue;
    if (along == CutAlong::indices && !is_of_indices(whole, i)) continue;
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
    if (is_sparse(whole, box)) smaller = halves(whole, box, CutAlong::indices);
    if (smaller.empty() && bytes_of(whole, box).all() > limit) smaller = halves(whole, box);
    if (smaller.empty())
      done.push_back(box);
    else
      open.insert(open.end(), smaller.rbegin(), smaller.rend());
  }
  return done;
}

}  // namespace multibuffer
