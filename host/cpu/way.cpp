#include "host/cpu/way.hpp"

#include "host/cpu/copy_items.hpp"
#include "host/cpu/permute_items.hpp"
#include "host/cpu/row_walk.hpp"
#include "host/cpu/transpose.hpp"
#include "host/support/text.hpp"
#include "host/support/threshold.hpp"

#include <algorithm>

namespace multibuffer {
namespace {

bool is_dense(const Plane& plane) { return plane.out_stride == plane.row_bytes; }

/// Returns true if outer indices continue each other in the output.
bool is_outer_dense(const Plane& plane) {
  return is_dense(plane) && plane.outer_out_stride == plane.rows * plane.row_bytes;
}

/// Returns true if the rows of an outer index are an item from each of a few sequences.
bool is_interleaving(const Plane& plane) {
  return plane.outer_stride == plane.row_bytes && is_outer_dense(plane) &&
         can_interleave(plane.rows, plane.row_bytes);
}

bool is_worth_permuting(const Plane& plane, const WayThresholds& thresholds) {
  const std::int64_t size = plane.row_bytes;
  // Cache lines of the output are made of whole items.
  return is_dense(plane) && plane.rows * size >= thresholds.least_permuted_bytes &&
         offset_in_cache_line(plane.to) % size == 0 && plane.outer_out_stride % size == 0 &&
         PermuteItems::can_permute(plane.stride, size);
}

PlaneWay way_of_rows(const Plane& plane) {
  if (is_dense(plane)) {
    if (plane.stride % plane.row_bytes == 0 &&
        can_copy_every(plane.stride / plane.row_bytes, plane.row_bytes))
      return PlaneWay::every;
    if (CopyPixels::can_shuffle(inner_pixels(plane))) return PlaneWay::shuffle;
  }
  return PlaneWay::strided;
}

/// Returns true if the rows that axes and index arrays can lead to take no more than `bytes`.
bool reads_no_more_than(const CopyPlan& plan, std::int64_t bytes) {
  if (plan.run_bytes > bytes) return false;
  std::int64_t rows_left = bytes / plan.run_bytes;
  for (const PlanAxis& axis : plan.axes)
    if (axis.stride != 0) rows_left /= axis.extent;
  for (const PlanIndices& indices : plan.indices)
    rows_left /= std::max<std::int64_t>(indices.extent, 1);
  return rows_left > 0;
}

}  // namespace

const WayThresholds& way_thresholds() {
  static constexpr WayThresholds usual;
  return wants_least_thresholds() ? least_way_thresholds : usual;
}

Pixels outer_pixels(const Plane& plane) {
  return {plane.outer_stride, plane.rows, plane.stride, plane.row_bytes};
}

Pixels inner_pixels(const Plane& plane) { return {plane.stride, 1, 0, plane.row_bytes}; }

PlaneWay choose_way(const Plane& plane, bool nontemporal, const WayThresholds& thresholds) {
  if (is_interleaving(plane)) return PlaneWay::interleave;
  if (can_transpose(plane) && plane.outer >= thresholds.least_transposed_outer &&
      plane.rows >= least_transposed_rows(plane.row_bytes))
    return PlaneWay::transpose;
  if (nontemporal && plane.row_bytes > thresholds.most_buffered_bytes) return PlaneWay::long_rows;
  if (is_worth_permuting(plane, thresholds)) return PlaneWay::permute;
  const PlaneWay rows = way_of_rows(plane);
  const bool are_pixels = plane.outer > 1 && is_outer_dense(plane) &&
                          plane.outer_out_stride <= thresholds.most_pixel_bytes;
  const bool is_pixels = are_pixels && (rows == PlaneWay::strided ||  //
                                        CopyPixels::can_shuffle(outer_pixels(plane)));
  return is_pixels ? PlaneWay::pixels : rows;
}

bool has_planes(const CopyPlan& plan) {
  return !plan.axes.empty() && is_strided(plan, plan.axes.size() - 1);
}

PlanWay choose_way(const CopyPlan& plan, bool nontemporal, const WayThresholds& thresholds) {
  if (has_planes(plan)) return PlanWay::planes;
  if (!plan.conversion && !plan.axes.empty() && !nontemporal &&
      reads_no_more_than(plan, plan.run_bytes <= thresholds.most_short_row_bytes
                                   ? thresholds.most_cached_bytes_of_short_rows
                                   : thresholds.most_cached_bytes) &&
      RowWalk::can_look_up_ahead(plan))
    return PlanWay::cached_rows;
  if (!plan.conversion && !plan.axes.empty() &&
      plan.run_bytes >= thresholds.least_inner_axis_row_bytes &&
      plan.run_bytes <= thresholds.most_inner_axis_row_bytes &&
      plan.axes.back().extent >= thresholds.least_inner_axis_rows &&
      RowWalk::can_look_up_ahead(plan))
    return PlanWay::inner_axis;
  return PlanWay::batches;
}

const char* name_of(PlanWay way) {
  switch (way) {
    case PlanWay::planes:
      return "planes";
    case PlanWay::cached_rows:
      return "cached_rows";
    case PlanWay::inner_axis:
      return "inner_axis";
    case PlanWay::batches:
      return "batches";
  }
  return "";
}

std::string needs_of(PlanWay way) {
  const WayThresholds& sizes = way_thresholds();
  switch (way) {
    case PlanWay::planes:
      return "an inner axis whose rows lie at one stride, with no index array or table along it";
    case PlanWay::cached_rows:
      return text("indices that lead to no more than ", sizes.most_cached_bytes, " bytes (",
                  sizes.most_cached_bytes_of_short_rows, " where a row has no more than ",
                  sizes.most_short_row_bytes,
                  "), looked up one by one, unconverted, and ordinary stores");
    case PlanWay::inner_axis:
      return text("rows of ", sizes.least_inner_axis_row_bytes, " to ",
                  sizes.most_inner_axis_row_bytes, " bytes, ", sizes.least_inner_axis_rows,
                  " or more of them along the inner axis, looked up ahead one by one, unconverted");
    case PlanWay::batches:
      return "nothing: the addresses of a batch of rows are found while the batch before is copied";
  }
  return "";
}

const char* name_of(PlaneWay way) {
  switch (way) {
    case PlaneWay::interleave:
      return "interleave";
    case PlaneWay::transpose:
      return "transpose";
    case PlaneWay::long_rows:
      return "long_rows";
    case PlaneWay::permute:
      return "permute";
    case PlaneWay::pixels:
      return "pixels";
    case PlaneWay::every:
      return "every";
    case PlaneWay::shuffle:
      return "shuffle";
    case PlaneWay::strided:
      return "strided";
  }
  return "";
}

std::string needs_of(PlaneWay way) {
  const WayThresholds& sizes = way_thresholds();
  switch (way) {
    case PlaneWay::interleave:
      return "an item from each of a few sequences in turn, and vector instructions for it";
    case PlaneWay::transpose:
      return text("items that are dense in both sides along different axes, ",
                  sizes.least_transposed_outer, " or more of them");
    case PlaneWay::long_rows:
      return text("a result for non-temporal stores, and rows of more than ",
                  sizes.most_buffered_bytes, " bytes");
    case PlaneWay::permute:
      return text("dense output of ", sizes.least_permuted_bytes,
                  " bytes or more, items that fill cache lines, and vector instructions for it");
    case PlaneWay::pixels:
      return text("a few items for each outer index, up to ", sizes.most_pixel_bytes,
                  " bytes, and dense output");
    case PlaneWay::every:
      return "items a few steps apart, dense output, and vector instructions for it";
    case PlaneWay::shuffle:
      return "small rows close to each other, dense output, and vector instructions for it";
    case PlaneWay::strided:
      return "nothing: row after row";
  }
  return "";
}

}  // namespace multibuffer
