#pragma once

#include <multibuffer/divisor.hpp>

#include "cuda/kernels/kernel_choice.hpp"
#include "cuda/plan/plan_facts.hpp"
#include "host/support/rounding.hpp"
#include "host/support/small_vector.hpp"

#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace multibuffer::cuda {

struct Place;  // see find_rows.hpp

using Address = std::uint64_t;

/// `Offset` is the signed integer of the index arithmetic, std::int32_t or std::int64_t.
template <class Offset>
using CountOf = std::make_unsigned_t<Offset>;

/// Converts a value that is known to fit; see `fits_31_bits`.
template <class To>
constexpr To narrowed(std::int64_t value) {
  return static_cast<To>(value);
}

/// The numbers that a kernel counts by.
struct Work {
  int leaf_unit = 1;             ///< bytes in which positions in leaves are counted
  int output_unit = 1;           ///< bytes in which positions in the output are counted
  std::int64_t row_vectors = 1;  ///< vectors (or words, at most) of a row
  std::int64_t items = 1;        ///< vectors, words or tiles of the whole gather
  std::size_t axes = 0;          ///< axes that the kernel's parameters must have room for
  std::size_t output_axes = 0;   ///< leading axes of the plan with a stride in the kernel's output
  std::int64_t step = 1;         ///< items that one step along an axis may span
  int bytes_before = 0;          ///< before an output row, that are counted, too
};

/// An axis as a kernel walks it. Strides are in bytes or, above the leaves, in table entries.
struct WalkAxis {
  std::int64_t extent = 0;
  std::int64_t stride = 0;
  std::int64_t out_stride = 0;
  int level = 0;
  std::size_t axis = 0;   ///< of the plan
  std::int64_t step = 1;  ///< indices of that axis from one index of this one to the next
};
struct Walk {
  SmallVector<WalkAxis, small_axes> axes;
  std::int64_t leaf_shift = 0;  ///< bytes, to add to the leaves' address
  std::int64_t out_shift = 0;   ///< bytes, to add to the output's address
};

/// A family is a struct that derives from this one and has
///
///     static constexpr Family family
///     static constexpr const char* name, needs   what `can_gather` and `pays` ask for, in words
///     static constexpr int blocks(wide, large)   blocks per multiprocessor: see resident_blocks
///     static bool can_gather(facts)              whether its kernel is right for a plan
///     static bool pays(facts)                    whether it is the fastest, of those not yet tried
///     gather<Bytes, Levels>(plan, access, place) its body, defined in FAMILY_body.hpp
///
/// and, where the default here is not the right one, any of the following. `vector_bytes` is that
/// of `KernelChoice`.
struct KernelFamily {
  /// True for a kernel for each item size up to `most_item_bytes`; false for one kernel for all.
  static constexpr bool by_item_size = false;
  static constexpr int most_item_bytes = word_bytes;
  /// True for kernels that count in 64 bits and have the plan as a parameter. Few gathers
  /// are that large, and the cost of sending a plan is lost in them.
  static constexpr bool has_wide_small_plans = false;

  static int vector_bytes(const PlanFacts& facts) { return facts.common_vector; }

  static Work work(const PlanFacts& facts, int vector_bytes) {
    return by_row(facts, vector_bytes, ceil_divide(facts.plan.run_bytes, vector_bytes));
  }

  /// Items that a block takes at a time.
  static std::int64_t items_per_turn(int /*vector_bytes*/, int threads) {
    return std::int64_t{threads} * batch;
  }

  static Walk walk(const PlanFacts& facts, const Work& work) {
    return walk_of_outer(facts, work, facts.plan.axes.size());
  }

  /// Sets the family's own member of `FamilyParameters`.
  template <class Scalars>
  static void set_parameters(const PlanFacts& /*facts*/, int /*vector_bytes*/, const Work& /*work*/,
                             Scalars& /*scalars*/) {}

 protected:
  static Work by_row(const PlanFacts& facts, int unit, std::int64_t row_vectors) {
    const std::size_t axes = facts.plan.axes.size();
    return {unit, unit, row_vectors, facts.plan.rows * row_vectors, axes, axes};
  }

  /// The first `count` axes as they are.
  static Walk walk_of_outer(const PlanFacts& facts, const Work& work, std::size_t count) {
    Walk walk;
    for (std::size_t i = 0; i < count; ++i) {
      const PlanAxis& axis = facts.plan.axes[i];
      walk.axes.push_back({axis.extent, axis.stride, i < work.output_axes ? axis.dense_stride : 0,
                           axis.level, i, 1});
    }
    return walk;
  }
};

}  // namespace multibuffer::cuda
