#pragma once

#include <multibuffer/array_view.hpp>
#include <multibuffer/stages/sequence.hpp>
#include <multibuffer/watch.hpp>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace multibuffer {

/// An array whose pointers have all been followed once. Positions are no longer addresses: in the
/// table levels they count entries of `tables`, in the last level bytes from a leaf's element at
/// index 0.
///
///     before:  base ──► [ p0 | p1 | p2 ]        after:  tables[0] = [ 0 | 1 | 0 ]
///                          │    │    └─► = p0            leaves    = { p0, p1 }
///                          │    └─► row b
///                          └─► row a
///
/// The layout's origins are 0 but for level 0, which says where its table's index 0 is.
struct Resolution {
  Format format;
  MemorySpace space = MemorySpace::host;
  Layout layout;
  /// tables[k][position] is where index 0 lies in tables[k + 1] or, in the last level, a leaf.
  /// Entries that no index reaches are 0.
  std::vector<Sequence> tables;
  /// The address of each distinct leaf's element at index 0, in order of first appearance; with
  /// `Aliases::ignored`, of the leaf behind each slot.
  Sequence leaves;
  std::int64_t pointers_read = 0;
};

/// Whether leaves that several slots point at are found out, which packing and sharing need: in
/// place every slot may as well have a leaf to itself.
enum class Aliases { found, ignored };

struct ResolveOptions {
  Aliases aliases = Aliases::found;
  Watch watch = {};
};

/// Follows the pointer tables of `view` on all of the host's threads. Slots are read once, but
/// for a few that tell how, and all of them twice where those have told too little: what is used
/// was checked in the same reading.
///
/// Each level's slots become entries that mirror them: with g the gcd of the level's strides, table
/// ranges that overlap in one residue class mod g share their entries, and entry strides are
/// stride / g. Where axes reach so far that most of that would be gaps, the gaps between the pieces
/// are left out, and the pieces are what is shared. Time and memory follow the memory that the
/// tables take, not the product of the extents: beyond the result at most 8 bytes a slot where no
/// pointer repeats, and 32 where some do.
///
/// An array with an extent of 0 is never dereferenced: no levels, no leaves. A NULL pointer throws
/// `null_pointer` with the index path that leads to it.
Resolution resolve(const ArrayView& view, const ResolveOptions& options = {});

}  // namespace multibuffer
