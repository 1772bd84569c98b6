#pragma once

#include "cuda/kernels/kernel_family.hpp"

#include <algorithm>
#include <memory>

namespace multibuffer::cuda {

/// How a vector is converted.
struct KernelConversion {
  Conversion numbers;
  Float8Encoding from_float8;  ///< where scalars are floats of 8 bits
  Float8Encoding to_float8;
  int reversed_before = 0;  ///< see host/backend/number.hpp
  int reversed_after = 0;
  int count = 1;                ///< numbers in a vector
  int from_bytes = 1;           ///< of a vector
  int to_bytes = 1;             ///< of a vector
  bool aligned_source = false;  ///< every vector is aligned to its size
  int store_bytes = 1;          ///< the size of a store where a vector is not stored whole
  bool aligned_output = false;  ///< every vector is aligned to its size
};

/// Converts scalars during the gather. A vector is at most 16 bytes on either side; the last one of
/// a row may be partial, and vectors need not be aligned.
struct Convert : KernelFamily {
  static constexpr Family family = Family::convert;
  static constexpr const char* name = "convert";
  static constexpr const char* needs = "scalars that are converted";
  static constexpr int blocks(bool wide, bool /*large*/) { return wide ? 6 : 12; }

  static bool can_gather(const PlanFacts& facts) {
    return facts.plan.conversion && !is_scaled(facts) && !has_float8(*facts.plan.conversion);
  }
  static bool pays(const PlanFacts& /*facts*/) { return true; }

  /// Where a run is a single scalar, so is a vector.
  static int vector_bytes(const PlanFacts& facts) {
    const int from = bytes_of(facts.plan.conversion->from);
    const int to = bytes_of(facts.plan.conversion->to);
    return facts.plan.run_bytes == from ? from : word_bytes / std::max(from, to) * from;
  }

  static Work work(const PlanFacts& facts, int vector_bytes) {
    Work work = KernelFamily::work(facts, vector_bytes);
    work.leaf_unit = std::min(facts.source_alignment, vector_bytes);
    work.output_unit = std::min(facts.output_alignment, out_bytes(facts, vector_bytes));
    return work;
  }

  template <class Scalars>
  static void set_parameters(const PlanFacts& facts, int vector_bytes, const Work& /*work*/,
                             Scalars& scalars) {
    const Conversion& numbers = *facts.plan.conversion;
    const int to_bytes = out_bytes(facts, vector_bytes);
    std::construct_at(
        &scalars.own.conversion,
        KernelConversion{.numbers = numbers,
                         .from_float8 = row_of(numbers.from).float8,
                         .to_float8 = row_of(numbers.to).float8,
                         .reversed_before = reversed_before(numbers),
                         .reversed_after = reversed_after(numbers),
                         .count = vector_bytes / bytes_of(numbers.from),
                         .from_bytes = vector_bytes,
                         .to_bytes = to_bytes,
                         .aligned_source = facts.source_alignment >= vector_bytes,
                         .store_bytes = std::min(facts.output_alignment, bytes_of(numbers.to)),
                         .aligned_output = facts.output_alignment >= to_bytes});
  }

  template <int Bytes, int Levels, class Plan, class Access>
  static constexpr void gather(const Plan& plan, Access& access, const Place& place);

 protected:
  static bool is_scaled(const PlanFacts& facts) { return facts.plan.scaling.has_value(); }
  static bool has_float8(const Conversion& conversion) {
    return is_float8(conversion.from) || is_float8(conversion.to);
  }

 private:
  static int out_bytes(const PlanFacts& facts, int vector_bytes) {
    return static_cast<int>(facts.plan.dense_bytes(vector_bytes));
  }
};

}  // namespace multibuffer::cuda
