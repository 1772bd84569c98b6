#pragma once

#include <multibuffer/stages/place.hpp>
#include <multibuffer/stages/resolve.hpp>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace multibuffer {

/// What all leaves have in common: which bytes around their index 0 they take.
struct LeafShape {
  std::int64_t itemsize = 0;
  std::vector<std::size_t> axes;  ///< that move, by falling magnitude of their stride
  std::vector<Axis> layout_axes;  ///< all of them
  std::int64_t below = 0;         ///< bytes from the lowest byte to index 0
  std::int64_t span = 0;          ///< bytes from the lowest to behind the highest
  std::int64_t distinct = 0;      ///< bytes, if no two elements overlap
  bool overlaps_itself = false;

  const Axis& axis(std::size_t i) const { return layout_axes[axes[i]]; }
  bool is_dense() const { return !overlaps_itself && distinct == span; }
};
LeafShape leaf_shape(const Resolution& resolution);

/// The strides of a packed leaf, in the order of `LeafShape::axes`, and where its index 0 lies.
struct PackedLeaf {
  std::vector<std::int64_t> strides;
  std::int64_t below = 0;
};
PackedLeaf packed_leaf(const LeafShape& leaf);

/// How a leaf is read when it is packed: runs of contiguous inner axes along the others.
struct Packing {
  std::vector<PackAxis> axes;
  std::int64_t run_bytes = 0;
};
Packing packing_of(const LeafShape& leaf);

/// Whether the leaves' hulls are disjoint, as far as their alignment or their order tells.
bool surely_disjoint(const Sequence& leaves, std::int64_t span);

}  // namespace multibuffer
