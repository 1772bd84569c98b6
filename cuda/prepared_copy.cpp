#include "cuda/prepared_copy.hpp"

#include "cuda/memory/check.hpp"
#include "cuda/memory/stream_use.hpp"

#include <utility>

namespace multibuffer::cuda {
namespace {

std::shared_ptr<DeviceMemory> word_for(Context& context, const CopyPlan& plan, bool check,
                                       cudaStream_t stream) {
  if (!check || plan.mode != IndexMode::raise || plan.indices.empty()) return nullptr;
  return std::make_shared<DeviceMemory>(context, static_cast<std::int64_t>(sizeof(BadIndex::none)),
                                        stream);
}

}  // namespace

CudaPreparedCopy::CudaPreparedCopy(Context& context, StagingRing& ring, const CopyPlan& plan,
                                   bool check, std::vector<UsedMemory> uses, StreamRef stream)
    : context_(context),
      stream_(context.stream(stream)),
      indices_(plan.indices),
      uses_(std::move(uses)),
      word_(word_for(context, plan, check, stream_)),
      launch_(plan, word_ ? reinterpret_cast<std::uintptr_t>(word_->data()) : 0, context, ring,
              stream_) {
  if (launch_.lists()) uses_.push_back({launch_.lists(), false});
  if (word_) uses_.push_back({word_, true});
  if (word_) {
    StreamUse use(context_, stream_);
    use.writes(*word_);
    use.begin();
    clean_word();
    use.finish();
  }
  // A captured run cannot wait for work outside of its graph.
  for (const UsedMemory& used : uses_) used.memory->wait();
  if (!context_.is_own(stream_)) context_.add_plan_stream(stream_);
}

CudaPreparedCopy::~CudaPreparedCopy() { end_runs(); }

void CudaPreparedCopy::end_runs() noexcept {
  if (can_run_.exchange(false) && !context_.is_own(stream_)) context_.remove_plan_stream(stream_);
}

void CudaPreparedCopy::clean_word() {
  MULTIBUFFER_CUDA_CHECK(cudaMemsetAsync(word_->data(), 0xff, sizeof(BadIndex::none), stream_));
}

void CudaPreparedCopy::run() {
  const DeviceGuard guard(context_);
  if (!context_.is_own(stream_) && state_of(stream_) == StreamState::capturing) {
    const std::lock_guard lock(mutex_);
    // Drops the bad index that an earlier launch of the graph has found.
    if (word_) clean_word();
    launch_(stream_);
    return;
  }
  StreamUse use(context_, stream_);
  use.add(uses_);
  // May wait for another thread's use, in which that thread may ask about this plan's last run.
  use.begin();
  const std::lock_guard lock(mutex_);
  if (word_ && dirty_) clean_word();
  dirty_ = false;
  launch_(stream_);
  done_ = use.finish();
}

void CudaPreparedCopy::wait() {
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
