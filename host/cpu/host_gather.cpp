#include "host/cpu/host_gather.hpp"

#include "host/bytes/simd.hpp"
#include "host/cpu/convert_plane.hpp"
#include "host/cpu/copy_plane.hpp"
#include "host/cpu/copy_rows.hpp"
#include "host/cpu/gather_line.hpp"
#include "host/cpu/row_walk.hpp"
#include "host/support/rounding.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <utility>

// Three ways to copy a range of rows. Where the innermost axes are strided on both sides, a plane
// (or the part of one that is left) is copied at a time. Long lines of rows are copied by one loop
// that looks rows up some way ahead (gather_line.cpp). Else the rows' addresses are worked out a
// batch ahead of the copying, so that the caches fetch one batch while another is copied. What is
// to be converted takes the first way or the last.

namespace multibuffer {
namespace {

/// The plane that the last two axes span; of one line where the last but one is not strided.
Plane plane_of(const GatherPlan& plan) {
  const std::size_t last = plan.axes.size() - 1;
  const PlanAxis& inner = plan.axes[last];
  const bool planes = last > 0 && is_strided(plan, last - 1);
  const PlanAxis line{1, 0, 0, 0};
  const PlanAxis& outer = planes ? plan.axes[last - 1] : line;
  return {.to = plan.out,
          .from = nullptr,
          .lines = outer.extent,
          .line_out_stride = outer.out_stride,
          .line_stride = outer.stride,
          .rows = inner.extent,
          .out_stride = inner.out_stride,
          .stride = inner.stride,
          .row_bytes = plan.run_bytes};
}

bool has_planes(const GatherPlan& plan) {
  return !plan.axes.empty() && is_strided(plan, plan.axes.size() - 1);
}

std::optional<ConvertItems> converter_of(const GatherPlan& plan) {
  if (!plan.conversion) return std::nullopt;
  return ConvertItems(*plan.conversion);
}

void gather_planes(const GatherPlan& plan, std::int64_t begin, std::int64_t end, bool streaming) {
  const std::optional<ConvertItems> convert = converter_of(plan);
  const Plane whole = plane_of(plan);
  for (RowWalk walk(plan, begin); begin < end;) {
    const RowCopy copy = walk.here();
    // Whole lines up to the end of the plane, or what is left of one line.
    Plane plane = whole;
    plane.to = copy.to;
    plane.from = copy.from;
    plane.lines = 1;
    plane.rows = std::min(end - begin, walk.left_in_line());
    if (plane.rows == whole.rows && whole.lines > 1)
      plane.lines = std::min((end - begin) / whole.rows, walk.left_in_plane());
    if (convert) {
      convert_plane(plane, *convert, streaming);
    } else {
      copy_plane(plane, streaming);
    }
    if (plane.rows == whole.rows && whole.lines > 1) {
      walk.advance_lines(plane.lines);
    } else {
      walk.advance(plane.rows);
    }
    begin += plane.lines * plane.rows;
  }
}

constexpr std::int64_t most_in_batch = 64;
using Batch = std::array<RowCopy, std::size_t{most_in_batch}>;

/// How many rows to work out at once: enough to cover the memory's latency, and no more than the
/// first cache holds.
std::int64_t batch_for(std::int64_t row_bytes) {
  if (row_bytes <= most_item_bytes) return most_in_batch;
  return row_bytes <= 256 ? 32 : 8;
}

/// Returns false, with nothing done, where that does not pay.
bool gather_lines(const GatherPlan& plan, std::int64_t begin, std::int64_t end, bool streaming) {
  if (plan.conversion || plan.axes.empty() ||
      !worth_gathering_lines(plan.run_bytes, plan.axes.back().extent))
    return false;
  for (RowWalk walk(plan, begin); begin < end;) {
    const std::int64_t rows = std::min(end - begin, walk.left_in_line());
    if (!gather_line(walk, rows, plan.run_bytes, streaming)) return false;
    walk.advance(rows);
    begin += rows;
  }
  return true;
}

void gather_batches(const GatherPlan& plan, std::int64_t begin, std::int64_t end, bool streaming) {
  const std::optional<ConvertItems> convert = converter_of(plan);
  const std::int64_t batch = batch_for(plan.run_bytes);
  RowWalk walk(plan, begin);
  Batch memory[2];
  const auto read_batch = [&](Batch& into) {
    const std::int64_t count = std::min(batch, end - begin);
    const std::span<RowCopy> rows(into.data(), static_cast<std::size_t>(count));
    walk.next(rows);
    begin += count;
    return rows;
  };
  std::span<RowCopy> rows = read_batch(memory[0]);
  for (std::size_t turn = 1; !rows.empty(); turn ^= 1) {
    const std::span<RowCopy> ahead = read_batch(memory[turn]);
    if (convert) {
      convert_rows(rows, ahead, plan.run_bytes, *convert, streaming);
    } else {
      copy_rows(rows, ahead, plan.run_bytes, streaming);
    }
    rows = ahead;
  }
}

/// A plan whose runs are cut into an axis of pieces, and one for what is left of each run.
std::vector<GatherPlan> in_short_runs(const GatherPlan& plan, std::int64_t piece) {
  const std::int64_t pieces = plan.run_bytes / piece;
  GatherPlan rest = plan;
  rest.run_bytes = plan.run_bytes % piece;
  rest.origins.back() += pieces * piece;
  rest.out += plan.out_bytes(pieces * piece);

  GatherPlan whole = plan;
  whole.run_bytes = piece;
  whole.rows *= pieces;
  whole.axes.push_back(
      {pieces, plan.out_bytes(piece), static_cast<int>(plan.tables.size()), piece});
  for (PlanIndices& indices : whole.indices) indices.steps.push_back(0);

  if (rest.run_bytes == 0) return {std::move(whole)};
  return {std::move(whole), std::move(rest)};
}

/// The part of a plan that has `count` rows of each line, from row `first` on.
GatherPlan part_of_lines(const GatherPlan& plan, std::int64_t first, std::int64_t count) {
  GatherPlan part = plan;
  PlanAxis& line = part.axes.back();
  part.rows = plan.rows / line.extent * count;
  part.out += first * line.out_stride;
  part.origins[static_cast<std::size_t>(line.level)] += first * line.stride;
  line.extent = count;
  return part;
}

/// A plan whose planes are cut into strips, `rows` rows of all lines each; they divide its lines.
GatherPlan cut_into_strips(GatherPlan plan, std::int64_t rows) {
  const auto before_lines = static_cast<std::ptrdiff_t>(plan.axes.size()) - 2;
  PlanAxis strip = plan.axes.back();
  plan.axes.back().extent = rows;
  strip.extent /= rows;
  strip.out_stride *= rows;
  strip.stride *= rows;
  plan.axes.insert(plan.axes.begin() + before_lines, strip);
  for (PlanIndices& indices : plan.indices)
    indices.steps.insert(indices.steps.begin() + before_lines, 0);
  return plan;
}

/// A plan in strips, and plans for the rows before the first and after the last of them. Strips
/// begin where cache lines of the output do, if those of all lines can.
std::vector<GatherPlan> in_strips(const GatherPlan& plan, std::int64_t rows) {
  const std::int64_t all = plan.axes.back().extent;
  const std::int64_t before = std::min(rows_to_cache_line(plane_of(plan)), all);
  const std::int64_t after = (all - before) % rows;
  std::vector<GatherPlan> parts;
  if (const std::int64_t whole = all - before - after; whole > 0)
    parts.push_back(cut_into_strips(part_of_lines(plan, before, whole), rows));
  if (before > 0) parts.push_back(part_of_lines(plan, 0, before));
  if (after > 0) parts.push_back(part_of_lines(plan, all - after, after));
  return parts;
}

}  // namespace

std::vector<GatherPlan> host_plans(const GatherPlan& plan) {
  constexpr std::int64_t piece = std::int64_t{1} << 18;  // whole pages, whole cache lines
  if (plan.run_bytes > 2 * piece) return in_short_runs(plan, piece);
  if (has_planes(plan)) {
    const std::int64_t rows = rows_at_once(plane_of(plan));
    if (rows > 0 && rows < plan.axes.back().extent) return in_strips(plan, rows);
  }
  return {plan};
}

void host_gather(const GatherPlan& plan, std::int64_t begin, std::int64_t end, bool streaming) {
  if (has_planes(plan)) {
    gather_planes(plan, begin, end, streaming);
  } else if (!gather_lines(plan, begin, end, streaming)) {
    gather_batches(plan, begin, end, streaming);
  }
  if (streaming) finish_streaming();
}

void host_gather_bytes(std::span<const GatherPlan> plans, std::int64_t begin, std::int64_t end,
                       bool streaming) {
  for (const GatherPlan& plan : plans) {
    // A row is copied by whoever has its first byte.
    const auto row_from = [&](std::int64_t byte) {
      const std::int64_t before = std::clamp<std::int64_t>(byte, 0, plan.rows * plan.run_bytes);
      return ceil_divide(before, plan.run_bytes);
    };
    if (row_from(begin) < row_from(end))
      host_gather(plan, row_from(begin), row_from(end), streaming);
    begin -= plan.rows * plan.run_bytes;
    end -= plan.rows * plan.run_bytes;
  }
}

}  // namespace multibuffer
