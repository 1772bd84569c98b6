#include "cuda/memory/stream_use.hpp"

#include <multibuffer/error.hpp>

#include "cuda/memory/check.hpp"

#include <algorithm>
#include <exception>

namespace multibuffer::cuda {

StreamUse::StreamUse(Context& context, cudaStream_t stream)
    : context_(context), stream_(stream), id_(context.named(stream)) {}

void StreamUse::add(DeviceMemory& memory, bool writes) {
  const auto known = std::ranges::find(blocks_, &memory, &Block::memory);
  if (known == blocks_.end())
    blocks_.push_back({&memory, writes});
  else
    known->writes = known->writes || writes;
}

void StreamUse::begin() {
  open_ = true;
  // All blocks are entered, or none: a thread that waited for one block while it holds another
  // could wait for a thread that waits for it. A stream that has waited in vain is not harmed.
  for (auto next = blocks_.begin(); next != blocks_.end();) {
    if (next->memory->try_enter(*this, next->writes)) {
      ++next;
      continue;
    }
    for (auto entered = blocks_.begin(); entered != next; ++entered)
      entered->memory->leave(*this, nullptr);
    next->memory->wait_to_enter(*this, next->writes);
    next = blocks_.begin();
  }
}

void StreamUse::leave(const LastUse* last) noexcept {
  open_ = false;
  for (const Block& block : blocks_) block.memory->leave(*this, last);
}

Event StreamUse::finish() {
  // cudaStreamPerThread is another stream on another thread. The end is then marked on the legacy
  // stream, which waits for all of them.
  const bool is_elsewhere = stream_ == cudaStreamPerThread && context_.id_of(stream_) != id_;
  cudaStream_t stream = is_elsewhere ? cudaStreamLegacy : stream_;
  const LastUse last{is_elsewhere ? context_.id_of(stream) : id_, context_.mark(stream)};
  leave(&last);
  return last.mark.event;
}

void StreamUse::finish_waited_for() noexcept { leave(nullptr); }

void StreamUse::end() {
  const DeviceGuard guard(context_);
  // A capture may have begun since `begin`.
  if (!context_.is_own(stream_) && state_of(stream_) != StreamState::ready) {
    open_ = false;
    for (const Block& block : blocks_) block.memory->leave_to_graph(*this);
    return;
  }
  finish();
}

StreamUse::~StreamUse() {
  if (!open_) return;
  try {
    const DeviceGuard guard(context_);
    try {
      end();
    } catch (const std::exception&) {
      // No event could be recorded, so the work must have ended before the use ends.
      ignore(cudaStreamSynchronize(stream_));
    }
  } catch (const std::exception&) {
    // CUDA may be shutting down. If not, whoever made the use has the device current.
    ignore(cudaStreamSynchronize(stream_));
  }
  if (open_) finish_waited_for();
}

bool is_foreign(const void* address, const std::vector<UsedMemory>& uses) {
  return std::ranges::none_of(
      uses, [&](const UsedMemory& used) { return used.memory->contains(address); });
}

WaitIfThrown::~WaitIfThrown() {
  if (is_on_ && std::uncaught_exceptions() > exceptions_) ignore(cudaStreamSynchronize(stream_));
}

}  // namespace multibuffer::cuda
