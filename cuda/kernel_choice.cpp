#include "kernel_choice.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <limits>

namespace multibuffer::cuda {
namespace {

// A piece of a row is at most eight steps of a warp: 4 KiB of 16-byte vectors. Pieces get shorter
// where rows are few, until there are some four blocks for each multiprocessor of a large device.
constexpr std::int64_t most_steps_per_piece = 8;
constexpr std::int64_t enough_pieces = 16384;

constexpr std::int64_t ceil_divide(std::int64_t a, std::int64_t b) { return a / b + (a % b != 0); }

/// A sum of |factor| * (extent - 1) that remembers whether it has left 31 bits.
class Reach {
 public:
  void add(std::int64_t factor, std::int64_t extent) {
    std::int64_t product = 0;
    // An axis of extent 1 moves nothing, but its stride still has to fit in the kernel's word.
    const std::int64_t farthest = std::max<std::int64_t>(extent - 1, 1);
    fits_ = fits_ && !__builtin_mul_overflow(factor, farthest, &product) && product > -limit &&
            product < limit;
    if (fits_) sum_ += product < 0 ? -product : product;
    fits_ = fits_ && sum_ < limit;
  }
  bool fits() const { return fits_; }

 private:
  static constexpr std::int64_t limit = std::numeric_limits<std::int32_t>::max();
  std::int64_t sum_ = 0;
  bool fits_ = true;
};

int lanes_for(std::int64_t vectors) {
  return vectors >= warp_lanes ? warp_lanes
                               : static_cast<int>(std::bit_ceil(static_cast<unsigned>(vectors)));
}

/// Whether at least three in four lanes have work when `lanes` of them step through a row.
bool keeps_lanes_busy(std::int64_t vectors, int lanes) {
  return vectors * 4 >= ceil_divide(vectors, lanes) * lanes * 3;
}

std::int64_t piece_for(std::int64_t vectors, std::int64_t rows) {
  std::int64_t steps = most_steps_per_piece;
  while (steps > 1 && ceil_divide(vectors, steps * warp_lanes) < ceil_divide(enough_pieces, rows))
    steps /= 2;
  return std::min(vectors, steps * warp_lanes);
}

}  // namespace

int common_vector(const GatherPlan& plan) {
  const int leaf = static_cast<int>(plan.tables.size());
  const auto bits = [](auto value) { return static_cast<std::uint64_t>(value); };
  std::uint64_t all = reinterpret_cast<std::uintptr_t>(plan.base) + bits(plan.origins.back());
  all |= reinterpret_cast<std::uintptr_t>(plan.out) | bits(plan.run_bytes);
  if (leaf > 0) all |= bits(plan.unit);
  for (const PlanAxis& axis : plan.axes)
    all |= bits(axis.out_stride) | (axis.level == leaf ? bits(axis.stride) : 0);
  for (const PlanIndices& indices : plan.indices)
    all |= indices.level == leaf ? bits(indices.stride) : 0;
  return 1 << std::countr_zero(all | 16);
}

int levels_for(const GatherPlan& plan, Family family) {
  const std::size_t axes = plan.axes.size() + (family == Family::elements ? 1 : 0);
  const bool small = plan.tables.size() <= compiled_levels && axes <= small_axes &&
                     plan.indices.size() <= small_indices;
  return small ? static_cast<int>(plan.tables.size()) : any_levels;
}

std::int64_t work_items(const GatherPlan& plan, const KernelChoice& choice) {
  const std::int64_t vectors = plan.run_bytes / choice.vector_bytes;
  return plan.rows * (choice.family == Family::rows ? ceil_divide(vectors, choice.piece) : vectors);
}

bool fits_31_bits(const GatherPlan& plan, const KernelChoice& choice) {
  const int leaf = static_cast<int>(plan.tables.size());
  const std::int64_t vector = choice.vector_bytes;
  std::array<Reach, compiled_levels + 1> levels;
  Reach out;
  out.add(1, plan.run_bytes / vector);
  levels[static_cast<std::size_t>(leaf)].add(1, plan.run_bytes / vector);

  for (const PlanAxis& axis : plan.axes) {
    levels[static_cast<std::size_t>(axis.level)].add(
        axis.level == leaf ? axis.stride / vector : axis.stride, axis.extent);
    out.add(axis.out_stride / vector, axis.extent);
  }
  bool fits = work_items(plan, choice) < std::numeric_limits<std::int32_t>::max();
  for (const PlanIndices& indices : plan.indices) {
    levels[static_cast<std::size_t>(indices.level)].add(
        indices.level == leaf ? indices.stride / vector : indices.stride, indices.extent);
    Reach positions;
    positions.add(1, indices.extent);
    for (std::size_t i = 0; i < plan.axes.size(); ++i)
      positions.add(indices.steps[i], plan.axes[i].extent);
    fits = fits && positions.fits();
  }
  return fits && out.fits() && std::ranges::all_of(levels, &Reach::fits);
}

KernelChoice choose_kernel(const GatherPlan& plan) {
  KernelChoice choice;
  if (plan.axes.empty() && plan.indices.empty() && plan.tables.empty()) return choice;

  choice.vector_bytes = common_vector(plan);
  const std::int64_t vectors = plan.run_bytes / choice.vector_bytes;
  const int lanes = lanes_for(vectors);
  choice.family = vectors > 1 && keeps_lanes_busy(vectors, lanes) ? Family::rows : Family::elements;
  if (choice.family == Family::rows) {
    choice.lanes = lanes;
    choice.piece = piece_for(vectors, plan.rows);
  }
  choice.levels = levels_for(plan, choice.family);
  choice.wide = choice.levels == any_levels || !fits_31_bits(plan, choice);
  return choice;
}

}  // namespace multibuffer::cuda
