#pragma once

#include <multibuffer/placement_options.hpp>
#include <multibuffer/stages/large_vector.hpp>
#include <multibuffer/stages/resolve.hpp>
#include <multibuffer/stages/segments.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace multibuffer {

/// One axis of the walk that packs a strided leaf, outermost first; stride in source bytes.
struct PackAxis {
  std::int64_t extent = 0;
  std::int64_t stride = 0;
  bool operator==(const PackAxis&) const = default;
};

/// The entries of a level, in the place of its pointers, of 32 or 64 bits.
///
/// A std::variant of vectors, but for its copies: where the memory for one is not there, libstdc++
/// destroys what it has not made, since it takes variants of vectors never to be without a value.
struct OffsetArray : std::variant<LargeVector<std::uint32_t>, LargeVector<std::int64_t>> {
  using Vectors = std::variant<LargeVector<std::uint32_t>, LargeVector<std::int64_t>>;
  using Vectors::Vectors;

  OffsetArray() = default;
  ~OffsetArray() = default;
  OffsetArray(OffsetArray&&) = default;
  OffsetArray& operator=(OffsetArray&&) = default;
  OffsetArray(const OffsetArray& other) : Vectors(copy_of(other)) {}
  OffsetArray& operator=(const OffsetArray& other) {
    Vectors::operator=(copy_of(other));
    return *this;
  }

 private:
  static Vectors copy_of(const Vectors& other) {
    return std::visit(
        [](const auto& entries) {
          auto copy = entries;
          return Vectors(std::move(copy));
        },
        other);
  }
};

/// What a distance of 0 is aligned to.
inline constexpr std::int64_t any_alignment = std::int64_t{1} << 62;
/// Returns the largest power of two that divides `distance`, which may be negative.
constexpr std::int64_t alignment_of(std::int64_t distance) {
  const auto bits = static_cast<std::uint64_t>(distance | any_alignment);
  return static_cast<std::int64_t>(bits & -bits);
}

/// Says which bytes travel, where they land, and how elements are addressed there. An element is at
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
  /// The largest power of two that divides the bytes of every entry of the last level, entry *
  /// unit; `any_alignment` where all are 0, and without tables.
  std::int64_t entry_alignment = any_alignment;
  /// The address of index 0 of each of the resolution's leaves. Each leaf takes `leaf_span` bytes.
  Sequence leaves;
  std::int64_t leaf_below = 0;  ///< from its lowest byte to index 0
  std::int64_t leaf_span = 0;   ///< from its lowest byte to one past its highest
  /// The span of each leaf, where they differ: for rows of unequal length. Else empty.
  LargeVector<std::int64_t> leaf_spans;
  /// The segments to copy, ascending and disjoint in the arena; none for arrays in place.
  Segments segments;
  /// The walk that reads a segment: runs of `run_bytes` along these axes. Empty: one run.
  std::vector<PackAxis> packing;
  std::int64_t run_bytes = 0;    ///< 0 where segments are rows of unequal length
  std::int64_t arena_bytes = 0;  ///< bytes of the leaves in the arena; at most 2^63 - 1
  /// One sentence for each simplification that was made.
  std::vector<std::string> notes;
};

/// Returns the memory that the leaves take, merged into ascending ranges that neither overlap nor
/// touch. Their offsets are 0.
std::vector<Segment> leaf_hulls(const Placement& placement);

/// The bytes that leaf number `leaf` spans.
inline std::int64_t span_of_leaf(const Placement& placement, std::int64_t leaf) {
  return placement.leaf_spans.empty() ? placement.leaf_span
                                      : placement.leaf_spans[static_cast<std::size_t>(leaf)];
}

/// Decides what travels and turns entries into offsets. Throws `invalid_argument` for packed or
/// preserved leaves in device memory, `format_unsupported` for elements that hold Python objects,
/// and `size_overflow`.
Placement place(const Resolution& resolution, PlacementKind kind = PlacementKind::automatic,
                const Simplify& simplify = {});

}  // namespace multibuffer
