#include "host/cpu/host_gather.hpp"

#include "host/bytes/simd.hpp"
#include "host/cpu/convert_plane.hpp"
#include "host/cpu/copy_plane.hpp"
#include "host/cpu/copy_rows.hpp"
#include "host/cpu/gather_cached_rows.hpp"
#include "host/cpu/gather_inner_axis.hpp"
#include "host/cpu/row_walk.hpp"
#include "host/cpu/way.hpp"
#include "host/support/default_floats.hpp"
#include "host/support/rounding.hpp"
#include "host/support/threshold.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <utility>

namespace multibuffer {

Plane plane_of(const CopyPlan& plan) {
  const std::size_t last = plan.axes.size() - 1;
  const PlanAxis& inner = plan.axes[last];
  const bool planes = last > 0 && is_strided(plan, last - 1);
  const PlanAxis none{1, 0, 0, 0};
  const PlanAxis& outer = planes ? plan.axes[last - 1] : none;
  return {.to = plan.dense.base,
          .from = nullptr,
          .outer = outer.extent,
          .outer_out_stride = outer.dense_stride,
          .outer_stride = outer.stride,
          .rows = inner.extent,
          .out_stride = inner.dense_stride,
          .stride = inner.stride,
          .row_bytes = plan.run_bytes};
}

namespace {

std::optional<ConvertItems> converter_of(const CopyPlan& plan) {
  if (!plan.conversion) return std::nullopt;
  return ConvertItems(*plan.conversion, plan.scaling ? &*plan.scaling : nullptr);
}

/// Returns the steps of `plane_of`, without the place of its first number.
PlanePlaces places_of(const CopyPlan& plan) {
  if (!plan.scaling) return {};
  const PlanScaling& scaling = *plan.scaling;
  const std::size_t last = plan.axes.size() - 1;
  return {.outer_step = last > 0 ? scaling.steps[last - 1] : 0,
          .row_step = scaling.steps[last],
          .run_step = scaling.run_step};
}

void gather_planes(const CopyPlan& plan, std::int64_t begin, std::int64_t end, bool nontemporal) {
  const std::optional<ConvertItems> convert = converter_of(plan);
  const Plane whole = plane_of(plan);
  PlanePlaces places = places_of(plan);
  for (RowWalk walk(plan, begin); begin < end;) {
    const RowCopy copy = walk.here();
    places.first = walk.scaling_place();
    // Whole inner axes up to the end of the plane, or the rest of one.
    Plane plane = whole;
    plane.to = copy.to;
    plane.from = copy.from;
    plane.outer = 1;
    plane.rows = std::min(end - begin, walk.left_in_inner_axis());
    if (plane.rows == whole.rows && whole.outer > 1)
      plane.outer = std::min((end - begin) / whole.rows, walk.left_in_plane());
    if (convert) {
      convert_plane(plane, places, *convert, nontemporal);
    } else {
      copy_plane(plane, nontemporal);
    }
    if (plane.rows == whole.rows && whole.outer > 1) {
      walk.advance_outer(plane.outer);
    } else {
      walk.advance(plane.rows);
    }
    begin += plane.outer * plane.rows;
  }
}

constexpr std::int64_t most_in_batch = 64;
using Batch = std::array<RowCopy, std::size_t{most_in_batch}>;

/// Returns how many rows to look up at once: enough to cover the memory's latency, and no more than
/// the L1 cache holds.
std::int64_t batch_for(std::int64_t row_bytes) {
  if (row_bytes <= most_item_bytes) return Threshold(most_in_batch, 3);
  return Threshold(row_bytes <= 256 ? 32 : 8, 2);
}

/// Calls gather(walk, rows) for each inner axis, or the rest of one.
template <class Gather>
void along_inner_axes(const CopyPlan& plan, std::int64_t begin, std::int64_t end,
                      const Gather& gather) {
  for (RowWalk walk(plan, begin); begin < end;) {
    const std::int64_t rows = std::min(end - begin, walk.left_in_inner_axis());
    gather(walk, rows);
    walk.advance(rows);
    begin += rows;
  }
}

void gather_batches(const CopyPlan& plan, std::int64_t begin, std::int64_t end, bool nontemporal) {
  const std::optional<ConvertItems> convert = converter_of(plan);
  const std::int64_t batch = batch_for(plan.run_bytes);
  RowWalk walk(plan, begin);
  Batch memory[2];
  std::array<std::int64_t, std::size_t{most_in_batch}> places[2];
  const auto read_batch = [&](std::size_t turn) {
    const std::int64_t count = std::min(batch, end - begin);
    const std::span<RowCopy> rows(memory[turn].data(), static_cast<std::size_t>(count));
    walk.next(rows, places[turn]);
    begin += count;
    return rows;
  };
  std::span<RowCopy> rows = read_batch(0);
  for (std::size_t turn = 1; !rows.empty(); turn ^= 1) {
    const std::span<RowCopy> ahead = read_batch(turn);
    if (convert) {
      const std::span<const std::int64_t> of_rows(places[turn ^ 1].data(), rows.size());
      convert_rows(rows, ahead, of_rows, plan.run_bytes, *convert, nontemporal);
    } else {
      copy_rows(rows, ahead, plan.run_bytes, nontemporal);
    }
    rows = ahead;
  }
}

/// Returns a plan whose runs are cut into an axis of pieces, and one for the rest of each run.
std::vector<CopyPlan> in_short_runs(const CopyPlan& plan, std::int64_t piece) {
  const std::int64_t pieces = plan.run_bytes / piece;
  CopyPlan rest = plan;
  rest.run_bytes = plan.run_bytes % piece;
  rest.indexed.origins.back() += pieces * piece;
  rest.dense.base += plan.dense_bytes(pieces * piece);
  std::int64_t scaling_step = 0;
  if (plan.scaling) {
    scaling_step = piece / bytes_of(plan.conversion->from) * plan.scaling->run_step;
    rest.scaling->first += pieces * scaling_step;
  }

  CopyPlan whole = plan;
  whole.run_bytes = piece;
  whole.rows *= pieces;
  insert_axis(
      whole, plan.axes.size(),
      {pieces, plan.dense_bytes(piece), static_cast<int>(plan.indexed.tables.size()), piece},
      scaling_step);

  if (rest.run_bytes == 0) return {std::move(whole)};
  return {std::move(whole), std::move(rest)};
}

/// Returns the part of a plan with indices [first, first + count) of the inner axis.
CopyPlan part_of_inner_axis(const CopyPlan& plan, std::int64_t first, std::int64_t count) {
  CopyPlan part = plan;
  PlanAxis& inner = part.axes.back();
  part.rows = plan.rows / inner.extent * count;
  part.dense.base += first * inner.dense_stride;
  part.indexed.origins[static_cast<std::size_t>(inner.level)] += first * inner.stride;
  if (part.scaling) part.scaling->first += first * part.scaling->steps.back();
  inner.extent = count;
  return part;
}

/// Cuts planes into strips of `rows` rows for all outer indices; `rows` divides the inner axis.
CopyPlan cut_into_strips(CopyPlan plan, std::int64_t rows) {
  const std::int64_t step = plan.scaling ? plan.scaling->steps.back() * rows : 0;
  PlanAxis strip = plan.axes.back();
  plan.axes.back().extent = rows;
  strip.extent /= rows;
  strip.dense_stride *= rows;
  strip.stride *= rows;
  insert_axis(plan, plan.axes.size() - 2, strip, step);
  return plan;
}

/// Returns a plan in strips, and plans for the rows before the first and after the last of them.
/// Strips begin with cache lines of the output, if those of all outer indices can.
std::vector<CopyPlan> in_strips(const CopyPlan& plan, std::int64_t rows) {
  const std::int64_t all = plan.axes.back().extent;
  const std::int64_t before = std::min(rows_to_cache_line(plane_of(plan)), all);
  const std::int64_t after = (all - before) % rows;
  std::vector<CopyPlan> parts;
  if (const std::int64_t whole = all - before - after; whole > 0)
    parts.push_back(cut_into_strips(part_of_inner_axis(plan, before, whole), rows));
  if (before > 0) parts.push_back(part_of_inner_axis(plan, 0, before));
  if (after > 0) parts.push_back(part_of_inner_axis(plan, all - after, after));
  return parts;
}

}  // namespace

HostPlans::HostPlans(const CopyPlan& plan) : whole_(plan) {
  // Whole cache lines of the wider side.
  constexpr Threshold piece_bytes{std::int64_t{1} << 18, cache_line_bytes};
  const std::int64_t piece = piece_bytes / plan.widening();
  if (plan.run_bytes > 2 * piece) {
    cut_ = in_short_runs(plan, piece);
  } else if (has_planes(plan)) {
    const std::int64_t rows = rows_at_once(plane_of(plan));
    if (rows > 0 && rows < plan.axes.back().extent) cut_ = in_strips(plan, rows);
  }
}

void host_gather(const CopyPlan& plan, std::int64_t begin, std::int64_t end, bool nontemporal) {
  std::optional<DefaultFloats> floats;
  if (plan.scaling) floats.emplace();
  switch (choose_way(plan, nontemporal)) {
    case PlanWay::planes:
      gather_planes(plan, begin, end, nontemporal);
      break;
    case PlanWay::cached_rows:
      along_inner_axes(plan, begin, end, [&](const RowWalk& walk, std::int64_t rows) {
        gather_cached_rows(walk, rows, plan.run_bytes);
      });
      break;
    case PlanWay::inner_axis:
      along_inner_axes(plan, begin, end, [&](const RowWalk& walk, std::int64_t rows) {
        gather_inner_axis(walk, rows, plan.run_bytes, nontemporal);
      });
      break;
    case PlanWay::batches:
      gather_batches(plan, begin, end, nontemporal);
      break;
  }
  if (nontemporal) nontemporal_fence();
}

void host_gather_bytes(std::span<const CopyPlan> plans, std::int64_t begin, std::int64_t end,
                       bool nontemporal) {
  for (const CopyPlan& plan : plans) {
    // A row belongs to the range that has its first byte.
    const auto row_from = [&](std::int64_t byte) {
      const std::int64_t before = std::clamp<std::int64_t>(byte, 0, plan.rows * plan.run_bytes);
      return ceil_divide(before, plan.run_bytes);
    };
    if (row_from(begin) < row_from(end))
      host_gather(plan, row_from(begin), row_from(end), nontemporal);
    begin -= plan.rows * plan.run_bytes;
    end -= plan.rows * plan.run_bytes;
  }
}

}  // namespace multibuffer
