#include "host/place/leaf_shape.hpp"

#include "host/support/parallel.hpp"

#include <algorithm>
#include <atomic>
#include <bit>
#include <functional>

namespace multibuffer {
namespace {

std::int64_t magnitude(std::int64_t stride) { return stride < 0 ? -stride : stride; }

}  // namespace

LeafShape leaf_shape(const Resolution& resolution) {
  LeafShape leaf;
  leaf.itemsize = resolution.format.itemsize();
  leaf.layout_axes.assign(resolution.layout.axes().begin(), resolution.layout.axes().end());
  for (std::size_t i = 0; i < leaf.layout_axes.size(); ++i) {
    const Axis& axis = leaf.layout_axes[i];
    if (axis.level == resolution.layout.levels() && axis.extent > 1 && axis.stride != 0)
      leaf.axes.push_back(i);
  }
  std::ranges::stable_sort(leaf.axes, std::greater{},
                           [&](std::size_t i) { return magnitude(leaf.layout_axes[i].stride); });
  leaf.span = leaf.distinct = leaf.itemsize;
  for (std::size_t i = leaf.axes.size(); i-- > 0;) {
    const Axis& axis = leaf.axis(i);
    const std::int64_t reach = magnitude(axis.stride) * (axis.extent - 1);
    if (magnitude(axis.stride) < leaf.span) leaf.overlaps_itself = true;
    if (axis.stride < 0) leaf.below += reach;
    leaf.span += reach;
    // Cannot overflow: the size of the array was checked. Not used for leaves that overlap
    // themselves.
    if (!leaf.overlaps_itself) leaf.distinct *= axis.extent;
  }
  return leaf;
}

PackedLeaf packed_leaf(const LeafShape& leaf) {
  PackedLeaf packed;
  packed.strides.resize(leaf.axes.size());
  std::int64_t stride = leaf.itemsize;
  for (std::size_t i = leaf.axes.size(); i-- > 0;) {
    const Axis& axis = leaf.axis(i);
    packed.strides[i] = axis.stride < 0 ? -stride : stride;
    if (axis.stride < 0) packed.below += stride * (axis.extent - 1);
    stride *= axis.extent;
  }
  return packed;
}

Packing packing_of(const LeafShape& leaf) {
  Packing packing{{}, leaf.itemsize};
  std::size_t count = leaf.axes.size();
  for (; count > 0 && magnitude(leaf.axis(count - 1).stride) == packing.run_bytes; --count)
    packing.run_bytes *= leaf.axis(count - 1).extent;
  for (std::size_t i = 0; i < count; ++i)
    packing.axes.push_back({leaf.axis(i).extent, magnitude(leaf.axis(i).stride)});
  return packing;
}

bool surely_disjoint(const Sequence& leaves, std::int64_t span) {
  if (leaves.size() <= 1) return true;
  if (leaves.is_affine()) return magnitude(leaves.step()) >= span;
  return leaves.visit([&](const auto& leaf) {
    if (magnitude(leaves.step()) >= span)
      for (std::int64_t i = 1; i < leaves.size(); ++i)
        if (leaf(i) != leaf(0)) return true;
    std::atomic<std::uint64_t> differences = 0;
    parallel_for(leaves.size(), sizeof span, {}, [&](std::int64_t begin, std::int64_t end) {
      const std::int64_t first = leaf(0);
      std::uint64_t here = 0;
      for (std::int64_t i = begin; i < end; ++i)
        here |= static_cast<std::uint64_t>(leaf(i) ^ first);
      differences |= here;
    });
    if (differences == 0) return false;
    const std::uint64_t alignment = std::uint64_t{1} << std::countr_zero(differences.load());
    if (alignment >= static_cast<std::uint64_t>(span)) return true;
    for (std::int64_t i = 1; i < leaves.size(); ++i)
      if (leaf(i) - leaf(i - 1) < span) return false;
    return true;
  });
}

}  // namespace multibuffer
