#include "device_memory.hpp"

#include "check.hpp"
#include "host/rounding.hpp"

#include <algorithm>
#include <exception>
#include <functional>

namespace multibuffer::cuda {
namespace {

cudaError_t allocate_once(const Context& context, std::byte*& data, std::int64_t bytes,
                          cudaStream_t stream) {
  void* block = nullptr;
  // In whole words: kernels read them where only a part is wanted.
  const std::size_t size = round_up(static_cast<std::size_t>(bytes), 16);
  const cudaError_t error =
      context.has_memory_pools() ? cudaMallocAsync(&block, size, stream) : cudaMalloc(&block, size);
  data = static_cast<std::byte*>(block);
  return error;
}

/// Gives the driver back what has been freed but not reused.
void trim(const Context& context) {
  // Blocks whose last use has not ended yet may be all that is in the way.
  MULTIBUFFER_CUDA_CHECK(cudaStreamSynchronize(context.reclaim_stream()));
  if (!context.has_memory_pools()) return;
  cudaMemPool_t pool = nullptr;
  MULTIBUFFER_CUDA_CHECK(cudaDeviceGetDefaultMemPool(&pool, context.ordinal()));
  MULTIBUFFER_CUDA_CHECK(cudaMemPoolTrimTo(pool, 0));
}

std::byte* allocate(const Context& context, std::int64_t bytes, cudaStream_t stream) {
  if (bytes == 0) return nullptr;
  std::byte* data = nullptr;
  cudaError_t error = allocate_once(context, data, bytes, stream);
  if (error == cudaErrorMemoryAllocation) {
    ignore(error);
    trim(context);
    error = allocate_once(context, data, bytes, stream);
  }
  if (error == cudaErrorMemoryAllocation) throw_out_of_device_memory(bytes);
  MULTIBUFFER_CUDA_CHECK(error);
  return data;
}

}  // namespace

DeviceMemory::DeviceMemory(Context& context, std::int64_t bytes, cudaStream_t stream)
    : Memory(allocate(context, bytes, stream), bytes), context_(context) {
  try {
    write_ = {id_of(stream), context.mark(stream)};
  } catch (...) {
    // No destructor will run, and nobody has used the block.
    if (data_) ignore(context.has_memory_pools() ? cudaFreeAsync(data_, stream) : cudaFree(data_));
    throw;
  }
}

std::vector<DeviceMemory::LastUse> DeviceMemory::last_uses() const {
  const std::lock_guard lock(mutex_);
  std::vector<LastUse> uses = reads_;
  uses.push_back(write_);
  return uses;
}

void DeviceMemory::wait() {
  // A failure of that work is reported by the calls that ask for its results; this one is used by
  // destructors.
  for (const LastUse& use : last_uses()) ignore(cudaEventSynchronize(use.mark.event.get()));
}

DeviceMemory::~DeviceMemory() {
  if (!data_) return;
  try {
    const DeviceGuard guard(context_.ordinal());
    if (!context_.has_memory_pools()) {
      wait();
      ignore(cudaFree(data_));
      return;
    }
    for (const LastUse& use : last_uses())
      ignore(cudaStreamWaitEvent(context_.reclaim_stream(), use.mark.event.get()));
    ignore(cudaFreeAsync(data_, context_.reclaim_stream()));
  } catch (const std::exception&) {
    // CUDA is shutting down and has freed everything.
  }
}

void DeviceMemory::order_after(cudaStream_t stream, StreamId id, bool writes) {
  const std::lock_guard lock(mutex_);
  const auto wait_for = [&](const LastUse& use) {
    if (use.stream != id) MULTIBUFFER_CUDA_CHECK(cudaStreamWaitEvent(stream, use.mark.event.get()));
  };
  wait_for(write_);
  if (writes) std::ranges::for_each(reads_, wait_for);
}

void DeviceMemory::note(const LastUse& use, bool wrote) {
  const std::lock_guard lock(mutex_);
  // Threads that share a stream may come here in another order than their work went there.
  const auto is_before = [&](const LastUse& other) {
    return other.stream != use.stream || other.mark.order < use.mark.order;
  };
  if (wrote) {
    if (!is_before(write_)) return;
    // It came after all reads, so who waits for it waits for them.
    write_ = use;
    std::erase_if(reads_, is_before);
    return;
  }
  const auto same = std::ranges::find(reads_, use.stream, &LastUse::stream);
  if (same == reads_.end())
    reads_.push_back(use);
  else if (is_before(*same))
    *same = use;
}

bool lies_in(const Memory& memory, const void* pointer) {
  const auto* at = static_cast<const std::byte*>(pointer);
  return !std::less{}(at, memory.data()) && std::less{}(at, memory.data() + memory.bytes());
}

StreamUse::StreamUse(Context& context, cudaStream_t stream)
    : context_(context), stream_(stream), id_(id_of(stream)) {}

void StreamUse::add(DeviceMemory& memory, bool writes) {
  memory.order_after(stream_, id_, writes);
  blocks_.emplace_back(&memory, writes);
}

Event StreamUse::finish() {
  finished_ = true;
  const Mark mark = context_.mark(stream_);
  for (const auto& [memory, wrote] : blocks_) memory->note({id_, mark}, wrote);
  return mark.event;
}

StreamUse::~StreamUse() {
  if (finished_) return;
  try {
    finish();
  } catch (const std::exception&) {
    // Then the stream itself has failed, and nothing more will run on it.
  }
}

}  // namespace multibuffer::cuda
