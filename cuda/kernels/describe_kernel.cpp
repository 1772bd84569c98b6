#include "cuda/kernels/describe_kernel.hpp"

#include "cuda/kernels/choose_kernel.hpp"
#include "cuda/kernels/kernel_families.hpp"
#include "host/support/text.hpp"

namespace multibuffer::cuda {
namespace {

constexpr std::int64_t sector_bytes = 32;  // of a cache line of a GPU

/// The families that are tried before `taken`, and what each of them would need.
template <class First, class... Rest>
void pass_over(FamilyList<First, Rest...> /*list*/, Family taken, PlanDescription& description) {
  if (First::family == taken) {
    description.taken = {First::name, First::needs};
    return;
  }
  description.passed_over.push_back({First::name, First::needs});
  if constexpr (sizeof...(Rest) > 0) pass_over(FamilyList<Rest...>{}, taken, description);
}

std::string bytes_words(std::int64_t bytes) { return text(bytes, bytes == 1 ? " byte" : " bytes"); }

}  // namespace

PlanDescription describe_kernel(const CopyPlan& plan) {
  const PlanFacts facts(plan);
  const KernelChoice choice = choose_kernel(facts);
  PlanDescription description;
  description.granule = sector_bytes;
  if (choice.family == Family::copy) {
    description.taken = {"copy", "one contiguous run without tables: cudaMemcpyAsync, no kernel"};
    return description;
  }
  pass_over(KernelFamilies{}, choice.family, description);
  description.facts = {{"a thread's vector", bytes_words(choice.vector_bytes)},
                       {"alignment of what is read", bytes_words(facts.source_alignment)},
                       {"alignment of what is written", bytes_words(facts.output_alignment)},
                       {"index arithmetic", choice.wide ? "64 bits" : "32 bits"},
                       {"levels of offset arrays",
                        choice.levels == any_levels ? "counted at run time, plan in device memory"
                                                    : text(choice.levels)}};
  return description;
}

}  // namespace multibuffer::cuda
