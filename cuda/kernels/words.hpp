#pragma once

#include "cuda/kernels/kernel_family.hpp"

#include <algorithm>
#include <cstddef>
#include <memory>

namespace multibuffer::cuda {

/// The output's spans: contiguous stretches of the same shape.
template <class Offset>
struct KernelSpans {
  Divisor<CountOf<Offset>> words;  ///< in a span
  CountOf<Offset> rows = 0;        ///< in a span
  std::int64_t bytes = 0;          ///< of a span
  Divisor<std::uint64_t> run;      ///< division by run_bytes
  int head = 0;                    ///< bytes of a span's first word that lie before the span
};

/// Assembles words of the output from the rows that they lie in, for rows that are not aligned. The
/// axes that fill a span have no stride in the kernel's output: a word's number tells where it is
/// in its span.
struct Words : KernelFamily {
  static constexpr Family family = Family::words;
  static constexpr const char* name = "words";
  static constexpr const char* needs =
      "shorter rows that are not aligned to 16 bytes, and an output that is dense or whose "
      "stretches all begin alike";
  // More registers than others: each word may need two rows.
  static constexpr int blocks(bool wide, bool /*large*/) { return wide ? 5 : 8; }

  /// Asks for spans that all start at the same position within a word.
  static bool can_gather(const PlanFacts& facts) {
    const auto& axes = facts.plan.axes;
    return !facts.plan.conversion &&
           std::ranges::all_of(
               axes.begin(), axes.begin() + static_cast<std::ptrdiff_t>(facts.spans.outer_axes),
               [](const PlanAxis& axis) { return axis.dense_stride % word_bytes == 0; });
  }
  static bool pays(const PlanFacts& facts) {
    return facts.common_vector < word_bytes && facts.plan.run_bytes != facts.common_vector;
  }

  static int vector_bytes(const PlanFacts& /*facts*/) { return word_bytes; }

  static Work work(const PlanFacts& facts, int vector_bytes) {
    Work work = KernelFamily::work(facts, vector_bytes);
    work.leaf_unit = facts.source_alignment;
    work.output_unit = word_bytes;
    work.output_axes = facts.spans.outer_axes;
    work.items = facts.plan.rows / facts.spans.rows * words_in_span(facts);
    return work;
  }

  static Walk walk(const PlanFacts& facts, const Work& work) {
    Walk walk = KernelFamily::walk(facts, work);
    walk.out_shift = -head_of(facts);  // to the word that the output begins in
    return walk;
  }

  template <class Scalars>
  static void set_parameters(const PlanFacts& facts, int /*vector_bytes*/, const Work& /*work*/,
                             Scalars& scalars) {
    using Count = CountOf<typename Scalars::Offset>;
    const std::int64_t run = facts.plan.run_bytes;
    std::construct_at(
        &scalars.own.spans,
        KernelSpans<typename Scalars::Offset>{
            make_divisor(narrowed<Count>(words_in_span(facts))), narrowed<Count>(facts.spans.rows),
            facts.spans.rows * run, make_divisor(static_cast<std::uint64_t>(run)),
            static_cast<int>(head_of(facts))});
  }

  template <int Bytes, int Levels, class Plan, class Access>
  static constexpr void gather(const Plan& plan, Access& access, const Place& place);

 private:
  static std::int64_t head_of(const PlanFacts& facts) {
    return static_cast<std::int64_t>(reinterpret_cast<std::uintptr_t>(facts.plan.dense.base) %
                                     word_bytes);
  }
  static std::int64_t words_in_span(const PlanFacts& facts) {
    return ceil_divide(head_of(facts) + facts.spans.rows * facts.plan.run_bytes, word_bytes);
  }
};

}  // namespace multibuffer::cuda
