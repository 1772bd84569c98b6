#include "cuda/memory/device_memory.hpp"

#include <multibuffer/error.hpp>

#include "cuda/memory/check.hpp"
#include "cuda/memory/stream_use.hpp"
#include "host/support/rounding.hpp"

#include <algorithm>
#include <exception>
#include <functional>
#include <new>
#include <optional>
#include <utility>

namespace multibuffer::cuda {
namespace {

cudaError_t allocate_once(const Context& context, std::byte*& data, std::int64_t bytes,
                          cudaStream_t stream) {
  void* block = nullptr;
  // Rounded up to whole words, which kernels read even if they want only a part.
  const std::size_t size = round_up(static_cast<std::size_t>(bytes), 16);
  const cudaError_t error =
      context.has_memory_pools() ? cudaMallocAsync(&block, size, stream) : cudaMalloc(&block, size);
  data = static_cast<std::byte*>(block);
  return error;
}

/// Waits for memory that is to be freed after work which has not ended yet, and returns what was
/// freed and not reused to the driver.
void trim(Context& context, cudaStream_t stream) {
  context.reclaimer().reclaim_everything(stream);
  if (!context.has_memory_pools()) return;
  cudaMemPool_t pool = nullptr;
  MULTIBUFFER_CUDA_CHECK(cudaDeviceGetDefaultMemPool(&pool, context.ordinal()));
  MULTIBUFFER_CUDA_CHECK(cudaMemPoolTrimTo(pool, 0));
}

std::byte* allocate(Context& context, std::int64_t bytes, cudaStream_t stream) {
  context.named(stream);
  if (bytes == 0) return nullptr;
  context.reclaimer().make_room(stream);
  std::byte* data = nullptr;
  cudaError_t error = allocate_once(context, data, bytes, stream);
  if (error == cudaErrorMemoryAllocation) {
    ignore(error);
    trim(context, stream);
    error = allocate_once(context, data, bytes, stream);
  }
  if (error == cudaErrorMemoryAllocation) throw_out_of_device_memory(bytes);
  if (error != cudaSuccess)
    throw_cuda_failure(error, context.has_memory_pools() ? "cudaMallocAsync" : "cudaMalloc",
                       __FILE__, __LINE__);
  return data;
}

}  // namespace

DeviceMemory::DeviceMemory(Context& context, std::int64_t bytes, cudaStream_t stream)
    : Memory(nullptr, bytes), context_(context), retired_(1) {
  reads_.reserve(1);  // in the destructor for the last write
  data_ = allocate(context, bytes, stream);
  try {
    write_ = {context.id_of(stream), context.mark(stream)};
  } catch (...) {
    // No destructor will run, and nobody has used the block.
    if (data_) ignore(context.has_memory_pools() ? cudaFreeAsync(data_, stream) : cudaFree(data_));
    throw;
  }
}

DeviceMemory::~DeviceMemory() {
  if (!data_) return;
  reads_.push_back(write_);  // there is room
  retired_.front() = {data_, bytes_, std::move(reads_), std::move(consumers_)};
  try {
    const DeviceGuard guard(context_);
    context_.reclaimer().retire(std::move(retired_));
  } catch (const std::exception&) {
    // CUDA may be shutting down, and has freed everything then.
    context_.reclaimer().keep(std::move(retired_));
  }
}

bool DeviceMemory::wait() noexcept {
  const auto is_over = [](const LastUse& use) {
    const cudaError_t error = cudaEventSynchronize(use.mark.event.get());
    ignore(error);
    // Calls that ask for the work's results report its failure.
    return error < cudaErrorStreamCaptureUnsupported || error > cudaErrorStreamCaptureWrongThread;
  };
  std::optional<DeviceGuard> guard;
  try {
    guard.emplace(context_);
  } catch (const std::exception&) {
    // Events can be waited for without it, but for a thread that captures.
  }
  std::unique_lock lock(mutex_);
  wait_for_others(lock, {.writes = true});
  std::vector<LastUse> uses;
  try {
    uses.reserve(reads_.size() + 1);
  } catch (const std::bad_alloc&) {
    // Others then wait for the device as well.
    return is_over(write_) && std::ranges::all_of(reads_, is_over);
  }
  uses = reads_;
  uses.push_back(write_);
  lock.unlock();
  return std::ranges::all_of(uses, is_over);
}

void DeviceMemory::wait_for_contents() {
  Event written;
  {
    std::unique_lock lock(mutex_);
    wait_for_others(lock, {});
    written = write_.mark.event;
  }
  const DeviceGuard guard(context_);
  MULTIBUFFER_CUDA_CHECK(cudaEventSynchronize(written.get()));
}

void DeviceMemory::hand_over(cudaStream_t stream, bool ordered) {
  const StreamState state = state_of(stream);
  const bool ready = state == StreamState::ready;
  if (ordered && !ready) wait_for_contents();
  const StreamId id = ready ? context_.named(stream) : 0;
  std::unique_lock lock(mutex_);
  if (stream == cudaStreamLegacy || stream == cudaStreamPerThread)
    consumers_.legacy = true;
  else if (!ready)
    consumers_.unnamed = true;
  else if (!context_.is_own(stream))  // nobody else has the handle of an own one
    consumers_.add(id);
  if (!ordered || !ready) return;
  const Coming reading{.writes = false, .stream = id};
  refuse_own(reading);
  wait_for_others(lock, reading);
  order(stream, id, false);
}

bool DeviceMemory::conflicts(const OpenUse& open, const Coming& coming) const {
  if (!open.writes && !coming.writes) return false;
  return open.thread != std::this_thread::get_id() || open.stream != coming.stream;
}

void DeviceMemory::refuse_own(const Coming& coming) const {
  const bool has_one = std::ranges::any_of(open_, [&](const OpenUse& open) {
    return open.thread == std::this_thread::get_id() && conflicts(open, coming);
  });
  if (has_one)
    throw Failure(Errc::invalid_argument,
                  "this thread has an access to the memory open on another stream, and one of the "
                  "two writes: end it first");
}

bool DeviceMemory::others_conflict(const Coming& coming) const {
  return std::ranges::any_of(open_, [&](const OpenUse& open) {
    return open.thread != std::this_thread::get_id() && conflicts(open, coming);
  });
}

void DeviceMemory::wait_for_others(std::unique_lock<std::mutex>& lock, const Coming& coming) {
  left_.wait(lock, [&] { return !others_conflict(coming); });
}

void DeviceMemory::order(cudaStream_t stream, StreamId id, bool writes) {
  const auto wait_for_use = [&](const LastUse& use) {
    if (use.stream != id) MULTIBUFFER_CUDA_CHECK(cudaStreamWaitEvent(stream, use.mark.event.get()));
  };
  wait_for_use(write_);
  if (!writes) return;
  std::ranges::for_each(reads_, wait_for_use);
  // The event covers consumers on the legacy stream. Those on other streams cannot be asked, and
  // declare their work themselves (`Access`).
  if (consumers_.legacy && stream != cudaStreamLegacy &&
      state_of(cudaStreamLegacy) == StreamState::ready)
    wait_for_use({context_.id_of(cudaStreamLegacy), context_.mark(cudaStreamLegacy)});
}

void DeviceMemory::forget_ended_reads() {
  if (reads_.size() < most_reads_) return;
  std::erase_if(reads_, [](const LastUse& read) { return has_ended(read.mark.event); });
  most_reads_ = std::max(fewest_reads, 2 * reads_.size());
}

bool DeviceMemory::try_enter(const StreamUse& use, bool writes) {
  const std::lock_guard lock(mutex_);
  const Coming coming{writes, use.id()};
  refuse_own(coming);
  if (others_conflict(coming)) return false;
  forget_ended_reads();
  // There must be room, since `note` and the destructor cannot fail.
  reads_.reserve(reads_.size() + open_.size() + 2);
  open_.push_back({&use, std::this_thread::get_id(), use.id(), writes});
  try {
    order(use.stream(), use.id(), writes);
  } catch (...) {
    // The use's end must not stand for work that its stream does not wait for.
    open_.pop_back();
    throw;
  }
  return true;
}

void DeviceMemory::wait_to_enter(const StreamUse& use, bool writes) {
  std::unique_lock lock(mutex_);
  wait_for_others(lock, {writes, use.id()});
}

void DeviceMemory::leave(const StreamUse& use, const LastUse* last) noexcept {
  {
    const std::lock_guard lock(mutex_);
    const auto open = std::ranges::find(open_, &use, &OpenUse::use);
    if (open == open_.end()) return;
    const bool wrote = open->writes;
    open_.erase(open);
    if (last) note(*last, wrote);
  }
  left_.notify_all();
}

void DeviceMemory::leave_to_graph(const StreamUse& use) noexcept {
  {
    const std::lock_guard lock(mutex_);
    std::erase_if(open_, [&](const OpenUse& open) { return open.use == &use; });
    consumers_.unnamed = true;
  }
  left_.notify_all();
}

void DeviceMemory::note(const LastUse& last, bool wrote) noexcept {
  // Threads that share a stream may come here in another order than their work was enqueued.
  const auto is_before = [&](const LastUse& other) {
    return other.stream != last.stream || other.mark.order < last.mark.order;
  };
  if (wrote) {
    // This write comes after all reads: each ended its use before, or is on the same stream. So
    // whoever waits for the write waits for them.
    write_ = last;
    std::erase_if(reads_, is_before);
    return;
  }
  const auto same = std::ranges::find(reads_, last.stream, &LastUse::stream);
  if (same == reads_.end())
    reads_.push_back(last);
  else if (is_before(*same))
    *same = last;
}

}  // namespace multibuffer::cuda
