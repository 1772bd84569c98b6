#pragma once

#include <multibuffer/placement_options.hpp>
#include <multibuffer/ragged_view.hpp>
#include <multibuffer/stages/place.hpp>

#include "host/resolve/distinct.hpp"

namespace multibuffer {

/// The starts of the rows that have bytes, in order, as ids of those that differ.
Distinct distinct_rows(const RaggedView& view);

/// Decides which rows travel and where they land: the placement of a ragged array, whose tables are
/// the rows' starts, in units, and their lengths, in items. Its layout has the rows in level 0 and
/// the items of the longest row, with their own axes, in level 1. Rows that share a start have one
/// place, as long as the longest of them. Leaves in place are the rows, each of a span of its own.
///
/// Throws `invalid_argument` for a kind that is not there for rows, or not for their memory,
/// `format_unsupported` for elements that hold Python objects, and `size_overflow`.
Placement place_rows(const RaggedView& view, PlacementKind kind, const Simplify& simplify);

}  // namespace multibuffer
