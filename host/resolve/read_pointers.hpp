#pragma once

#include <multibuffer/stages/resolve.hpp>
#include <multibuffer/watch.hpp>

#include "host/resolve/distinct.hpp"
#include "host/resolve/slots.hpp"

#include <cstddef>
#include <cstdint>

namespace multibuffer {

/// The pointers of a level in the order of its runs, each once.
struct PointersRead {
  Distinct targets;                      ///< moved on by the level's origin
  const std::byte* null_slot = nullptr;  ///< the first that holds NULL; then there are no targets
};

/// Reads the slots that `slots` names on all threads, after a look at a few; once more if that led
/// to a wrong guess, and then nothing of the first reading is used. Throws `cancelled`.
PointersRead read_pointers(const Slots& slots, std::int64_t origin, Aliases aliases,
                           const Watch& watch);

}  // namespace multibuffer
