#pragma once

#include <multibuffer/array_view.hpp>
#include <multibuffer/stages/sequence.hpp>

#include "host/resolve/slots.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace multibuffer {

/// A level's slots and, in the order of their runs, the id of the next level's start (or leaf) that
/// the pointer in each slot leads to.
struct ResolvedLevel {
  Slots slots;
  Sequence ids;
};

/// An index along an axis of the view.
struct AxisIndex {
  std::size_t axis = 0;
  std::int64_t index = 0;
};

/// Throws `null_pointer` with the index path that leads to `slot`, of the last of `levels`.
[[noreturn]] void throw_null(const ArrayView& view, std::span<const ResolvedLevel> levels,
                             const std::byte* slot);

/// What cannot be read: `bytes` bytes at `address`, behind start `start` of a level and `indices`
/// along that level's axes, the one of the longest steps first.
struct Unreadable {
  std::int64_t start = 0;
  std::uint64_t address = 0;
  std::int64_t bytes = 0;
  std::vector<AxisIndex> indices;
  /// All elements of the leaf can be read, and what lies between them cannot. Then `indices` are 0.
  bool only_between = false;
};

/// Throws `unreadable_memory` with the index path that leads there, of the level after `levels`.
[[noreturn]] void throw_unreadable(const ArrayView& view, std::span<const ResolvedLevel> levels,
                                   const Unreadable& unreadable);

}  // namespace multibuffer
