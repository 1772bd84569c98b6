#include "cuda/kernels/kernel_plan.hpp"

#include <algorithm>
#include <cstring>
#include <span>

namespace multibuffer::cuda {
namespace {

Address address_of(const void* pointer) { return reinterpret_cast<std::uintptr_t>(pointer); }

template <class Offset>
KernelIndices<Offset> indices_of(const PlanIndices& indices, int leaf, std::int64_t leaf_unit) {
  KernelIndices<Offset> result;
  result.data = address_of(indices.data);
  result.extent = indices.extent;
  result.modulus =
      make_divisor(static_cast<std::uint64_t>(std::max<std::int64_t>(indices.extent, 1)));
  result.stride = narrowed<Offset>(indices.level == leaf ? indices.stride / leaf_unit  //
                                                         : indices.stride);
  result.level = indices.level;
  result.bytes_each = indices.bytes_each;
  return result;
}

template <class Offset>
KernelScaling<Offset> scaling_of(const PlanScaling& scaling) {
  KernelScaling<Offset> result;
  result.factors = address_of(scaling.factors);
  result.terms = address_of(scaling.terms);
  result.period = make_divisor(narrowed<CountOf<Offset>>(scaling.period));
  result.first = narrowed<Offset>(scaling.first % scaling.period);
  result.run_step = narrowed<Offset>(scaling.run_step);
  return result;
}

template <class F, class Offset>
void fill_parts(const PlanFacts& facts, const KernelChoice& choice, Address bad_index,
                PlanParts<Offset>& parts) {
  using Count = CountOf<Offset>;
  const CopyPlan& plan = facts.plan;
  const Work work = F::work(facts, choice.vector_bytes);
  const Walk walk = F::walk(facts, work);

  KernelScalars<Offset>& scalars = parts.scalars;
  scalars.leaf = address_of(plan.indexed.base) +
                 static_cast<Address>(plan.indexed.origins.back() + walk.leaf_shift);
  scalars.unit = plan.indexed.unit;
  scalars.leaf_unit = work.leaf_unit;
  scalars.out = address_of(plan.dense.base) + static_cast<Address>(walk.out_shift);
  scalars.out_unit = work.output_unit;
  scalars.run_bytes = plan.run_bytes;
  scalars.bad_index = plan.mode == IndexMode::raise ? bad_index : 0;
  scalars.items = narrowed<Count>(work.items);
  scalars.row_vectors = make_divisor(narrowed<Count>(work.row_vectors));
  scalars.axis_count = static_cast<int>(walk.axes.size());
  scalars.table_count = facts.leaf_level;
  scalars.index_count = static_cast<int>(plan.indices.size());
  scalars.mode = plan.mode;
  F::set_parameters(facts, choice.vector_bytes, work, scalars);

  for (const WalkAxis& axis : walk.axes) {
    const std::int64_t stride =
        axis.level == facts.leaf_level ? axis.stride / work.leaf_unit : axis.stride;
    parts.axes.push_back(
        {make_divisor(narrowed<Count>(axis.extent)), narrowed<Offset>(stride * axis.step),
         narrowed<Offset>(axis.out_stride / work.output_unit * axis.step), axis.level});
  }
  for (std::size_t level = 0; level < plan.indexed.tables.size(); ++level) {
    const int bytes_each = plan.indexed.tables[level].wide ? 8 : 4;
    parts.tables.push_back({address_of(plan.indexed.tables[level].data) +
                                static_cast<Address>(plan.indexed.origins[level] * bytes_each),
                            bytes_each});
  }
  for (const PlanIndices& indices : plan.indices) {
    parts.indices.push_back(indices_of<Offset>(indices, facts.leaf_level, work.leaf_unit));
    for (const WalkAxis& axis : walk.axes)
      parts.steps.push_back(narrowed<Offset>(indices.steps[axis.axis] * axis.step));
  }
  if (!plan.scaling) return;
  parts.scaling = scaling_of<Offset>(*plan.scaling);
  for (const WalkAxis& axis : walk.axes)
    parts.steps.push_back(narrowed<Offset>(plan.scaling->steps[axis.axis] * axis.step));
}

template <class Offset>
SmallPlan<Offset> small_plan_of(const PlanParts<Offset>& parts) {
  SmallPlan<Offset> plan{};
  static_cast<KernelScalars<Offset>&>(plan) = parts.scalars;
  std::ranges::copy(parts.axes, plan.axes);
  std::ranges::copy(parts.tables, plan.tables);
  std::ranges::copy(parts.indices, plan.indices);
  std::ranges::copy(parts.steps, plan.steps);
  plan.scaling = parts.scaling;
  return plan;
}

/// Appends `list` to `lists`, which will lie at `at`; returns where the list will be.
template <class T, std::size_t N>
const T* append(std::vector<std::byte>& lists, const SmallVector<T, N>& list, std::byte* at) {
  static_assert(std::is_trivially_copyable_v<T> && sizeof(T) % 8 == 0);
  const std::size_t begin = lists.size();
  lists.resize(begin + list.size() * sizeof(T));
  if (!list.empty()) std::memcpy(lists.data() + begin, list.data(), list.size() * sizeof(T));
  return reinterpret_cast<const T*>(at + begin);
}

}  // namespace

template <class Offset>
PlanParts<Offset> plan_parts(const PlanFacts& facts, const KernelChoice& choice,
                             Address bad_index) {
  PlanParts<Offset> parts;
  visit_family(choice.family,
               [&]<class F>() { fill_parts<F, Offset>(facts, choice, bad_index, parts); });
  return parts;
}

KernelPlan small_plan(const PlanFacts& facts, const KernelChoice& choice, Address bad_index) {
  if (choice.wide) return small_plan_of(plan_parts<std::int64_t>(facts, choice, bad_index));
  return small_plan_of(plan_parts<std::int32_t>(facts, choice, bad_index));
}

std::size_t large_plan_bytes(const PlanParts<std::int64_t>& parts) {
  return std::span(parts.axes).size_bytes() + std::span(parts.tables).size_bytes() +
         std::span(parts.indices).size_bytes() + std::span(parts.steps).size_bytes();
}

LargePlan large_plan(const PlanParts<std::int64_t>& parts, std::byte* at,
                     std::vector<std::byte>& lists) {
  LargePlan plan{};
  static_cast<KernelScalars<std::int64_t>&>(plan) = parts.scalars;
  plan.scaling = parts.scaling;
  lists.clear();
  plan.axes = append(lists, parts.axes, at);
  plan.tables = append(lists, parts.tables, at);
  plan.indices = append(lists, parts.indices, at);
  plan.steps = append(lists, parts.steps, at);
  return plan;
}

template PlanParts<std::int32_t> plan_parts(const PlanFacts&, const KernelChoice&, Address);
template PlanParts<std::int64_t> plan_parts(const PlanFacts&, const KernelChoice&, Address);

}  // namespace multibuffer::cuda
