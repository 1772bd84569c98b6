#pragma once

#include "cuda/kernels/kernel_choice.hpp"
#include "cuda/kernels/kernel_family.hpp"
#include "cuda/plan/plan_facts.hpp"

#include <cstdint>

namespace multibuffer::cuda {

/// Picks the kernel for a plan that has rows to gather.
KernelChoice choose_kernel(const PlanFacts& facts);
KernelChoice choose_kernel(const CopyPlan& plan);

/// Returns true if the kernel of `family` is right for a plan, whether or not it is the fastest.
bool can_gather(const PlanFacts& facts, Family family);

/// The vector that a family takes for a plan; see `KernelChoice`.
int vector_bytes_of(const PlanFacts& facts, Family family);

/// The choice of a family's kernel, in 64 bits and from device memory where that is needed.
KernelChoice choice_of(const PlanFacts& facts, Family family, int vector_bytes);

/// The numbers that the kernel of `choice`, which is not `copy`, counts by.
Work work_of(const PlanFacts& facts, const KernelChoice& choice);

/// Returns the items of work that a block of `threads` takes at a time.
std::int64_t items_per_turn(const KernelChoice& choice, int threads);

}  // namespace multibuffer::cuda
