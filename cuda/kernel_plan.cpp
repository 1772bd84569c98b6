#include "kernel_plan.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <span>

namespace multibuffer::cuda {
namespace {

Address address_of(const void* pointer) { return reinterpret_cast<std::uintptr_t>(pointer); }

/// What is known to fit; see `fits_31_bits`.
template <class To>
To narrowed(std::int64_t value) {
  return static_cast<To>(value);
}

template <class Offset>
KernelScalars<Offset> scalars_of(const GatherPlan& plan, const KernelChoice& choice,
                                 Address bad_index) {
  using Count = CountOf<Offset>;
  const std::int64_t vectors = plan.run_bytes / choice.vector_bytes;
  const std::int64_t piece = choice.family == Family::rows ? choice.piece : vectors;

  KernelScalars<Offset> scalars;
  scalars.leaf = address_of(plan.base) + static_cast<Address>(plan.origins.back());
  scalars.unit = plan.unit;
  scalars.out = address_of(plan.out);
  scalars.bad_index = plan.mode == IndexMode::raise ? bad_index : 0;
  scalars.items = narrowed<Count>(work_items(plan, choice));
  scalars.row_vectors = narrowed<Count>(vectors);
  scalars.piece_vectors = narrowed<Count>(piece);
  scalars.pieces_per_row = make_divisor(narrowed<Count>((vectors + piece - 1) / piece));
  scalars.lanes_log2 = std::countr_zero(static_cast<unsigned>(choice.lanes));
  scalars.table_count = static_cast<int>(plan.tables.size());
  scalars.index_count = static_cast<int>(plan.indices.size());
  scalars.mode = plan.mode;
  return scalars;
}

template <class Offset>
KernelIndices<Offset> indices_of(const PlanIndices& indices, int leaf, std::int64_t vector) {
  KernelIndices<Offset> result;
  result.data = address_of(indices.data);
  result.extent = indices.extent;
  result.modulus =
      make_divisor(static_cast<std::uint64_t>(std::max<std::int64_t>(indices.extent, 1)));
  result.stride = narrowed<Offset>(indices.level == leaf ? indices.stride / vector  //
                                                         : indices.stride);
  result.level = indices.level;
  result.bytes_each = indices.bytes_each;
  return result;
}

}  // namespace

template <class Offset>
PlanParts<Offset> plan_parts(const GatherPlan& plan, const KernelChoice& choice,
                             Address bad_index) {
  using Count = CountOf<Offset>;
  const int leaf = static_cast<int>(plan.tables.size());
  const std::int64_t vector = choice.vector_bytes;

  PlanParts<Offset> parts;
  parts.scalars = scalars_of<Offset>(plan, choice, bad_index);
  for (const PlanAxis& axis : plan.axes)
    parts.axes.push_back({make_divisor(narrowed<Count>(axis.extent)),
                          narrowed<Offset>(axis.level == leaf ? axis.stride / vector : axis.stride),
                          narrowed<Offset>(axis.out_stride / vector), axis.level});
  const bool vectors_are_an_axis =
      choice.family == Family::elements && parts.scalars.row_vectors > 1;
  if (vectors_are_an_axis)
    parts.axes.push_back({make_divisor(parts.scalars.row_vectors), 1, 1, leaf});
  parts.scalars.axis_count = static_cast<int>(parts.axes.size());

  for (std::size_t level = 0; level < plan.tables.size(); ++level) {
    const int bytes_each = plan.tables[level].wide ? 8 : 4;
    parts.tables.push_back({address_of(plan.tables[level].data) +
                                static_cast<Address>(plan.origins[level] * bytes_each),
                            bytes_each});
  }
  for (const PlanIndices& indices : plan.indices) {
    parts.indices.push_back(indices_of<Offset>(indices, leaf, vector));
    for (std::size_t axis = 0; axis < plan.axes.size(); ++axis)
      parts.steps.push_back(narrowed<Offset>(indices.steps[axis]));
    if (vectors_are_an_axis) parts.steps.push_back(0);
  }
  return parts;
}

template <class Offset>
SmallPlan<Offset> small_plan(const PlanParts<Offset>& parts) {
  SmallPlan<Offset> plan{};
  static_cast<KernelScalars<Offset>&>(plan) = parts.scalars;
  std::ranges::copy(parts.axes, plan.axes);
  std::ranges::copy(parts.tables, plan.tables);
  std::ranges::copy(parts.indices, plan.indices);
  std::ranges::copy(parts.steps, plan.steps);
  return plan;
}

namespace {

/// Appends `list` to `lists`, which will lie at `at`; returns where the list will be.
template <class T>
const T* append(std::vector<std::byte>& lists, const std::vector<T>& list, std::byte* at) {
  static_assert(std::is_trivially_copyable_v<T> && sizeof(T) % 8 == 0);
  const std::size_t begin = lists.size();
  lists.resize(begin + list.size() * sizeof(T));
  if (!list.empty()) std::memcpy(lists.data() + begin, list.data(), list.size() * sizeof(T));
  return reinterpret_cast<const T*>(at + begin);
}

}  // namespace

std::size_t large_plan_bytes(const PlanParts<std::int64_t>& parts) {
  return std::span(parts.axes).size_bytes() + std::span(parts.tables).size_bytes() +
         std::span(parts.indices).size_bytes() + std::span(parts.steps).size_bytes();
}

LargePlan large_plan(const PlanParts<std::int64_t>& parts, std::byte* at,
                     std::vector<std::byte>& lists) {
  LargePlan plan{};
  static_cast<KernelScalars<std::int64_t>&>(plan) = parts.scalars;
  lists.clear();
  plan.axes = append(lists, parts.axes, at);
  plan.tables = append(lists, parts.tables, at);
  plan.indices = append(lists, parts.indices, at);
  plan.steps = append(lists, parts.steps, at);
  return plan;
}

template PlanParts<std::int32_t> plan_parts(const GatherPlan&, const KernelChoice&, Address);
template PlanParts<std::int64_t> plan_parts(const GatherPlan&, const KernelChoice&, Address);
template SmallPlan<std::int32_t> small_plan(const PlanParts<std::int32_t>&);
template SmallPlan<std::int64_t> small_plan(const PlanParts<std::int64_t>&);

}  // namespace multibuffer::cuda
