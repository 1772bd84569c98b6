#include "host/cpu/way.hpp"

#include "host/cpu/copy_items.hpp"
#include "host/cpu/permute_items.hpp"
#include "host/cpu/row_walk.hpp"
#include "host/cpu/transpose.hpp"

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

}  // namespace

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

PlanWay choose_way(const CopyPlan& plan, const WayThresholds& thresholds) {
  if (has_planes(plan)) return PlanWay::planes;
  if (!plan.conversion && !plan.axes.empty() &&
      plan.run_bytes >= thresholds.least_inner_axis_row_bytes &&
      plan.run_bytes <= thresholds.most_inner_axis_row_bytes &&
      plan.axes.back().extent >= thresholds.least_inner_axis_rows &&
      RowWalk::can_look_up_ahead(plan))
    return PlanWay::inner_axis;
  return PlanWay::batches;
}

}  // namespace multibuffer
