#pragma once

#include "host/backend/copy_plan.hpp"
#include "host/bytes/simd.hpp"
#include "host/cpu/copy_pixels.hpp"
#include "host/cpu/plane.hpp"

#include <cstdint>
#include <string>

namespace multibuffer {

/// How a plane is copied.
///
///     way        | when                                            | a step copies
///     -----------+-------------------------------------------------+-------------------------
///     interleave | an item from each of a few sequences in turn    | a vector of each sequence
///     transpose  | items dense in both, along different axes       | a square of items
///     long_rows  | non-temporal, and rows of more than 1 KiB       | a row, whole lines at once
///     permute    | long dense output, items that fill cache lines  | an output cache line
///     pixels     | a few items for each outer index, dense output  | a vector of pixels
///     every      | items a few steps apart, dense output           | a few vectors of items
///     shuffle    | small rows close to each other, dense output    | a vector of rows
///     strided    | all others                                      | a row
///
/// The first that fits is taken. `permute`, `every`, `shuffle` and `interleave` need a processor
/// with the vector instructions for it.
enum class PlaneWay { interleave, transpose, long_rows, permute, pixels, every, shuffle, strided };

/// How the rows of a plan are copied.
///
///     planes      the inner axis is strided: a plane of the last two axes (or the rest of one)
///     cached_rows rows from few bytes, which the caches hold: one loop a size of a row
///     inner_axis  a long inner axis: one loop, in which rows are looked up some way ahead
///     batches     all others: the addresses of a batch of rows are found while the batch before
///                 is copied
enum class PlanWay { planes, cached_rows, inner_axis, batches };

/// The sizes from which, or up to which, a way is taken; what pays.
struct WayThresholds {
  /// Fewer outer indices are transposed item by item.
  std::int64_t least_transposed_outer = 8;
  /// Rows up to this size are worth a buffer: longer ones are written one by one.
  std::int64_t most_buffered_bytes = 1024;
  /// Shorter dense output has too many of its bytes in partial cache lines.
  std::int64_t least_permuted_bytes = 64 * cache_line_bytes;
  /// Up to this size the few rows of an outer index are a pixel.
  std::int64_t most_pixel_bytes = cache_line_bytes;
  /// Rows from so many bytes are in the second cache, or near enough in the third.
  std::int64_t most_cached_bytes = std::int64_t{4} << 20;
  /// Of rows as short as this, a processor has so many under way at a time that the third cache is
  /// near enough.
  std::int64_t most_short_row_bytes = 16;
  std::int64_t most_cached_bytes_of_short_rows = std::int64_t{32} << 20;
  /// Longer rows gain nothing over batches of them; shorter ones than `least` are items.
  std::int64_t least_inner_axis_row_bytes = 17;
  std::int64_t most_inner_axis_row_bytes = (std::int64_t{32} << 10) - 1;
  /// The cost of a call is small beside this many rows.
  std::int64_t least_inner_axis_rows = 64;
};
/// Those that tests ask for by MULTIBUFFER_THRESHOLDS: small arrays then go the ways of large ones.
inline constexpr WayThresholds least_way_thresholds{
    .least_transposed_outer = 1,
    .most_buffered_bytes = cache_line_bytes,
    .least_permuted_bytes = 0,
    .most_pixel_bytes = cache_line_bytes,
    .most_cached_bytes = 0,
    .least_inner_axis_row_bytes = 17,
    .most_inner_axis_row_bytes = (std::int64_t{32} << 10) - 1,
    .least_inner_axis_rows = 1};
/// The sizes that ways are chosen by.
const WayThresholds& way_thresholds();

PlaneWay choose_way(const Plane& plane, bool nontemporal,
                    const WayThresholds& thresholds = way_thresholds());

PlanWay choose_way(const CopyPlan& plan, bool nontemporal,
                   const WayThresholds& thresholds = way_thresholds());

/// The names of ways, and what `choose_way` asks of what is copied by one of them, in words.
const char* name_of(PlanWay way);
const char* name_of(PlaneWay way);
std::string needs_of(PlanWay way);
std::string needs_of(PlaneWay way);

/// Returns true if the inner axis is strided in the leaves, so that rows make planes.
bool has_planes(const CopyPlan& plan);

/// The rows of each outer index as one pixel (for `pixels`), and each row as one (for `shuffle`).
Pixels outer_pixels(const Plane& plane);
Pixels inner_pixels(const Plane& plane);

}  // namespace multibuffer
