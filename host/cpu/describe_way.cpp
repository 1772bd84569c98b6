#include "host/cpu/describe_way.hpp"

#include "host/bytes/nontemporal_copy.hpp"
#include "host/bytes/simd.hpp"
#include "host/cpu/host_gather.hpp"
#include "host/cpu/ragged_copy.hpp"
#include "host/cpu/way.hpp"
#include "host/support/parallel.hpp"
#include "host/support/text.hpp"

#include <span>

namespace multibuffer {
namespace {

template <class EnumWay>
PlanDescription::Way described(EnumWay way, const char* prefix) {
  return {text(prefix, name_of(way)), needs_of(way)};
}

/// Adds the ways that come before `taken` in the order in which they are tried.
template <class EnumWay>
void pass_over(PlanDescription& description, EnumWay taken, const char* prefix) {
  for (int way = 0; way < static_cast<int>(taken); ++way)
    description.passed_over.push_back(described(static_cast<EnumWay>(way), prefix));
}

}  // namespace

PlanDescription describe_way(const CopyPlan& plan) {
  const HostPlans plans(plan);
  const std::span<const CopyPlan> parts = plans.parts();
  const CopyPlan& part = parts.front();
  const bool nontemporal = worth_nontemporal(plan.dense_bytes(plan.rows * plan.run_bytes));
  PlanDescription description;
  description.granule = cache_line_bytes;
  const PlanWay way = choose_way(part, nontemporal);
  if (way != PlanWay::planes) {
    description.taken = described(way, "");
    pass_over(description, way, "");
  } else if (part.conversion) {
    description.taken = {"planes, converted", needs_of(way)};
  } else {
    const PlaneWay of_plane = choose_way(plane_of(part), nontemporal);
    description.taken = described(of_plane, "planes, ");
    pass_over(description, of_plane, "planes, ");
  }
  description.facts = {{"threads", text(thread_count())},
                       {"non-temporal stores", nontemporal ? "yes, for so large a result" : "no"},
                       {"parts", parts.size() == 1 ? std::string("1")
                                                   : text(parts.size(), ", the first of runs of ",
                                                          part.run_bytes, " bytes")}};
  return description;
}

PlanDescription describe_way(const RaggedPlan& plan) {
  const RaggedWay way = choose_way(plan);
  PlanDescription description;
  description.granule = cache_line_bytes;
  description.taken = described(way, "");
  pass_over(description, way, "");
  description.facts = {{"threads", text(thread_count())}};
  return description;
}

}  // namespace multibuffer
