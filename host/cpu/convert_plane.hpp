#pragma once

#include "host/cpu/convert_items.hpp"
#include "host/cpu/plane.hpp"
#include "host/cpu/row_walk.hpp"

#include <span>

namespace multibuffer {

/// The place of a plane's first number in the tables of a scaling, and the steps to others.
struct PlanePlaces {
  std::int64_t first = 0;
  std::int64_t outer_step = 0;
  std::int64_t row_step = 0;
  std::int64_t run_step = 0;
};

/// Converts a plane, whose `row_bytes` are those of the source. If `nontemporal`, contiguous output
/// is written by non-temporal stores.
void convert_plane(const Plane& plane, const PlanePlaces& places, const ConvertItems& convert,
                   bool nontemporal);

/// Converts rows of `row_bytes` source bytes and prefetches the rows in `ahead`, which come next.
/// `places` are those of the rows' first numbers; there are none where nothing is scaled.
void convert_rows(std::span<const RowCopy> rows, std::span<const RowCopy> ahead,
                  std::span<const std::int64_t> places, std::int64_t row_bytes,
                  const ConvertItems& convert, bool nontemporal);

}  // namespace multibuffer
