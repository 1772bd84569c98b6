#pragma once

#include <multibuffer/placement_options.hpp>
#include <multibuffer/stages/large_vector.hpp>
#include <multibuffer/stages/resolve.hpp>
#include <multibuffer/stages/segments.hpp>

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace multibuffer {

/// One axis of the walk that packs a strided leaf, outermost first; stride in source bytes.
struct PackAxis {
  std::int64_t extent = 0;
  std::int64_t stride = 0;
  bool operator==(const PackAxis&) const = default;
};

/// What becomes of a level's pointer table: entries of 32 or of 64 bits.
using OffsetArray = std::variant<LargeVector<std::uint32_t>, LargeVector<std::int64_t>>;

/// What travels, and where it lands. An element is at
///
///     entry = 0
///     for each level:  entry = tables[level][entry + origins[level] + sum(index * stride)]
///     address = base + entry * unit + origins[levels] + sum(index * stride)
///
/// with `base` the arena, or nothing for an array in place.
struct Placement {
  PlacementKind kind = PlacementKind::packed;  ///< never `automatic`
  Format format;
  MemorySpace space = MemorySpace::host;  ///< of the leaves
  Layout layout;
  std::int64_t unit = 1;  ///< bytes that the last level's entries count in
  std::vector<OffsetArray> tables;
  /// Where index 0 of each of the resolution's leaves is, and the bytes that each takes around it.
  Sequence leaves;
  std::int64_t leaf_below = 0;  ///< from its lowest byte to index 0
  std::int64_t leaf_span = 0;   ///< from its lowest byte to behind its highest
  /// What travels, ascending and disjoint in the arena. In place: nothing.
  Segments segments;
  /// How each segment is read: runs of `run_bytes` along these axes. Empty: as one run.
  std::vector<PackAxis> packing;
  std::int64_t run_bytes = 0;
  std::int64_t arena_bytes = 0;  ///< of the leaves; at most 2^63 - 1
  /// What was simplified, a sentence each.
  std::vector<std::string> notes;
};

/// The memory that leaves take, as ranges that neither overlap nor touch, ascending, at offset 0.
std::vector<Segment> leaf_hulls(const Placement& placement);

/// Decides what travels and turns entries into offsets. Throws `invalid_argument` for packed or
/// preserved leaves in device memory, `format_unsupported` for elements that hold Python objects,
/// and `size_overflow`.
Placement place(const Resolution& resolution, PlacementKind kind = PlacementKind::automatic,
                const Simplify& simplify = {});

}  // namespace multibuffer
