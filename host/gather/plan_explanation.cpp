#include "host/gather/plan_explanation.hpp"

#include "host/support/rounding.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <limits>
#include <utility>

namespace multibuffer {
namespace {

/// How many different values a plan reads that `moves(axis)` tells apart: one for each combination
/// of the indices of those axes.
template <class Moves>
std::int64_t count_of(const CopyPlan& plan, const Moves& moves) {
  std::int64_t count = 1;
  for (std::size_t axis = 0; axis < plan.axes.size(); ++axis)
    if (moves(axis)) count *= plan.axes[axis].extent;
  return count;
}

/// Tells whether an axis has a say in the position within levels 0 to `level`.
bool reaches(const CopyPlan& plan, std::size_t axis, int level) {
  const PlanAxis& along = plan.axes[axis];
  if (along.level <= level && along.stride != 0) return true;
  return std::ranges::any_of(plan.indices, [&](const PlanIndices& indices) {
    return indices.level <= level && indices.steps[axis] != 0;
  });
}

std::int64_t table_bytes(const CopyPlan& plan) {
  std::int64_t bytes = 0;
  for (std::size_t level = 0; level < plan.indexed.tables.size(); ++level)
    bytes += (plan.indexed.tables[level].wide ? 8 : 4) * count_of(plan, [&](std::size_t axis) {
               return reaches(plan, axis, static_cast<int>(level));
             });
  return bytes;
}

std::int64_t index_bytes(const CopyPlan& plan) {
  std::int64_t bytes = 0;
  for (const PlanIndices& indices : plan.indices)
    bytes += indices.bytes_each *
             count_of(plan, [&](std::size_t axis) { return indices.steps[axis] != 0; });
  return bytes;
}

/// What memory reads for the rows: each by itself in whole granules or, where rows lie closer to
/// each other at one stride, no more than from one to the next.
std::int64_t fetched_bytes(const CopyPlan& plan, std::int64_t granule) {
  std::int64_t each = ceil_divide(plan.run_bytes, granule) * granule;
  if (!plan.axes.empty() && is_strided(plan, plan.axes.size() - 1))
    each = std::clamp(std::abs(plan.axes.back().stride), plan.run_bytes, each);
  return each * plan.rows;
}

/// Returns the seconds of the fastest of a few calls, after one that is not counted.
template <class Work>
double fastest(const Work& work) {
  using Clock = std::chrono::steady_clock;
  constexpr int calls = 5;
  work();
  double least = std::numeric_limits<double>::infinity();
  for (int i = 0; i < calls; ++i) {
    const Clock::time_point begin = Clock::now();
    work();
    least = std::min(least, std::chrono::duration<double>(Clock::now() - begin).count());
  }
  return least;
}

PlanExplanation::Way way_of(PlanDescription::Way way) {
  return {std::move(way.name), std::move(way.needs)};
}

}  // namespace

PlanExplanation explain_nothing(Backend& backend) {
  PlanExplanation explanation;
  explanation.device = backend.info().name;
  explanation.taken = {"nothing", "a result without elements"};
  return explanation;
}

PlanExplanation explained(PlanDescription description, Backend& backend) {
  PlanExplanation explanation;
  explanation.device = backend.info().name;
  explanation.taken = way_of(std::move(description.taken));
  for (PlanDescription::Way& way : description.passed_over)
    explanation.passed_over.push_back(way_of(std::move(way)));
  for (PlanDescription::Fact& fact : description.facts)
    explanation.facts.push_back({std::move(fact.name), std::move(fact.value)});
  return explanation;
}

double expected_of(const PlanExplanation& explanation) {
  const auto useful = static_cast<double>(explanation.bytes_read + explanation.bytes_written);
  const auto all = static_cast<double>(explanation.bytes_fetched + explanation.bytes_written +
                                       explanation.bytes_of_tables + explanation.bytes_of_indices);
  return all > 0 ? useful / all : 1;
}

PlanExplanation explain_plan(const CopyPlan& plan, Backend& backend) {
  if (plan.rows == 0) return explain_nothing(backend);
  PlanDescription description = backend.describe(plan);
  const std::int64_t granule = description.granule;
  PlanExplanation explanation = explained(std::move(description), backend);
  explanation.rows = plan.rows;
  explanation.run_bytes = plan.run_bytes;
  explanation.bytes_read = plan.rows * plan.run_bytes;
  explanation.bytes_written = plan.rows * plan.dense_bytes(plan.run_bytes);
  explanation.bytes_of_tables = table_bytes(plan);
  explanation.bytes_of_indices = index_bytes(plan);
  explanation.bytes_fetched = fetched_bytes(plan, granule);
  explanation.expected = expected_of(explanation);
  return explanation;
}

PlanExplanation::Measured measured(const PlanExplanation& explanation, PreparedCopy& gather,
                                   Backend& backend, StreamRef stream) {
  const std::int64_t bytes =
      std::max<std::int64_t>(1, (explanation.bytes_read + explanation.bytes_written) / 2);
  const auto from = backend.allocate(bytes, stream);
  const auto to = backend.allocate(bytes, stream);
  CopyPlan copy;
  copy.indexed.base = from->data();
  copy.indexed.origins = {0};
  copy.dense.base = to->data();
  copy.run_bytes = bytes;
  copy.rows = 1;
  const std::vector<UsedMemory> uses{{from, false}, {to, true}};
  PlanExplanation::Measured measured;
  measured.copy_seconds = fastest([&] {
    backend.copy(copy, false, uses, stream, {});
    to->wait();
  });
  measured.run_seconds = fastest([&] {
    gather.run();
    gather.wait();
  });
  measured.reached = measured.copy_seconds / measured.run_seconds;
  return measured;
}

}  // namespace multibuffer
