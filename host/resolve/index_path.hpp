#pragma once

#include <multibuffer/array_view.hpp>
#include <multibuffer/stages/sequence.hpp>

#include "host/resolve/slots.hpp"

#include <cstddef>
#include <span>

namespace multibuffer {

/// A level's slots and, in the order of their runs, the id of the next level's start (or leaf) that
/// the pointer in each slot leads to.
struct ResolvedLevel {
  Slots slots;
  Sequence ids;
};

/// Throws `null_pointer` with the index path that leads to `slot`, of the last of `levels`.
[[noreturn]] void throw_null(const ArrayView& view, std::span<const ResolvedLevel> levels,
                             const std::byte* slot);

}  // namespace multibuffer
