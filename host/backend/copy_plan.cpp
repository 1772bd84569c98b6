#include "host/backend/copy_plan.hpp"

#include <multibuffer/error.hpp>

#include "host/support/text.hpp"

#include <algorithm>
#include <cstddef>
#include <functional>
#include <numeric>
#include <ranges>
#include <vector>

namespace multibuffer {
namespace {

void erase_axis(CopyPlan& plan, std::size_t at) {
  plan.axes.erase(plan.axes.begin() + at);
  for (PlanIndices& indices : plan.indices) indices.steps.erase(indices.steps.begin() + at);
  if (plan.scaling) plan.scaling->steps.erase(plan.scaling->steps.begin() + at);
}

void drop_single_axes(CopyPlan& plan) {
  for (std::size_t i = plan.axes.size(); i-- > 0;)
    if (plan.axes[i].extent == 1) erase_axis(plan, i);
}

void sort_axes(CopyPlan& plan) {
  // As they mostly are.
  if (std::ranges::is_sorted(plan.axes, std::greater{}, &PlanAxis::dense_stride)) return;
  std::vector<std::size_t> order(plan.axes.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, std::greater{},
                           [&](std::size_t i) { return plan.axes[i].dense_stride; });
  const auto reorder = [&](auto& list) {
    auto old = list;
    for (std::size_t i = 0; i < order.size(); ++i) list[i] = old[order[i]];
  };
  reorder(plan.axes);
  for (PlanIndices& indices : plan.indices) reorder(indices.steps);
  if (plan.scaling) reorder(plan.scaling->steps);
}

/// Returns true if places that are `step` apart, `count` times, lead to one that `next` leads to.
bool follows_in_period(const PlanScaling& scaling, std::int64_t next, std::int64_t step,
                       std::int64_t count) {
  return (next - step * (count % scaling.period)) % scaling.period == 0;
}

/// Returns true if a walk along `inner` and then along `outer` is one along a longer `inner`.
bool continues(const CopyPlan& plan, std::size_t outer, std::size_t inner) {
  const PlanAxis& a = plan.axes[outer];
  const PlanAxis& b = plan.axes[inner];
  const auto follows = [&](std::int64_t far, std::int64_t near) { return far == near * b.extent; };
  const bool same_level = a.level == b.level || (a.stride == 0 && b.stride == 0);
  return same_level && follows(a.dense_stride, b.dense_stride) && follows(a.stride, b.stride) &&
         std::ranges::all_of(plan.indices,
                             [&](const PlanIndices& indices) {
                               return follows(indices.steps[outer], indices.steps[inner]);
                             }) &&
         (!plan.scaling || follows_in_period(*plan.scaling, plan.scaling->steps[outer],
                                             plan.scaling->steps[inner], b.extent));
}

void merge_axes(CopyPlan& plan) {
  for (std::size_t i = plan.axes.size(); i-- > 1;) {
    if (!continues(plan, i - 1, i)) continue;
    plan.axes[i].extent *= plan.axes[i - 1].extent;
    erase_axis(plan, i - 1);
  }
}

/// Makes an axis's places those of the run, if they are or can be.
bool grow_scaling(CopyPlan& plan, std::size_t axis) {
  if (!plan.scaling) return true;
  PlanScaling& scaling = *plan.scaling;
  const std::int64_t numbers = plan.run_bytes / bytes_of(plan.conversion->from);
  const std::int64_t step = scaling.steps[axis];
  if (numbers > 1) return follows_in_period(scaling, step, scaling.run_step, numbers);
  if (step > 1) return false;
  scaling.run_step = step;
  return true;
}

/// Inner axes that are contiguous on both sides become part of the run.
void grow_run(CopyPlan& plan) {
  while (!plan.axes.empty()) {
    const std::size_t last = plan.axes.size() - 1;
    const PlanAxis& axis = plan.axes[last];
    const bool contiguous = axis.level == static_cast<int>(plan.indexed.tables.size()) &&
                            axis.stride == plan.run_bytes &&
                            axis.dense_stride == plan.dense_bytes(plan.run_bytes);
    if (!contiguous || is_indexed(plan, last) || !grow_scaling(plan, last)) return;
    plan.run_bytes *= axis.extent;
    erase_axis(plan, last);
  }
}

}  // namespace

bool is_indexed(const CopyPlan& plan, std::size_t axis) {
  return std::ranges::any_of(plan.indices,
                             [&](const PlanIndices& indices) { return indices.steps[axis] != 0; });
}

bool is_strided(const CopyPlan& plan, std::size_t axis) {
  const PlanAxis& a = plan.axes[axis];
  const bool in_leaf = a.level == static_cast<int>(plan.indexed.tables.size());
  return (in_leaf || a.stride == 0) && !is_indexed(plan, axis);
}

void insert_axis(CopyPlan& plan, std::size_t at, const PlanAxis& axis, std::int64_t scaling_step) {
  const auto before = static_cast<std::ptrdiff_t>(at);
  plan.axes.insert(plan.axes.begin() + before, axis);
  for (PlanIndices& indices : plan.indices) indices.steps.insert(indices.steps.begin() + before, 0);
  if (plan.scaling) plan.scaling->steps.insert(plan.scaling->steps.begin() + before, scaling_step);
}

void simplify(CopyPlan& plan) {
  plan.rows = 1;
  for (const PlanAxis& axis : plan.axes)
    if (axis.extent == 0) plan.rows = 0;
  if (plan.rows == 0) return;
  drop_single_axes(plan);
  sort_axes(plan);
  merge_axes(plan);
  grow_run(plan);
  for (const PlanAxis& axis : plan.axes) plan.rows *= axis.extent;
}

void throw_bad_index(const PlanIndices& indices, std::int64_t position, std::int64_t value) {
  std::vector<std::int64_t> coordinates(indices.shape.size());
  for (std::size_t i = coordinates.size(); i-- > 0;) {
    coordinates[i] = position % indices.shape[i];
    position /= indices.shape[i];
  }
  throw Failure(Errc::index_out_of_range,
                text("index ", value, " at position ", tuple_text(coordinates), " on axis ",
                     indices.axis, ", whose extent is ", indices.extent));
}

}  // namespace multibuffer
