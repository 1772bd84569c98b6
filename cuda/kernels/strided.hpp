#pragma once

#include "cuda/kernels/kernel_family.hpp"

#include <memory>

namespace multibuffer::cuda {

/// How a row continues, in units of the leaves.
template <class Offset>
struct KernelStrided {
  CountOf<Offset> items = 0;       ///< of a row
  Divisor<CountOf<Offset>> parts;  ///< items of a pixel
  Offset stride = 1;               ///< from pixel to pixel
  Offset part_stride = 1;          ///< from item to item of a pixel
};

/// Assembles words of rows whose items lie at one stride: stepped, reversed, the fields of structs.
/// The axes that make a row are no axes of the kernel: a word's number tells where it is in its
/// row.
struct Strided : KernelFamily {
  static constexpr Family family = Family::strided;
  static constexpr const char* name = "strided";
  static constexpr const char* needs =
      "items of up to 8 bytes at one stride, for 2 words of 16 bytes or more (unaligned: 3 or 8)";
  static constexpr bool by_item_size = true;
  static constexpr int most_item_bytes = word_bytes / 2;  // larger items are vectors already
  // Where plans are of any size, more blocks spilled on sm_90.
  static constexpr int blocks(bool wide, bool large) { return large ? 5 : wide ? 7 : 12; }

  static bool can_gather(const PlanFacts& facts) { return facts.strided.items > 0; }
  static bool pays(const PlanFacts& facts) {
    const std::int64_t words = words_of(facts);
    if (facts.strided.out_alignment == word_bytes) return words >= least_words;
    return words >= (facts.common_vector <= 2 ? least_words_of_small_items  //
                                              : least_words_of_large_items);
  }

  static Work work(const PlanFacts& facts, int vector_bytes) {
    const StridedRows& rows = facts.strided;
    // However far into a word a row starts, it ends at most so many words later.
    const std::int64_t before = word_bytes - rows.out_alignment;
    Work work =
        by_row(facts, vector_bytes, ceil_divide(before + rows.items * vector_bytes, word_bytes));
    work.items =
        facts.plan.rows * (facts.plan.run_bytes / vector_bytes) / rows.items * work.row_vectors;
    return work;
  }

  static Walk walk(const PlanFacts& facts, const Work& work) {
    return walk_of_outer(facts, work, facts.strided.outer_axes);
  }

  template <class Scalars>
  static void set_parameters(const PlanFacts& facts, int /*vector_bytes*/, const Work& work,
                             Scalars& scalars) {
    using Offset = typename Scalars::Offset;
    using Count = CountOf<Offset>;
    const StridedRows& rows = facts.strided;
    std::construct_at(&scalars.own.strided,
                      KernelStrided<Offset>{narrowed<Count>(rows.items),
                                            make_divisor(narrowed<Count>(rows.parts)),
                                            narrowed<Offset>(rows.stride / work.leaf_unit),
                                            narrowed<Offset>(rows.part_stride / work.leaf_unit)});
  }

  template <int Bytes, int Levels, class Plan, class Access>
  static constexpr void gather(const Plan& plan, Access& access, const Place& place);

 protected:
  // Shorter rows leave threads with less than a word to assemble. Where words at both their ends
  // are partial, threads that each copy one item are as fast up to longer rows, and the more so the
  // larger the items are.
  static constexpr std::int64_t least_words = 2;
  static constexpr std::int64_t least_words_of_small_items = 3;
  static constexpr std::int64_t least_words_of_large_items = 8;
  static_assert(least_words == 2 && least_words_of_small_items == 3 &&
                    least_words_of_large_items == 8 && most_item_bytes == 8,
                "`needs` says so");

  static std::int64_t words_of(const PlanFacts& facts) {
    return facts.strided.items * facts.common_vector / word_bytes;
  }
};

}  // namespace multibuffer::cuda
