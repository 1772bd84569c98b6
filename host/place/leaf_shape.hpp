#pragma once

#include <multibuffer/stages/place.hpp>
#include <multibuffer/stages/resolve.hpp>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace multibuffer {

/// The shape that all leaves share: which bytes around index 0 they take.
struct LeafShape {
  std::int64_t itemsize = 0;
  std::vector<std::size_t> axes;  ///< the moving ones, by falling magnitude of their stride
  std::vector<Axis> layout_axes;  ///< all axes of the layout
  std::int64_t below = 0;         ///< bytes from the lowest byte to index 0
  std::int64_t span = 0;          ///< bytes from the lowest to one past the highest
  std::int64_t distinct = 0;      ///< bytes of all elements, if no two overlap
  bool overlaps_itself = false;

  const Axis& axis(std::size_t i) const { return layout_axes[axes[i]]; }
  bool is_dense() const { return !overlaps_itself && distinct == span; }
};
LeafShape leaf_shape(const Resolution& resolution);

/// The strides of a packed leaf, in the order of `LeafShape::axes`, and the bytes below its index
/// 0.
struct PackedLeaf {
  std::vector<std::int64_t> strides;
  std::int64_t below = 0;
};
PackedLeaf packed_leaf(const LeafShape& leaf);

/// The walk that reads a leaf for packing: runs of contiguous inner axes along the outer ones.
struct Packing {
  std::vector<PackAxis> axes;
  std::int64_t run_bytes = 0;
};
Packing packing_of(const LeafShape& leaf);

/// Returns true if the alignment or the order of the leaves proves that their hulls are disjoint.
bool surely_disjoint(const Sequence& leaves, std::int64_t span);

}  // namespace multibuffer
