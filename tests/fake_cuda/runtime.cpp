#include "tests/fake_cuda/fake_cuda.hpp"

#include <cuda.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <string_view>
#include <utility>
#include <vector>

/// A stream: what has been enqueued and has not run yet.
struct CUstream_st {
  int device = 0;
  unsigned long long id = 0;
  std::deque<std::function<void()>> waiting;
  std::uint64_t enqueued = 0;
  std::uint64_t done = 0;
  CUgraph_st* captured = nullptr;  ///< what work goes to instead, between the calls that say so
};

/// What a stream was given while it was captured.
struct CUgraph_st {
  std::vector<std::function<void()>> work;
};
struct CUgraphExec_st : CUgraph_st {};

/// A point in a stream.
struct CUevent_st {
  CUstream_st* stream = nullptr;
  std::uint64_t position = 0;
};

namespace {

enum class Pace { lazy, eager, random };

struct Block {
  std::byte* begin = nullptr;
  std::size_t bytes = 0;
  cudaMemoryType type = cudaMemoryTypeDevice;
  int device = 0;
  bool contains(const void* at, std::size_t count) const {
    const auto* first = static_cast<const std::byte*>(at);
    return first >= begin && count <= bytes &&
           static_cast<std::size_t>(first - begin) <= bytes - count;
  }
};

struct DeviceState {
  CUstream_st legacy, per_thread;
  std::int64_t used = 0;
  std::int64_t limit = fake_cuda::memory_bytes;
  std::uint64_t threshold = 0;
};

/// All of it under one lock: what a device does, too, is done by the thread that asks for it.
struct Machine {
  std::recursive_mutex mutex;
  Pace pace = Pace::lazy;
  std::mt19937 die{1};
  unsigned long long streams = 0;
  std::vector<std::unique_ptr<CUstream_st>> all_streams;  // work outlives its stream's handle
  DeviceState devices[fake_cuda::devices];
  std::map<const std::byte*, Block> blocks;  ///< by their end
  std::deque<Block> graveyard;               ///< what is freed, for a while
  std::size_t graveyard_bytes = 0;
  int captures = 0;  ///< under way
  fake_cuda::Counts counts;

