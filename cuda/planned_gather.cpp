#include "cuda/planned_gather.hpp"

#include "cuda/memory/check.hpp"
#include "cuda/memory/stream_use.hpp"

#include <utility>

namespace multibuffer::cuda {
namespace {

std::shared_ptr<DeviceMemory> word_for(Context& context, const GatherPlan& plan, bool check,
                                       cudaStream_t stream) {
  if (!check || plan.mode != IndexMode::raise || plan.indices.empty()) return nullptr;
  return std::make_shared<DeviceMemory>(context, static_cast<std::int64_t>(sizeof(BadIndex::none)),
                                        stream);
}

}  // namespace

CudaPlannedGather::CudaPlannedGather(Context& context, StagingRing& ring, const GatherPlan& plan,
                                     bool check, std::vector<std::shared_ptr<Memory>> uses,
                                     StreamRef stream)
    : context_(context),
      stream_(context.stream(stream)),
      out_(plan.out),
      indices_(plan.indices),
      uses_(std::move(uses)),
      word_(word_for(context, plan, check, stream_)),
      launch_(plan, word_ ? reinterpret_cast<std::uintptr_t>(word_->data()) : 0, context, ring,
              stream_) {
  std::erase(uses_, nullptr);
  if (launch_.lists()) uses_.push_back(launch_.lists());
  if (word_) uses_.push_back(word_);
  if (word_) {
    StreamUse use(context_, stream_);
    use.writes(*word_);
    use.begin();
    clean_word();
    use.finish();
  }
  // A captured run cannot wait for work outside of its graph.
  for (const std::shared_ptr<Memory>& memory : uses_) memory->wait();
  if (!context_.is_own(stream_)) context_.add_plan_stream(stream_);
}

CudaPlannedGather::~CudaPlannedGather() { end_runs(); }

void CudaPlannedGather::end_runs() noexcept {
  if (can_run_.exchange(false) && !context_.is_own(stream_)) context_.remove_plan_stream(stream_);
}

void CudaPlannedGather::clean_word() {
  MULTIBUFFER_CUDA_CHECK(cudaMemsetAsync(word_->data(), 0xff, sizeof(BadIndex::none), stream_));
}

void CudaPlannedGather::run() {
  const DeviceGuard guard(context_);
  if (!context_.is_own(stream_) && state_of(stream_) == StreamState::capturing) {
    const std::lock_guard lock(mutex_);
    // Drops the bad index that an earlier launch of the graph has found.
    if (word_) clean_word();
    launch_(stream_);
    return;
  }
  StreamUse use(context_, stream_);
  for (const std::shared_ptr<Memory>& memory : uses_) {
    auto& block = static_cast<DeviceMemory&>(*memory);
    memory == word_ || lies_in(block, out_) ? use.writes(block) : use.reads(block);
  }
  // May wait for another thread's use, in which that thread may ask about this plan's last run.
  use.begin();
  const std::lock_guard lock(mutex_);
  if (word_ && dirty_) clean_word();
  dirty_ = false;
  launch_(stream_);
  done_ = use.finish();
}

void CudaPlannedGather::wait() {
  const std::lock_guard lock(mutex_);
  const DeviceGuard guard(context_);
  if (done_) MULTIBUFFER_CUDA_CHECK(cudaEventSynchronize(done_.get()));
  if (!word_) return;
  // Read at each call, since launches of a graph are not noticed here.
  const std::uint64_t word = fetch_word(*word_, context_);
  dirty_ = word != BadIndex::none;
  if (!dirty_) return;
  const BadIndex bad = BadIndex::from_word(word);
  const PlanIndices& indices = indices_[static_cast<std::size_t>(bad.array)];
  throw_bad_index(indices, bad.position, fetch_index(indices, bad.position, context_));
}

}  // namespace multibuffer::cuda
