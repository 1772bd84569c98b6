#include "host_gather.hpp"

#include "copy_plane.hpp"
#include "copy_rows.hpp"
#include "row_walk.hpp"
#include "vector.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>
#include <utility>

// Two ways to copy a range of rows. Where the innermost axes are strided on both sides, a plane (or
// the part of one that is left) is copied at a time. Else the rows' addresses are worked out a
// batch ahead of the copying, so that the caches can fetch one batch while another is copied.

namespace multibuffer {
namespace {

/// Whether index * stride along `axis` is all that tells its rows apart.
bool is_strided(const GatherPlan& plan, std::size_t axis) {
  const bool indexed = std::ranges::any_of(
      plan.indices, [&](const PlanIndices& indices) { return indices.steps[axis] != 0; });
  return !indexed && (plan.axes[axis].stride == 0 ||
                      plan.axes[axis].level == static_cast<int>(plan.tables.size()));
}

void gather_planes(const GatherPlan& plan, std::int64_t begin, std::int64_t end, bool streaming) {
  const std::size_t last = plan.axes.size() - 1;
  const PlanAxis& inner = plan.axes[last];
  const bool planes = last > 0 && is_strided(plan, last - 1);
  const PlanAxis line{1, 0, 0, 0};
  const PlanAxis& outer = planes ? plan.axes[last - 1] : line;
  for (RowWalk walk(plan, begin); begin < end;) {
    const RowCopy copy = walk.here();
    const std::int64_t in_line = std::min(end - begin, walk.left_in_line());
    // Whole lines up to the end of the plane, or what is left of one line.
    std::int64_t lines = 1;
    if (in_line == inner.extent && planes)
      lines = std::min((end - begin) / inner.extent, walk.left_in_plane());
    copy_plane({.to = copy.to,
                .from = copy.from,
                .lines = lines,
                .line_out_stride = outer.out_stride,
                .line_stride = outer.stride,
                .rows = in_line,
                .out_stride = inner.out_stride,
                .stride = inner.stride,
                .row_bytes = plan.run_bytes},
               streaming);
    for (std::int64_t i = 0; i < lines; ++i) walk.advance(in_line);
    begin += lines * in_line;
  }
}

/// How many rows to work out at once: enough to cover the memory's latency, and no more than the
/// first cache holds.
std::int64_t batch_for(std::int64_t row_bytes) {
  if (row_bytes <= 16) return 64;
  return row_bytes <= 256 ? 32 : 8;
}
constexpr std::size_t most_in_batch = 64;

void gather_batches(const GatherPlan& plan, std::int64_t begin, std::int64_t end, bool streaming) {
  const std::int64_t batch = batch_for(plan.run_bytes);
  RowWalk walk(plan, begin);
  std::array<RowCopy, most_in_batch> memory[2];
  const auto read_batch = [&](std::array<RowCopy, most_in_batch>& into) {
    const std::int64_t count = std::min(batch, end - begin);
    const std::span<RowCopy> rows(into.data(), static_cast<std::size_t>(count));
    walk.next(rows);
    begin += count;
    return rows;
  };
  std::span<RowCopy> rows = read_batch(memory[0]);
  for (std::size_t turn = 1; !rows.empty(); turn ^= 1) {
    const std::span<RowCopy> ahead = read_batch(memory[turn]);
    copy_rows(rows, ahead, plan.run_bytes, streaming);
    rows = ahead;
  }
}

}  // namespace

std::vector<GatherPlan> with_short_runs(const GatherPlan& plan) {
  constexpr std::int64_t piece = std::int64_t{1} << 18;  // whole pages, whole cache lines
  if (plan.run_bytes <= 2 * piece) return {plan};
  const std::int64_t pieces = plan.run_bytes / piece;
  const auto leaf = static_cast<int>(plan.tables.size());

  GatherPlan rest = plan;
  rest.run_bytes = plan.run_bytes % piece;
  rest.origins.back() += pieces * piece;
  rest.out += pieces * piece;

  GatherPlan whole = plan;
  whole.run_bytes = piece;
  whole.rows *= pieces;
  whole.axes.push_back({pieces, piece, leaf, piece});
  for (PlanIndices& indices : whole.indices) indices.steps.push_back(0);

  if (rest.run_bytes == 0) return {std::move(whole)};
  return {std::move(whole), std::move(rest)};
}

void host_gather(const GatherPlan& plan, std::int64_t begin, std::int64_t end, bool streaming) {
  if (!plan.axes.empty() && is_strided(plan, plan.axes.size() - 1)) {
    gather_planes(plan, begin, end, streaming);
  } else {
    gather_batches(plan, begin, end, streaming);
  }
  if (streaming) finish_streaming();
}

}  // namespace multibuffer
