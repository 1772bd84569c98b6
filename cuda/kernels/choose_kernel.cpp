#include "cuda/kernels/choose_kernel.hpp"

#include "cuda/kernels/kernel_families.hpp"
#include "cuda/kernels/kernel_plan.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <limits>

namespace multibuffer::cuda {
namespace {

/// Sums |factor| * (extent - 1) and notes whether the sum has left 31 bits.
class Reach {
 public:
  void add(std::int64_t factor, std::int64_t extent) {
    std::int64_t product = 0;
    // An axis of extent 1 moves nothing, but its stride still has to fit in the kernel's integer.
    const std::int64_t farthest = std::max<std::int64_t>(extent - 1, 1);
    fits_ = fits_ && !__builtin_mul_overflow(factor, farthest, &product) && product > -limit &&
            product < limit;
    if (fits_) sum_ += product < 0 ? -product : product;
    fits_ = fits_ && sum_ < limit;
  }
  bool fits() const { return fits_; }

  static constexpr std::int64_t limit = std::numeric_limits<std::int32_t>::max();

 private:
  std::int64_t sum_ = 0;
  bool fits_ = true;
};

/// The plan's number of levels, or `any_levels` if it is too large for the kernel's parameters.
int levels_for(const CopyPlan& plan, const Work& work) {
  const bool small = plan.indexed.tables.size() <= compiled_levels && work.axes <= small_axes &&
                     step_rows(plan) <= small_indices;
  return small ? static_cast<int>(plan.indexed.tables.size()) : any_levels;
}

/// Returns true if all counts and positions of a plan of at most `compiled_levels` levels fit into
/// 31 bits.
bool fits_31_bits(const PlanFacts& facts, const Work& work) {
  const CopyPlan& plan = facts.plan;
  const int leaf = facts.leaf_level;
  // Tiles are steps along both their axes, and their rows are counted.
  const auto stepped = [&](std::int64_t extent) {
    return work.step > 1 ? std::max(extent, work.step + 1) : extent;
  };
  std::array<Reach, compiled_levels + 1> levels;
  Reach out;
  out.add(1, plan.dense_bytes(plan.run_bytes) / work.output_unit);
  if (work.bytes_before > 0) out.add(1, work.bytes_before);
  levels[static_cast<std::size_t>(leaf)].add(1, plan.run_bytes / work.leaf_unit);

  for (std::size_t i = 0; i < plan.axes.size(); ++i) {
    const PlanAxis& axis = plan.axes[i];
    const std::int64_t extent = stepped(axis.extent);
    levels[static_cast<std::size_t>(axis.level)].add(
        axis.level == leaf ? axis.stride / work.leaf_unit : axis.stride, extent);
    if (i < work.output_axes) out.add(axis.dense_stride / work.output_unit, extent);
  }
  bool fits = work.items < Reach::limit / work.step && plan.rows < Reach::limit;
  for (const PlanIndices& indices : plan.indices) {
    levels[static_cast<std::size_t>(indices.level)].add(
        indices.level == leaf ? indices.stride / work.leaf_unit : indices.stride, indices.extent);
    Reach positions;
    positions.add(1, indices.extent);
    for (std::size_t i = 0; i < plan.axes.size(); ++i)
      positions.add(indices.steps[i], stepped(plan.axes[i].extent));
    fits = fits && positions.fits();
  }
  if (plan.scaling) {
    Reach places;
    places.add(1, plan.scaling->period);
    places.add(1, plan.scaling->first % plan.scaling->period);
    places.add(plan.scaling->run_step, plan.run_bytes);
    for (std::size_t i = 0; i < plan.axes.size(); ++i)
      places.add(plan.scaling->steps[i], plan.axes[i].extent);
    fits = fits && places.fits();
  }
  return fits && out.fits() && std::ranges::all_of(levels, &Reach::fits);
}

template <class F>
KernelChoice choice_of(const PlanFacts& facts, int vector_bytes) {
  const Work work = F::work(facts, vector_bytes);
  KernelChoice choice{F::family, vector_bytes, false, levels_for(facts.plan, work)};
  choice.wide = choice.levels == any_levels || !fits_31_bits(facts, work);
  if (choice.wide && !F::has_wide_small_plans) choice.levels = any_levels;
  return choice;
}

template <class First, class... Rest>
KernelChoice first_that_pays(FamilyList<First, Rest...> /*list*/, const PlanFacts& facts) {
  if constexpr (sizeof...(Rest) > 0)
    if (!First::can_gather(facts) || !First::pays(facts))
      return first_that_pays(FamilyList<Rest...>{}, facts);
  return choice_of<First>(facts, First::vector_bytes(facts));
}

}  // namespace

KernelChoice choose_kernel(const PlanFacts& facts) {
  const CopyPlan& plan = facts.plan;
  if (!plan.conversion && plan.axes.empty() && plan.indices.empty() && plan.indexed.tables.empty())
    return {};
  return first_that_pays(KernelFamilies{}, facts);
}

KernelChoice choose_kernel(const CopyPlan& plan) { return choose_kernel(PlanFacts(plan)); }

bool can_gather(const PlanFacts& facts, Family family) {
  return visit_family(family, [&]<class F>() { return F::can_gather(facts); });
}

int vector_bytes_of(const PlanFacts& facts, Family family) {
  return visit_family(family, [&]<class F>() { return F::vector_bytes(facts); });
}

KernelChoice choice_of(const PlanFacts& facts, Family family, int vector_bytes) {
  return visit_family(family, [&]<class F>() { return choice_of<F>(facts, vector_bytes); });
}

Work work_of(const PlanFacts& facts, const KernelChoice& choice) {
  return visit_family(choice.family,
                      [&]<class F>() { return F::work(facts, choice.vector_bytes); });
}

std::int64_t items_per_turn(const KernelChoice& choice, int threads) {
  return visit_family(choice.family,
                      [&]<class F>() { return F::items_per_turn(choice.vector_bytes, threads); });
}

}  // namespace multibuffer::cuda
