#include "cuda/ragged_launch.hpp"

#include "cuda/memory/stream_use.hpp"

#include <cstring>
#include <vector>

namespace multibuffer::cuda {
namespace {

/// Lays parts out one after the other, aligned as allocations are.
class Places {
 public:
  std::int64_t add(std::int64_t bytes) {
    const std::int64_t at = end_;
    constexpr std::int64_t alignment = 256;
    end_ += (bytes + alignment - 1) / alignment * alignment;
    return at;
  }
  std::int64_t bytes() const { return end_; }

 private:
  std::int64_t end_ = 0;
};

}  // namespace

RaggedLaunch::RaggedLaunch(const RaggedPlan& plan, Address bad_index, Context& context,
                           StagingRing& ring, cudaStream_t stream) {
  const std::vector<std::byte> fill = fill_pattern(plan);
  const std::int64_t row_bytes = plan.rows.count * static_cast<std::int64_t>(sizeof(std::int64_t));
  const bool sums = plan.indices && plan.packed;
  if (sums) sum_bytes_ = sum_bytes(plan.rows.count);
  Places places;
  const std::int64_t fill_at = places.add(static_cast<std::int64_t>(fill.size()));
  const std::int64_t entries_at = places.add(plan.indices ? row_bytes : 0);
  const std::int64_t sums_at = places.add(sums ? row_bytes : 0);
  const std::int64_t scratch_at = places.add(sum_bytes_);
  if (places.bytes() > 0)
    scratch_ = std::make_shared<DeviceMemory>(context, places.bytes(), stream);
  const auto at = [&](std::int64_t place) {
    return reinterpret_cast<std::uintptr_t>(scratch_->data() + place);
  };
  if (!fill.empty()) {
    StreamUse use(context, stream);
    use.writes(*scratch_);
    use.begin();
    ring.send(scratch_->data() + fill_at, static_cast<std::int64_t>(fill.size()),
              [&](std::int64_t begin, std::int64_t end, std::byte* slot) {
                std::memcpy(slot, fill.data() + begin, static_cast<std::size_t>(end - begin));
              },
              stream, {});
    use.finish();
  }
  if (plan.indices) look_up_ = row_indices(plan, at(entries_at), sums ? at(sums_at) : 0, bad_index);
  if (sums) {
    offsets_ = row_offsets(plan, at(sums_at), bad_index);
    sum_scratch_ = scratch_->data() + scratch_at;
  }
  if (plan.dense_bytes() > 0)
    copy_ = ragged_kernel(plan, plan.indices ? at(entries_at) : 0, fill.empty() ? 0 : at(fill_at));
}

void RaggedLaunch::operator()(cudaStream_t stream) const {
  if (look_up_) launch_look_up(*look_up_, stream);
  if (offsets_) launch_offsets(*offsets_, sum_scratch_, sum_bytes_, stream);
  if (copy_) launch_ragged(*copy_, stream);
}

}  // namespace multibuffer::cuda
