#include "cuda/prepared_copy.hpp"

#include "cuda/memory/check.hpp"
#include "cuda/memory/stream_use.hpp"

#include <utility>

namespace multibuffer::cuda {

CudaPreparedCopy::CudaPreparedCopy(Context& context, IndexReport report, bool checks,
                                   const std::byte* output, std::vector<UsedMemory> uses,
                                   cudaStream_t stream)
    : context_(context),
      stream_(stream),
      report_(std::move(report)),
      uses_(std::move(uses)),
      is_output_foreign_(is_foreign(output, uses_)),
      word_(checks ? std::make_shared<DeviceMemory>(
                         context, static_cast<std::int64_t>(sizeof(BadIndex::none)), stream)
                   : nullptr) {}

CudaPreparedCopy::CudaPreparedCopy(Context& context, StagingRing& ring, const CopyPlan& plan,
                                   bool check, std::vector<UsedMemory> uses, StreamRef stream)
    : CudaPreparedCopy(context, {plan.indices},
                       check && plan.mode == IndexMode::raise && !plan.indices.empty(),
                       plan.dense.base, std::move(uses), context.stream(stream)) {
  const auto& launch = launch_.emplace<GatherLaunch>(plan, word_address(), context, ring, stream_);
  get_ready(launch.lists(), false);
}

CudaPreparedCopy::CudaPreparedCopy(Context& context, StagingRing& ring, const RaggedPlan& plan,
                                   bool check, std::vector<UsedMemory> uses, StreamRef stream)
    : CudaPreparedCopy(context, report_of(plan), check && plan.indices, plan.dense.base,
                       std::move(uses), context.stream(stream)) {
  const auto& launch = launch_.emplace<RaggedLaunch>(plan, word_address(), context, ring, stream_);
  get_ready(launch.scratch(), true);
}

void CudaPreparedCopy::get_ready(const std::shared_ptr<DeviceMemory>& memory, bool is_written) {
  if (memory) uses_.push_back({memory, is_written});
  if (word_) {
    uses_.push_back({word_, true});
    StreamUse use(context_, stream_);
    use.writes(*word_);
    use.begin();
    clean_word();
    use.finish();
  }
  // A captured run cannot wait for work outside of its graph.
  for (const UsedMemory& used : uses_) used.memory->wait();
  if (!context_.is_own(stream_)) context_.add_plan_stream(stream_);
  can_run_ = true;
}

Address CudaPreparedCopy::word_address() const {
  return word_ ? reinterpret_cast<std::uintptr_t>(word_->data()) : 0;
}

void CudaPreparedCopy::launch() const {
  if (const auto* const gather = std::get_if<GatherLaunch>(&launch_)) (*gather)(stream_);
  if (const auto* const ragged = std::get_if<RaggedLaunch>(&launch_)) (*ragged)(stream_);
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
    launch();
    return;
  }
  StreamUse use(context_, stream_);
  const WaitIfThrown foreign_output(is_output_foreign_, stream_);
  use.add(uses_);
  // May wait for another thread's use, in which that thread may ask about this plan's last run.
  use.begin();
  const std::lock_guard lock(mutex_);
  if (word_ && dirty_) clean_word();
  dirty_ = false;
  launch();
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
  report_.fail(bad, report_.value_of(bad, context_));
}

}  // namespace multibuffer::cuda
