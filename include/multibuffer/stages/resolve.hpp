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
  /// `Aliases::ignored`, that of the leaf behind each slot.
  Sequence leaves;
  std::int64_t pointers_read = 0;
};

/// How slots with equal pointers are treated in the last level.
enum class Aliases {
  found,    ///< they share one leaf, as packing and sharing need
  ignored,  ///< every slot gets its own leaf: enough in place, and cheaper
};

struct ResolveOptions {
  Aliases aliases = Aliases::found;
  Watch watch = {};
  /// Proves of all tables, before they are read, and of the leaves that the process can read that
  /// memory (see `UploadOptions::checked`).
  bool checked = false;
};

/// Follows the pointer tables of `view` on all of the host's threads. Reads each slot once, after a
/// small sample that picks a compact encoding. If a pointer does not fit the encoding, all slots
/// are read again and the first pass is discarded, so that every pointer used was checked in the
/// pass that read it.
///
/// Each level's slots become entries that mirror them: with g the gcd of the level's strides, table
/// ranges that overlap in one residue class mod g share their entries, and entry strides are
/// stride / g. Where most of such a range would be gaps between pieces, the gaps are left out, and
/// pieces are shared instead. Time and memory grow with the memory of the tables, not with the
/// product of the extents: beyond the result at most 8 bytes a slot where no pointer repeats, and
/// 32 where some do.
///
/// An array with an extent of 0 is never dereferenced: no levels, no leaves. A NULL pointer throws
/// `null_pointer` with the index path that leads to it, and a checked call `unreadable_memory` with
/// that and the axis.
Resolution resolve(const ArrayView& view, const ResolveOptions& options = {});

}  // namespace multibuffer
