#include "cuda/gather_launch.hpp"

#include "cuda/kernels/choose_kernel.hpp"
#include "cuda/memory/check.hpp"
#include "cuda/memory/stream_use.hpp"

#include <cstddef>
#include <cstring>
#include <vector>

namespace multibuffer::cuda {

GatherLaunch::GatherLaunch(const CopyPlan& plan, Address bad_index, Context& context,
                           StagingRing& ring, cudaStream_t stream) {
  const PlanFacts facts(plan);
  choice_ = choose_kernel(facts);
  if (choice_.family == Family::copy)
    // In place, the base is null and the origin an address.
    work_ = CopyOfRun{reinterpret_cast<std::uintptr_t>(plan.dense.base),
                      reinterpret_cast<std::uintptr_t>(plan.indexed.base) +
                          static_cast<Address>(plan.indexed.origins.back()),
                      plan.run_bytes};
  else if (choice_.levels == any_levels)
    work_ = KernelPlan(
        send_lists(plan_parts<std::int64_t>(facts, choice_, bad_index), context, ring, stream));
  else
    work_ = small_plan(facts, choice_, bad_index);
}

LargePlan GatherLaunch::send_lists(const PlanParts<std::int64_t>& parts, Context& context,
                                   StagingRing& ring, cudaStream_t stream) {
  lists_ = std::make_shared<DeviceMemory>(
      context, static_cast<std::int64_t>(large_plan_bytes(parts)), stream);
  StreamUse use(context, stream);
  use.writes(*lists_);
  use.begin();
  std::vector<std::byte> lists;
  const LargePlan plan = large_plan(parts, lists_->data(), lists);
  ring.send(lists_->data(), lists_->bytes(),
            [&](std::int64_t begin, std::int64_t end, std::byte* slot) {
              std::memcpy(slot, lists.data() + begin, static_cast<std::size_t>(end - begin));
            },
            stream, {});
  use.finish();
  return plan;
}

void GatherLaunch::operator()(cudaStream_t stream) const {
  if (const auto* const copy = std::get_if<CopyOfRun>(&work_))
    MULTIBUFFER_CUDA_CHECK(cudaMemcpyAsync(
        reinterpret_cast<void*>(copy->to), reinterpret_cast<const void*>(copy->from),
        static_cast<std::size_t>(copy->bytes), cudaMemcpyDefault, stream));
  else
    launch_gather(std::get<KernelPlan>(work_), choice_, stream);
}

}  // namespace multibuffer::cuda