  Machine() {
    const char* asked = std::getenv("MULTIBUFFER_FAKE_CUDA");
    if (asked && std::string_view(asked) == "eager") pace = Pace::eager;
    if (asked && std::string_view(asked) == "random") pace = Pace::random;
    for (int i = 0; i < fake_cuda::devices; ++i)
      for (CUstream_st* stream : {&devices[i].legacy, &devices[i].per_thread}) {
        stream->device = i;
        stream->id = ++streams;
      }
  }
};

Machine& machine() {
  static auto& instance = *new Machine;
  return instance;
}

using Lock = std::lock_guard<std::recursive_mutex>;

thread_local int current_device = 0;
thread_local cudaError_t last_error = cudaSuccess;

cudaError_t result(cudaError_t error) {
  if (error != cudaSuccess) last_error = error;
  return error;
}

[[noreturn]] void fault(const char* what) {
  std::fprintf(stderr, "fake CUDA device: %s\n", what);
  std::abort();
}

CUstream_st& stream_of(cudaStream_t stream) {
  DeviceState& device = machine().devices[current_device];
  if (stream == nullptr || stream == cudaStreamLegacy) return device.legacy;
  if (stream == cudaStreamPerThread) return device.per_thread;
  return *stream;
}

void run_to(CUstream_st& stream, std::uint64_t position) {
  while (stream.done < position) {
    const std::function<void()> work = std::move(stream.waiting.front());
    stream.waiting.pop_front();
    work();
    ++stream.done;
  }
}

/// What the device gets done while nobody waits for it.
void go_on() {
  Machine& m = machine();
  if (m.pace != Pace::random) return;
  for (const auto& stream : m.all_streams)
    if (!stream->waiting.empty() && m.die() % 3 == 0) run_to(*stream, stream->done + 1);
}

void push(CUstream_st& stream, std::function<void()> work) {
  if (stream.captured) return stream.captured->work.push_back(std::move(work));
  stream.waiting.push_back(std::move(work));
  ++stream.enqueued;
  if (machine().pace == Pace::eager) run_to(stream, stream.enqueued);
  go_on();
}

Block* block_at(const void* address) {
  auto& blocks = machine().blocks;
  const auto found = blocks.upper_bound(static_cast<const std::byte*>(address));
  if (found == blocks.end() || !found->second.contains(address, 1)) return nullptr;
  return &found->second;
}

bool lies_in_one_block(const void* begin, std::size_t bytes) {
  const Block* block = block_at(begin);
  return block && block->contains(begin, bytes);
}

void add_block(const Block& block) { machine().blocks[block.begin + block.bytes] = block; }

constexpr int unwritten = 0xa5;
constexpr int freed = 0xdd;
constexpr std::size_t most_freed_bytes = std::size_t{1} << 30;

void free_block(const std::byte* end) {
  Machine& m = machine();
  const Block block = m.blocks.at(end);
  m.blocks.erase(end);
  m.devices[block.device].used -= static_cast<std::int64_t>(block.bytes);
  std::memset(block.begin, freed, block.bytes);
  m.graveyard.push_back(block);
  m.graveyard_bytes += block.bytes;
  while (m.graveyard_bytes > most_freed_bytes) {
    m.graveyard_bytes -= m.graveyard.front().bytes;
    std::free(m.graveyard.front().begin);
    m.graveyard.pop_front();
  }
}

/// While a stream is captured in the strictest mode, no thread may wait, allocate or free.
bool forbidden_by_capture() { return machine().captures > 0; }

cudaError_t allocate(void** data, std::size_t bytes) {
  if (forbidden_by_capture()) return result(cudaErrorStreamCaptureUnsupported);
  ++machine().counts.allocations;
  DeviceState& device = machine().devices[current_device];
  const auto size = static_cast<std::int64_t>(bytes);
  if (size > device.limit - device.used) return result(cudaErrorMemoryAllocation);
  // Aligned as a device's allocations are.
  auto* begin = static_cast<std::byte*>(std::aligned_alloc(256, (bytes + 255) / 256 * 256));
  std::memset(begin, unwritten, bytes);
  add_block({begin, bytes, cudaMemoryTypeDevice, current_device});
  device.used += size;
  *data = begin;
  return cudaSuccess;
}

/// A copy once its turn has come.
void move_bytes(void* to, const void* from, std::size_t bytes) {
  for (const void* side : {static_cast<const void*>(to), from})
    if (const Block* block = block_at(side); block && !block->contains(side, bytes))
      fault("a copy beyond the end of a block");
  std::memcpy(to, from, bytes);
}

cudaError_t copy(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind,
                 cudaStream_t handle) {
  const Lock lock(machine().mutex);
  CUstream_st& stream = stream_of(handle);
  const bool to_known = lies_in_one_block(to, bytes);
  const bool from_known = lies_in_one_block(from, bytes);
  if (kind == cudaMemcpyHostToDevice && !(to_known && from_known))
    return result(cudaErrorInvalidValue);
  if (kind == cudaMemcpyDeviceToHost && !(to_known && from_known))
    return result(cudaErrorInvalidValue);
  if (!to_known && !from_known) return result(cudaErrorInvalidValue);
  ++machine().counts.copies;
  push(stream, [=] { move_bytes(to, from, bytes); });
  // With pageable memory a copy is over when the call is.
  if (!to_known || !from_known) run_to(stream, stream.enqueued);
  return cudaSuccess;
}

CUresult CUDAAPI pointer_attributes(unsigned int count, CUpointer_attribute* which, void** answers,
                                    CUdeviceptr address) {
  const Lock lock(machine().mutex);
  const Block* block = block_at(reinterpret_cast<const void*>(address));
  for (unsigned int i = 0; i < count; ++i) {
    if (which[i] == CU_POINTER_ATTRIBUTE_RANGE_START_ADDR)
      *static_cast<CUdeviceptr*>(answers[i]) =
          block ? reinterpret_cast<CUdeviceptr>(block->begin) : 0;
    else if (which[i] == CU_POINTER_ATTRIBUTE_RANGE_SIZE)
      *static_cast<std::size_t*>(answers[i]) = block ? block->bytes : 0;
    else
      return CUDA_ERROR_NOT_SUPPORTED;
  }
  return CUDA_SUCCESS;
}

}  // namespace

namespace fake_cuda {

void enqueue(cudaStream_t stream, std::function<void()> work) {
  const Lock lock(machine().mutex);
  ++machine().counts.launches;
  push(stream_of(stream), std::move(work));
}

Counts counts() {
  const Lock lock(machine().mutex);
  return machine().counts;
}

MemoryLimit::MemoryLimit(int ordinal, std::int64_t bytes) : ordinal_(ordinal) {
  const Lock lock(machine().mutex);
  machine().devices[ordinal].limit = bytes;
}

MemoryLimit::~MemoryLimit() {
  const Lock lock(machine().mutex);
  machine().devices[ordinal_].limit = memory_bytes;
}

}  // namespace fake_cuda

