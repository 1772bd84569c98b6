#include "cuda/memory/reclaimer.hpp"

#include "cuda/memory/check.hpp"
#include "cuda/memory/context.hpp"
#include "cuda/memory/driver.hpp"

#include <algorithm>
#include <exception>
#include <utility>

namespace multibuffer::cuda {
namespace {

constexpr std::size_t most_parked_blocks = 1024;

bool all_on_one_stream(const RetiredBlock& block) {
  return std::ranges::all_of(
      block.uses, [&](const LastUse& use) { return use.stream == block.uses.front().stream; });
}

bool is_done(cudaError_t error) noexcept {
  ignore(error);
  return error == cudaSuccess;
}

bool have_ended(const std::vector<LastUse>& uses) {
  return std::ranges::all_of(uses, [](const LastUse& use) { return has_ended(use.mark.event); });
}

}  // namespace

bool Consumers::uses(StreamId stream) const noexcept {
  return std::ranges::find(streams, stream) != streams.end();
}

void Consumers::add(StreamId stream) {
  if (!uses(stream)) streams.push_back(stream);
}

void Reclaimer::open() {
  for (cudaStream_t& stream : streams_)
    MULTIBUFFER_CUDA_CHECK(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
}

void Reclaimer::close() noexcept {
  for (cudaStream_t& stream : streams_)
    if (stream) ignore(cudaStreamDestroy(std::exchange(stream, nullptr)));
}

void Reclaimer::retire(RetiredBlocks retired) noexcept {
  RetiredBlock& block = retired.front();
  if (!context_.has_memory_pools()) {
    // cudaFree waits for the whole device by itself.
    for (const LastUse& use : block.uses) ignore(cudaEventSynchronize(use.mark.event.get()));
    if (!is_done(cudaFree(block.data))) keep(std::move(retired));
    return;
  }
  const bool one_stream = !block.consumers.any() && all_on_one_stream(block);
  cudaStream_t own = one_stream ? context_.own_stream(block.uses.front().stream) : nullptr;
  if (own && is_freed_now(block, own)) return;

  const std::lock_guard lock(mutex_);
  if (block.consumers.legacy) mark_on_legacy(block);
  if (block.consumers.any()) return park(std::move(retired));
  if (one_stream && !have_ended(block.uses)) return park(std::move(retired));
  if (!is_freed_after_its_uses(block)) park(std::move(retired));
}

void Reclaimer::keep(RetiredBlocks block) noexcept {
  const std::lock_guard lock(mutex_);
  add_parked(std::move(block));
}

void Reclaimer::add_parked(RetiredBlocks block) noexcept {
  parked_bytes_ += block.front().bytes;
  parked_.splice(parked_.end(), block);
  parked_blocks_ = parked_.size();
}

bool Reclaimer::is_freed_now(const RetiredBlock& block, cudaStream_t stream) noexcept {
  return is_done(cudaFreeAsync(block.data, stream));
}

/// Frees a block after its uses. If CUDA fails, the block is not freed, because work may still use
/// it.
bool Reclaimer::is_freed_after_its_uses(const RetiredBlock& block) noexcept {
  if (!context_.has_memory_pools()) return is_done(cudaFree(block.data));
  cudaStream_t stream = streams_[turn_++ % streams_.size()];
  for (const LastUse& use : block.uses)
    if (!is_done(cudaStreamWaitEvent(stream, use.mark.event.get()))) return false;
  if (!is_freed_now(block, stream)) return false;
  try {
    on_their_way_.push_back({context_.events().record(stream), block.bytes});
    bytes_on_their_way_ += block.bytes;
  } catch (const std::exception&) {
    // No allocation will wait for this block.
  }
  return true;
}

/// Records an event after all work so far on the legacy stream and on the streams that synchronize
/// with it, and notes it as a use. While one of these is being captured, does nothing.
void Reclaimer::mark_on_legacy(RetiredBlock& block) noexcept {
  try {
    if (state_of(cudaStreamLegacy) != StreamState::ready) return;
    block.uses.push_back({context_.id_of(cudaStreamLegacy), context_.mark(cudaStreamLegacy)});
    block.consumers.legacy = false;
  } catch (const std::exception&) {
    // The device has failed, or CUDA is shutting down.
  }
}

void Reclaimer::park(RetiredBlocks block) noexcept {
  add_parked(std::move(block));
  try {
    keep_few();
  } catch (const std::exception&) {
    // More blocks wait, until a later call can free them.
  }
}

void Reclaimer::keep_few() {
  const std::int64_t most_parked_bytes = context_.memory_bytes() / 16;
  if (parked_bytes_ <= most_parked_bytes && parked_.size() <= most_parked_blocks) return;
  free_marked(false);
  if (parked_bytes_ <= most_parked_bytes && parked_.size() <= most_parked_blocks) return;
  mark_on_context();
  free_marked(false);
}

template <class IsFreed>
void Reclaimer::remove_if(const IsFreed& is_freed) {
  for (auto at = parked_.begin(); at != parked_.end();) {
    if (!is_freed(*at)) {
      ++at;
      continue;
    }
    parked_bytes_ -= at->bytes;
    at = parked_.erase(at);
  }
  parked_blocks_ = parked_.size();
}

void Reclaimer::settle(cudaStream_t stream, StreamId id) {
  const std::lock_guard lock(mutex_);
  Event here;  // one event for all blocks
  for (RetiredBlock& block : parked_) {
    if (!block.consumers.uses(id)) continue;
    if (!here) here = context_.events().record(stream);
    block.uses.push_back({id, {here, 0}});
    std::erase(block.consumers.streams, id);  // last: the event replaces it
  }
  remove_if([&](const RetiredBlock& block) {
    const bool waits =
        block.consumers.any() || block.uses.front().stream != id || !all_on_one_stream(block);
    return !waits && is_freed_now(block, stream);
  });
  free_marked(true);
}

void Reclaimer::free_marked(bool only_ended) {
  std::vector<StreamId> busy;  // each is queried once
  remove_if([&](RetiredBlock& block) {
    if (block.consumers.legacy) mark_on_legacy(block);
    if (block.consumers.any()) return false;
    // The last work is on a caller's stream, which will be named again.
    if (only_ended && all_on_one_stream(block)) {
      const StreamId stream = block.uses.front().stream;
      if (std::ranges::find(busy, stream) != busy.end()) return false;
      if (!have_ended(block.uses)) {
        busy.push_back(stream);
        return false;
      }
    }
    return is_freed_after_its_uses(block);
  });
}

void Reclaimer::mark_on_context() {
  if (!driver().record_context || context_.knows_of_a_capture()) return;
  Event everything = context_.events().take();
  if (driver().record_context(context_.primary(), everything.get()) != CUDA_SUCCESS) return;
  for (RetiredBlock& block : parked_) {
    // This event covers those recorded before it, too.
    block.uses.assign(1, {0, {everything, 0}});
    block.consumers = {};
  }
}

void Reclaimer::make_room(cudaStream_t stream) {
  const std::lock_guard lock(mutex_);
  if (!parked_.empty()) free_marked(true);
  const auto forget_oldest = [&] {
    bytes_on_their_way_ -= on_their_way_.front().bytes;
    on_their_way_.pop_front();
  };
  while (!on_their_way_.empty() && has_ended(on_their_way_.front().freed)) forget_oldest();
  const std::int64_t most_bytes = context_.memory_bytes() / 32;
  while (bytes_on_their_way_ > most_bytes || on_their_way_.size() > most_parked_blocks) {
    MULTIBUFFER_CUDA_CHECK(cudaStreamWaitEvent(stream, on_their_way_.front().freed.get()));
    forget_oldest();
  }
}

void Reclaimer::reclaim_everything(cudaStream_t stream) {
  {
    const std::lock_guard lock(mutex_);
    if (std::ranges::any_of(parked_, [](const auto& block) { return block.consumers.any(); }))
      mark_on_context();
    free_marked(false);
    on_their_way_.clear();
    bytes_on_their_way_ = 0;
  }
  // Blocks that are freed in the order of a stream are free once it has come to them.
  const auto wait_for = [](cudaStream_t freeing) {
    MULTIBUFFER_CUDA_CHECK(cudaStreamSynchronize(freeing));
  };
  std::ranges::for_each(streams_, wait_for);
  std::ranges::for_each(context_.own_streams(), wait_for);
  wait_for(stream);
}

std::int64_t Reclaimer::parked_bytes() const {
  const std::lock_guard lock(mutex_);
  return parked_bytes_;
}

}  // namespace multibuffer::cuda
