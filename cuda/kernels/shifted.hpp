#pragma once

#include "cuda/kernels/words.hpp"

namespace multibuffer::cuda {

/// Shifts words of rows that are not aligned to vectors, each from the two aligned words that its
/// bytes lie in.
struct Shifted : KernelFamily {
  static constexpr Family family = Family::shifted;
  static constexpr const char* name = "shifted";
  static constexpr const char* needs =
      "rows that are not aligned to 16 bytes: of 512 bytes or more, of whole words that are "
      "written "
      "aligned, or of more than 64 bytes where `words` cannot be taken";
  static constexpr int blocks(bool wide, bool /*large*/) { return wide ? 7 : 12; }

  static bool can_gather(const PlanFacts& facts) { return !facts.plan.conversion; }
  static bool pays(const PlanFacts& facts) {
    if (facts.common_vector == word_bytes) return false;
    const std::int64_t run = facts.plan.run_bytes;
    const bool whole_words = facts.output_alignment == word_bytes && run % word_bytes == 0;
    return whole_words || run >= least_run || (run > most_narrow_run && !Words::can_gather(facts));
  }

  static int vector_bytes(const PlanFacts& /*facts*/) { return word_bytes; }

  static Work work(const PlanFacts& facts, int /*vector_bytes*/) {
    Work work =
        by_row(facts, facts.source_alignment,
               ceil_divide(facts.plan.run_bytes + word_bytes - facts.output_alignment, word_bytes));
    work.output_unit = facts.output_alignment;
    return work;
  }

  template <int Bytes, int Levels, class Plan, class Access>
  static constexpr void gather(const Plan& plan, Access& access, const Place& place);

 private:
  // Longer rows are worth the narrow stores at both their ends, where those are not aligned:
  // threads that shift one row do less than those that assemble words from two.
  static constexpr std::int64_t least_run = 512;
  // Up to this, and without `words`, vectors narrower than a word are preferred.
  static constexpr std::int64_t most_narrow_run = 64;
  static_assert(least_run == 512 && most_narrow_run == 64, "`needs` says so");
};

}  // namespace multibuffer::cuda
