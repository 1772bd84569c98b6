#pragma once

#include <multibuffer/array_view.hpp>
#include <multibuffer/stages/sequence.hpp>

#include "host/resolve/slots.hpp"

#include <cstddef>
#include <span>

namespace multibuffer {

/// One level's slots, and which of the next level's starts (or leaves) the pointer in each of them
/// leads to, in the order of the runs.
struct ResolvedLevel {
  Slots slots;
  Sequence ids;
};

/// Throws `null_pointer` with the index path that leads to `slot`, of the last of `levels`.
[[noreturn]] void throw_null(const ArrayView& view, std::span<const ResolvedLevel> levels,
                             const std::byte* slot);

}  // namespace multibuffer
