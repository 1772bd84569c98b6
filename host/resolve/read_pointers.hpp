#pragma once

#include <multibuffer/stages/resolve.hpp>
#include <multibuffer/watch.hpp>

#include "host/resolve/distinct.hpp"
#include "host/resolve/slots.hpp"

#include <cstddef>
#include <cstdint>

namespace multibuffer {

/// The pointers of a level, in the order of its runs.
struct PointersRead {
  Distinct targets;                      ///< with the level's origin added to each
  const std::byte* null_slot = nullptr;  ///< the first slot with NULL; then there are no targets
};

/// Reads the slots on all threads, after a sample that picks the encoding. If the guess was wrong,
/// reads them again and discards the first pass. Throws `cancelled`.
PointersRead read_pointers(const Slots& slots, std::int64_t origin, Aliases aliases,
                           const Watch& watch);

}  // namespace multibuffer
