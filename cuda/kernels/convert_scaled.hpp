#pragma once

#include "cuda/kernels/convert.hpp"

namespace multibuffer::cuda {

/// Where a kernel finds the factors and terms of a `PlanScaling`.
template <class Offset>
struct KernelScaling {
  KernelConversion conversion;
  Address factors = 0;
  Address terms = 0;
  Divisor<CountOf<Offset>> period;
  Offset first = 0;
  Offset vector_step = 0;  ///< places from one vector of a run to the next
  int number_step = 0;     ///< and from one number to the next: 0 or 1
};

/// Converts scalars to float32 during the gather, and scales them. Plans keep the steps of places
/// along the axes behind those of their index arrays.
struct ConvertScaled : Convert {
  static constexpr Family family = Family::convert_scaled;
  static constexpr int blocks(bool wide, bool /*large*/) { return wide ? 5 : 8; }

  static bool can_gather(const PlanFacts& facts) { return is_scaled(facts); }

  template <class Scalars>
  static void set_parameters(const PlanFacts& facts, int vector_bytes, const Work& work,
                             Scalars& scalars) {
    using Offset = typename Scalars::Offset;
    Scalars with_conversion;
    Convert::set_parameters(facts, vector_bytes, work, with_conversion);
    const PlanScaling& scaling = *facts.plan.scaling;
    const KernelConversion& conversion = with_conversion.own.conversion;
    std::construct_at(
        &scalars.own.scaling,
        KernelScaling<Offset>{.conversion = conversion,
                              .factors = reinterpret_cast<std::uintptr_t>(scaling.factors),
                              .terms = reinterpret_cast<std::uintptr_t>(scaling.terms),
                              .period = make_divisor(narrowed<CountOf<Offset>>(scaling.period)),
                              .first = narrowed<Offset>(scaling.first % scaling.period),
                              .vector_step = narrowed<Offset>(conversion.count * scaling.run_step),
                              .number_step = static_cast<int>(scaling.run_step)});
  }

  template <int Bytes, int Levels, class Plan, class Access>
  static constexpr void gather(const Plan& plan, Access& access, const Place& place);
};

}  // namespace multibuffer::cuda