extern "C" {

cudaError_t cudaGetLastError() { return std::exchange(last_error, cudaSuccess); }
const char* cudaGetErrorName(cudaError_t error) {
  return error == cudaErrorMemoryAllocation ? "cudaErrorMemoryAllocation" : "an error";
}
const char* cudaGetErrorString(cudaError_t error) { return cudaGetErrorName(error); }
cudaError_t cudaDriverGetVersion(int* version) {
  *version = CUDART_VERSION;
  return cudaSuccess;
}

// ---- Devices

cudaError_t cudaGetDeviceCount(int* count) {
  *count = fake_cuda::devices;
  return cudaSuccess;
}
cudaError_t cudaGetDevice(int* device) {
  *device = current_device;
  return cudaSuccess;
}
cudaError_t cudaSetDevice(int device) {
  if (device < 0 || device >= fake_cuda::devices) return result(cudaErrorInvalidDevice);
  current_device = device;
  return cudaSuccess;
}
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int) {
  *properties = {};
  std::strcpy(properties->name, "no GPU, but host memory that takes its place");
  return cudaSuccess;
}
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int) {
  *value = attribute == cudaDevAttrMemoryPoolsSupported ? 1 : 0;
  return cudaSuccess;
}
cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, const void*) {
  *attributes = {};
  return cudaSuccess;
}
cudaError_t cudaMemGetInfo(std::size_t* free, std::size_t* total) {
  const Lock lock(machine().mutex);
  const DeviceState& device = machine().devices[current_device];
  *free = static_cast<std::size_t>(device.limit - device.used);
  *total = static_cast<std::size_t>(device.limit);
  return cudaSuccess;
}

// ---- Memory

cudaError_t cudaDeviceGetDefaultMemPool(cudaMemPool_t* pool, int device) {
  *pool = reinterpret_cast<cudaMemPool_t>(&machine().devices[device]);
  return cudaSuccess;
}
cudaError_t cudaMemPoolGetAttribute(cudaMemPool_t pool, cudaMemPoolAttr, void* value) {
  *static_cast<std::uint64_t*>(value) = reinterpret_cast<DeviceState*>(pool)->threshold;
  return cudaSuccess;
}
cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t pool, cudaMemPoolAttr, void* value) {
  reinterpret_cast<DeviceState*>(pool)->threshold = *static_cast<std::uint64_t*>(value);
  return cudaSuccess;
}
cudaError_t cudaMemPoolTrimTo(cudaMemPool_t, std::size_t) { return cudaSuccess; }
cudaError_t cudaMalloc(void** data, std::size_t bytes) {
  const Lock lock(machine().mutex);
  return allocate(data, bytes);
}
cudaError_t cudaMallocAsync(void** data, std::size_t bytes, cudaStream_t) {
  return cudaMalloc(data, bytes);
}
cudaError_t cudaFree(void* data) {
  const Lock lock(machine().mutex);
  const Block* block = block_at(data);
  if (!block) return result(cudaErrorInvalidValue);
  free_block(block->begin + block->bytes);
  return cudaSuccess;
}
cudaError_t cudaFreeAsync(void* data, cudaStream_t stream) {
  const Lock lock(machine().mutex);
  const Block* block = block_at(data);
  if (!block) return result(cudaErrorInvalidValue);
  push(stream_of(stream), [end = block->begin + block->bytes] { free_block(end); });
  return cudaSuccess;
}
cudaError_t cudaHostAlloc(void** data, std::size_t bytes, unsigned int) {
  const Lock lock(machine().mutex);
  auto* begin = static_cast<std::byte*>(std::aligned_alloc(4096, (bytes + 4095) / 4096 * 4096));
  add_block({begin, bytes, cudaMemoryTypeHost, current_device});
  *data = begin;
  return cudaSuccess;
}
cudaError_t cudaHostRegister(void* data, std::size_t bytes, unsigned int) {
  const Lock lock(machine().mutex);
  add_block({static_cast<std::byte*>(data), bytes, cudaMemoryTypeHost, current_device});
  return cudaSuccess;
}
cudaError_t cudaHostUnregister(void* data) {
  const Lock lock(machine().mutex);
  const Block* block = block_at(data);
  if (!block) return result(cudaErrorInvalidValue);
  machine().blocks.erase(block->begin + block->bytes);
  return cudaSuccess;
}
cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void* address) {
  const Lock lock(machine().mutex);
  *attributes = {};
  const Block* block = block_at(address);
  attributes->type = block ? block->type : cudaMemoryTypeUnregistered;
  if (!block) return cudaSuccess;
  attributes->device = block->device;
  attributes->devicePointer = const_cast<void*>(address);
  return cudaSuccess;
}
cudaError_t cudaGetDriverEntryPointByVersion(const char* name, void** function, unsigned int,
                                             unsigned long long,
                                             cudaDriverEntryPointQueryResult* status) {
  const bool known = std::string_view(name) == "cuPointerGetAttributes";
  *function = known ? reinterpret_cast<void*>(&pointer_attributes) : nullptr;
  *status = known ? cudaDriverEntryPointSuccess : cudaDriverEntryPointSymbolNotFound;
  return cudaSuccess;
}

