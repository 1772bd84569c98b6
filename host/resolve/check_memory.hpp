#pragma once

#include <multibuffer/array_view.hpp>
#include <multibuffer/stages/sequence.hpp>
#include <multibuffer/watch.hpp>

#include "host/resolve/index_path.hpp"
#include "host/resolve/readable_memory.hpp"

#include <span>

namespace multibuffer {

/// Proves that all that an array's indices reach can be read, one level after the other, before any
/// of that level is read.
class MemoryCheck {
 public:
  explicit MemoryCheck(const ArrayView& view) : view_(view) {}

  /// Checks the tables or, after the last level, the leaves that have their index 0 at `starts`.
  /// `levels` are those before. The hull of a leaf, which may travel as it lies, must be in one
  /// range. So is mostly that of a table; if it is not, it is divided along its axes, since nothing
  /// is read between the slots. Throws `unreadable_memory` with the index path and the axis that
  /// leads out of memory, and `cancelled`.
  void check(std::span<const ResolvedLevel> levels, const Sequence& starts, const Watch& watch);

 private:
  const ArrayView& view_;
  ReadableMemory memory_;
};

}  // namespace multibuffer
