#include "cuda/kernels/describe_kernel.hpp"

#include "cuda/kernels/choose_kernel.hpp"
#include "cuda/kernels/kernel_families.hpp"
#include "cuda/kernels/ragged_kernel.hpp"
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

PlanDescription::Way way_of(RaggedBody body) {
  switch (body) {
    case RaggedBody::words:
      return {"words", "nothing: a thread writes a word of 16 bytes, of whatever rows are in it"};
    case RaggedBody::numbers:
      return {"numbers", "elements that are converted, or items with gaps between their elements"};
    case RaggedBody::float8:
      return {"float8", "elements that are converted from or to floats of 8 bits"};
  }
  return {};
}

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

PlanDescription describe_kernel(const RaggedPlan& plan) {
  const RaggedBody body = body_of(plan);
  PlanDescription description;
  description.granule = sector_bytes;
  description.taken = way_of(body);
  for (const RaggedBody before : {RaggedBody::float8, RaggedBody::numbers}) {
    if (before == body) break;
    description.passed_over.push_back(way_of(before));
  }
  const char* const launches = !plan.indices ? "1"
                               : plan.packed ? "several: rows are looked up, their lengths summed"
                                             : "2: rows are looked up first";
  description.facts = {{"index arithmetic", is_narrow(plan) ? "32 bits" : "64 bits"},
                       {"launches", launches}};
  return description;
}

}  // namespace multibuffer::cuda