// ---- Streams and events

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned int) {
  Machine& m = machine();
  const Lock lock(m.mutex);
  m.all_streams.push_back(std::make_unique<CUstream_st>());
  *stream = m.all_streams.back().get();
  (*stream)->device = current_device;
  (*stream)->id = ++m.streams;
  return cudaSuccess;
}
cudaError_t cudaStreamDestroy(cudaStream_t) { return cudaSuccess; }
cudaError_t cudaStreamGetId(cudaStream_t stream, unsigned long long* id) {
  const Lock lock(machine().mutex);
  *id = stream_of(stream).id;
  return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t handle) {
  const Lock lock(machine().mutex);
  if (forbidden_by_capture()) return result(cudaErrorStreamCaptureUnsupported);
  ++machine().counts.waits;
  CUstream_st& stream = stream_of(handle);
  run_to(stream, stream.enqueued);
  return cudaSuccess;
}
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned int) {
  const Lock lock(machine().mutex);
  if (stream_of(stream).captured) return result(cudaErrorStreamCaptureIsolation);
  if (event->stream)
    push(stream_of(stream),
         [from = event->stream, position = event->position] { run_to(*from, position); });
  return cudaSuccess;
}
cudaError_t cudaLaunchHostFunc(cudaStream_t stream, cudaHostFn_t function, void* argument) {
  fake_cuda::enqueue(stream, [=] { function(argument); });
  return cudaSuccess;
}
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned int) {
  *event = new CUevent_st;
  return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t handle) {
  const Lock lock(machine().mutex);
  CUstream_st& stream = stream_of(handle);
  if (stream.device != current_device) return result(cudaErrorInvalidResourceHandle);
  // It is legal, but marks nothing that anybody outside of the graph could wait for.
  if (stream.captured) return result(cudaErrorStreamCaptureUnsupported);
  ++machine().counts.events;
  *event = {&stream, stream.enqueued};
  return cudaSuccess;
}
cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  const Lock lock(machine().mutex);
  if (forbidden_by_capture()) return result(cudaErrorStreamCaptureUnsupported);
  ++machine().counts.waits;
  if (event->stream) run_to(*event->stream, event->position);
  return cudaSuccess;
}

// ---- Graphs

cudaError_t cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus* status) {
  const Lock lock(machine().mutex);
  *status =
      stream_of(stream).captured ? cudaStreamCaptureStatusActive : cudaStreamCaptureStatusNone;
  return cudaSuccess;
}
cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  const Lock lock(machine().mutex);
  stream_of(stream).captured = new CUgraph_st;
  ++machine().captures;
  return cudaSuccess;
}
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  const Lock lock(machine().mutex);
  *graph = std::exchange(stream_of(stream).captured, nullptr);
  --machine().captures;
  return cudaSuccess;
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph,
                                 unsigned long long) {
  *executable = new CUgraphExec_st{*graph};
  return cudaSuccess;
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream) {
  const Lock lock(machine().mutex);
  for (const std::function<void()>& work : executable->work) push(stream_of(stream), work);
  return cudaSuccess;
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) {
  delete executable;
  return cudaSuccess;
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete graph;
  return cudaSuccess;
}

// ---- Copies

cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream) {
  return copy(to, from, bytes, kind, stream);
}
cudaError_t cudaMemsetAsync(void* data, int value, std::size_t bytes, cudaStream_t stream) {
  const Lock lock(machine().mutex);
  if (!lies_in_one_block(data, bytes)) return result(cudaErrorInvalidValue);
  ++machine().counts.copies;
  push(stream_of(stream), [=] { std::memset(data, value, bytes); });
  return cudaSuccess;
}
#if CUDART_VERSION >= 13000
cudaError_t cudaMemcpyBatchAsync(void* const* to, const void* const* from, const std::size_t* bytes,
                                 std::size_t count, cudaMemcpyAttributes* attributes,
                                 std::size_t* first_with_them, std::size_t attribute_count,
                                 cudaStream_t stream) {
  if (stream == nullptr || stream == cudaStreamLegacy || attribute_count != 1 ||
      first_with_them[0] != 0 || attributes->srcAccessOrder != cudaMemcpySrcAccessOrderStream)
    return result(cudaErrorInvalidValue);
  for (std::size_t i = count; i-- > 0;)  // in no order that anybody could count on
    if (const cudaError_t error = copy(to[i], from[i], bytes[i], cudaMemcpyHostToDevice, stream))
      return error;
  return cudaSuccess;
}
#endif

}  // extern "C"
