#include "stream_use.hpp"

#include <multibuffer/error.hpp>

#include "check.hpp"

#include <algorithm>
#include <exception>
#include <functional>

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
  // In one order everywhere, so that two threads never wait for each other.
  std::ranges::sort(blocks_, std::less{}, &Block::memory);
  open_ = true;
  for (const Block& block : blocks_) block.memory->enter(*this, block.writes);
}

void StreamUse::leave(const LastUse* last) noexcept {
  open_ = false;
  for (const Block& block : blocks_) block.memory->leave(*this, last);
}

Event StreamUse::finish() {
  const LastUse last{id_, context_.mark(stream_)};
  leave(&last);
  return last.mark.event;
}

void StreamUse::finish_waited_for() noexcept { leave(nullptr); }

void StreamUse::end() {
  const DeviceGuard guard(context_);
  // A capture may have begun since.
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
      // No event could be recorded. Then nothing of this use may be left when it has ended.
      ignore(cudaStreamSynchronize(stream_));
    }
  } catch (const std::exception&) {
    // CUDA is shutting down.
  }
  if (open_) finish_waited_for();
}

}  // namespace multibuffer::cuda
