#pragma once

#include <multibuffer/array_view.hpp>
#include <multibuffer/error.hpp>
#include <multibuffer/explain.hpp>
#include <multibuffer/stages/place.hpp>

#include "host/support/text.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace multibuffer {

/// The pointer that is stored at `slot`; 0 for NULL.
std::uint64_t pointer_at(std::uint64_t slot);

/// Ends a way where its last step does.
WayToElement way_of(std::vector<Step> steps, bool is_address);

/// The steps to an element by the pointers of a view whose tables are in host memory. `index` has
/// been checked. Throws `null_pointer`.
WayToElement way_by_pointers(const ArrayView& view, std::span<const std::int64_t> index);

/// The steps to an element by the offset arrays of a placement, whose tables are in host memory.
WayToElement way_by_offsets(const Placement& placement, std::span<const std::int64_t> index);

/// The step from an entry of a level's table to where it leads.
Step follow_entry(const Placement& placement, int level, std::uint64_t position);

/// The segment that brings byte `position` of the arena; nothing for a placement in place.
std::optional<std::int64_t> segment_at(const Placement& placement, std::uint64_t position);

/// Calls `make()`, which places an array. Where it cannot be placed, that becomes a note, and there
/// is no placement; an end that was asked for is passed on.
template <class Make>
std::optional<Placement> placed_or_noted(std::vector<std::string>& notes, const Make& make) {
  try {
    return make();
  } catch (const Error& error) {
    if (error.code() == Errc::cancelled) throw;
    notes.push_back(text("the array cannot be uploaded: ", error.what()));
    return {};
  }
}

}  // namespace multibuffer
