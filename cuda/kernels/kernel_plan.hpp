#pragma once

#include <multibuffer/divisor.hpp>

#include "cuda/kernels/kernel_families.hpp"
#include "cuda/plan/bytes16.hpp"

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <variant>
#include <vector>

/// A `CopyPlan` as kernels read it. Differences to the plan:
///  - Addresses are integers: in place, a leaf's "base" is no pointer into anything.
///  - Origins are added to what they are relative to: a table's address, or the leaves'.
///  - Positions at the last level and in the output count units, vectors where the family has them
///    aligned, which keeps them within 31 bits for arrays of up to 32 GiB.
///  - Axes are those of the family's `walk`.
namespace multibuffer::cuda {

template <class Offset>
struct KernelAxis {
  Divisor<CountOf<Offset>> extent;
  Offset stride = 0;
  Offset out_stride = 0;
  int level = 0;
};

struct KernelTable {
  Address data = 0;
  int bytes_each = 4;  ///< 4, unsigned, or 8
};

template <class Offset>
struct KernelIndices {
  Address data = 0;
  std::int64_t extent = 0;
  Divisor<std::uint64_t> modulus;  ///< division by the extent
  Offset stride = 0;
  int level = 0;
  int bytes_each = 8;
};

/// Where a kernel finds the factors and terms of a `PlanScaling`. Behind all else in a plan: before
/// the lists, ptxas spilled `convert` on sm_90.
template <class Offset>
struct KernelScaling {
  Address factors = 0;
  Address terms = 0;
  Divisor<CountOf<Offset>> period;
  Offset first = 0;
  Offset run_step = 0;  ///< 0 or 1
};

/// The rows of a plan's steps: one for each index array, and then one for a scaling.
inline std::size_t step_rows(const CopyPlan& plan) {
  return plan.indices.size() + (plan.scaling ? 1 : 0);
}

/// The parameters of one family alone: of that which the plan is made for.
template <class Offset>
union FamilyParameters {
  std::byte none;
  KernelConversion conversion;
  KernelTiles<Offset> tiles;
  KernelPixels<Offset> pixels;
  KernelStrided<Offset> strided;
  KernelSpans<Offset> spans;  ///< of `words`

  constexpr FamilyParameters() : none() {}
};

template <class Offset_>
struct KernelScalars {
  using Offset = Offset_;
  Address leaf = 0;
  std::int64_t unit = 1;
  std::int64_t leaf_unit = 1;  ///< bytes that leaf positions count in
  Address out = 0;             ///< words: aligned downwards
  std::int64_t out_unit = 1;
  std::int64_t run_bytes = 0;
  Address bad_index = 0;  ///< of a 64-bit word (see BadIndex); 0 where nothing is checked
  CountOf<Offset> items = 0;
  Divisor<CountOf<Offset>> row_vectors;  ///< see `Work`
  int axis_count = 0;
  int table_count = 0;
  int index_count = 0;
  IndexMode mode = IndexMode::raise;
  FamilyParameters<Offset> own;  // before the counts, ptxas spilled `convert` on sm_90
};

/// A plan small enough to be passed to a kernel by value.
template <class Offset>
struct SmallPlan : KernelScalars<Offset> {
  KernelAxis<Offset> axes[small_axes];
  KernelTable tables[compiled_levels];
  KernelIndices<Offset> indices[small_indices];
  Offset steps[small_indices * small_axes];  ///< row by row, of axis_count each; see step_rows
  KernelScaling<Offset> scaling;
};

/// A plan of any size, whose lists lie in device memory.
struct LargePlan : KernelScalars<std::int64_t> {
  const KernelAxis<Offset>* axes = nullptr;
  const KernelTable* tables = nullptr;
  const KernelIndices<Offset>* indices = nullptr;
  const Offset* steps = nullptr;
  KernelScaling<Offset> scaling;
};

/// The parameter of a kernel: in 32 bits, in 64 bits, or with its lists in device memory.
struct KernelPlan : std::variant<SmallPlan<std::int32_t>, SmallPlan<std::int64_t>, LargePlan> {
  using variant::variant;
};

/// Calls visit.operator()<Bytes, Levels>(plan) for the code of family `F` that runs a plan: the
/// sizes of items, numbers of levels and types of plans that its kernels are compiled for.
template <class F, class Visit>
constexpr void visit_code(const KernelPlan& plan, const KernelChoice& choice, Visit&& visit) {
  static_assert(compiled_levels == 2);
  const auto with_levels = [&]<int Levels>(const auto& parameter) {
    if constexpr (F::by_item_size)
      visit_vector(choice.vector_bytes, [&]<class Item>() {
        if constexpr (sizeof(Item) <= F::most_item_bytes)
          visit.template operator()<sizeof(Item), Levels>(parameter);
      });
    else
      visit.template operator()<word_bytes, Levels>(parameter);
  };
  std::visit(
      [&]<class Plan>(const Plan& parameter) {
        if constexpr (std::is_same_v<Plan, LargePlan>) {
          with_levels.template operator()<any_levels>(parameter);
        } else if constexpr (sizeof(typename Plan::Offset) == 4 || F::has_wide_small_plans) {
          switch (choice.levels) {
            case 0:
              return with_levels.template operator()<0>(parameter);
            case 1:
              return with_levels.template operator()<1>(parameter);
            default:
              return with_levels.template operator()<2>(parameter);
          }
        }
      },
      plan);
}

/// The scalars and the lists that both kinds of plans are made from.
template <class Offset>
struct PlanParts {
  KernelScalars<Offset> scalars;
  SmallVector<KernelAxis<Offset>, small_axes> axes;
  SmallVector<KernelTable, compiled_levels> tables;
  SmallVector<KernelIndices<Offset>, small_indices> indices;
  SmallVector<Offset, std::size_t{small_indices} * small_axes> steps;
  KernelScaling<Offset> scaling;
};

/// `bad_index` is the address of a word in the device's memory, or 0.
template <class Offset>
PlanParts<Offset> plan_parts(const PlanFacts& facts, const KernelChoice& choice, Address bad_index);

/// The plan of a choice whose levels are not `any_levels`.
KernelPlan small_plan(const PlanFacts& facts, const KernelChoice& choice, Address bad_index);

/// The lists of a large plan one after another, and the plan for when they lie at `at` in memory
/// (which is aligned to 16 bytes).
std::size_t large_plan_bytes(const PlanParts<std::int64_t>& parts);
LargePlan large_plan(const PlanParts<std::int64_t>& parts, std::byte* at,
                     std::vector<std::byte>& lists);

/// The lowest bad index as one comparable word: index arrays are checked one after the other, so
/// the array counts before the position in it.
struct BadIndex {
  int array = 0;              ///< which of the plan's index arrays
  std::int64_t position = 0;  ///< in values from the array's start

  static constexpr std::uint64_t none = ~std::uint64_t{0};
  static constexpr int position_bits = 48;  // 2^48 indices take a petabyte

  constexpr std::uint64_t word() const {
    return (static_cast<std::uint64_t>(array) << position_bits) |
           static_cast<std::uint64_t>(position);
  }
  static constexpr BadIndex from_word(std::uint64_t word) {
    constexpr std::uint64_t mask = (std::uint64_t{1} << position_bits) - 1;
    return {static_cast<int>(word >> position_bits), static_cast<std::int64_t>(word & mask)};
  }
};

}  // namespace multibuffer::cuda
