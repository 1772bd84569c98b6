#include "tests/fake_cuda/fake_cuda.hpp"
#include "tests/testing/own_work.hpp"

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
#include <thread>
#include <utility>
#include <vector>

struct Work {
  std::function<void()> run;
  bool frees = false;  ///< memory, which is done even if the context is lost
};

/// A stream: what has been enqueued and has not run yet.
struct CUstream_st {
  int device = 0;
  unsigned long long id = 0;
  bool blocking = false;   ///< synchronizes with the legacy stream
  bool destroyed = false;  ///< its work goes on
  std::deque<Work> waiting;
  std::uint64_t enqueued = 0;
  std::uint64_t done = 0;
  std::map<const CUstream_st*, std::uint64_t> waited_for;  ///< positions, by events
  CUgraph_st* captured = nullptr;  ///< what work goes to instead, between the calls that say so
};

/// What a stream was given while it was captured.
struct CUgraph_st {
  std::vector<std::function<void()>> work;
  cudaStreamCaptureMode mode = cudaStreamCaptureModeGlobal;
  std::thread::id thread;  ///< that began it
  bool is_invalid = false;
};
struct CUgraphExec_st : CUgraph_st {};

/// A point in several streams: of the legacy stream's, those are more than one.
struct CUevent_st {
  struct Point {
    CUstream_st* stream = nullptr;
    std::uint64_t position = 0;
  };
  std::vector<Point> points;
  bool is_captured = false;
};

/// A device's primary context.
struct CUctx_st {
  int device = 0;
  bool is_active = false;
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

/// Memory that a pool has, and that was freed at a point of a stream.
struct FreedBytes {
  CUstream_st* stream = nullptr;
  std::uint64_t position = 0;
  std::size_t bytes = 0;
};

struct DeviceState {
  CUstream_st legacy;
  CUctx_st context;
  std::map<std::thread::id, std::unique_ptr<CUstream_st>> per_thread;
  std::vector<FreedBytes> pool;  ///< to be had again
  std::int64_t pool_bytes = 0;   ///< with what is in use
  bool peers[fake_cuda::devices] = {};
  std::int64_t used = 0;
  std::int64_t limit = fake_cuda::memory_bytes;
  std::uint64_t threshold = 0;
};

/// The call that is made to fail.
struct Injection {
  bool is_on = false;
  fake_cuda::FailingCall::How how;
  int calls_before = 0;
  int seen = 0;
  std::string call;  ///< that has failed; empty before
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
  std::vector<CUstream_st*> captures;  ///< under way
  Injection injection;
  int retained = 0;
  fake_cuda::Counts counts;

  Machine() {
    const char* asked = std::getenv("MULTIBUFFER_FAKE_CUDA");
    if (asked && std::string_view(asked) == "eager") pace = Pace::eager;
    if (asked && std::string_view(asked) == "random") pace = Pace::random;
    for (int i = 0; i < fake_cuda::devices; ++i) {
      devices[i].context.device = i;
      devices[i].legacy.device = i;
      devices[i].legacy.id = ++streams;
    }
  }
};

Machine& machine() {
  static auto& instance = *new Machine;
  return instance;
}

/// What the machine allocates is not the library's.
class Lock {
 public:
  explicit Lock(std::recursive_mutex& mutex) : lock_(mutex) {}

 private:
  multibuffer::testing::OwnWork own_;
  std::lock_guard<std::recursive_mutex> lock_;
};

thread_local std::vector<CUctx_st*> current_contexts;
thread_local cudaError_t last_error = cudaSuccess;
thread_local cudaStreamCaptureMode capture_mode = cudaStreamCaptureModeGlobal;

cudaError_t result(cudaError_t error) {
  if (error != cudaSuccess) last_error = error;
  return error;
}

[[noreturn]] void fault(const char* what) {
  const Injection& injection = machine().injection;
  std::fprintf(stderr, "fake CUDA device: %s\n", what);
  if (!injection.call.empty())
    std::fprintf(stderr, "after call %d, %s, has failed\n", injection.calls_before,
                 injection.call.c_str());
  std::abort();
}

int current_device() { return current_contexts.empty() ? 0 : current_contexts.back()->device; }

void make_current(int device) {
  CUctx_st& context = machine().devices[device].context;
  context.is_active = true;
  if (current_contexts.empty()) current_contexts.push_back(nullptr);
  current_contexts.back() = &context;
}

/// A call of the runtime that needs a context: where there is none, it makes the current device's.
class Call {
 public:
  Call() : lock_(machine().mutex) { make_current(current_device()); }

 private:
  Lock lock_;
};

CUstream_st& stream_of(cudaStream_t stream) {
  DeviceState& device = machine().devices[current_device()];
  if (stream == nullptr || stream == cudaStreamLegacy) return device.legacy;
  if (stream == cudaStreamPerThread) {
    std::unique_ptr<CUstream_st>& own = device.per_thread[std::this_thread::get_id()];
    if (!own) {
      own = std::make_unique<CUstream_st>();
      own->device = current_device();
      own->id = ++machine().streams;
      own->blocking = true;
    }
    return *own;
  }
  if (stream->destroyed) fault("a call names a stream that was destroyed");
  return *stream;
}

/// Every stream of a device that synchronizes with its legacy stream.
template <class Each>
void for_blocking_streams(int device, const Each& each) {
  Machine& m = machine();
  for (const auto& stream : m.all_streams)
    if (stream->device == device && stream->blocking) each(*stream);
  for (const auto& [thread, stream] : m.devices[device].per_thread) each(*stream);
}

/// Ends a capture: what was done, or asked for, has no place in it.
cudaError_t spoil(CUstream_st& stream, cudaError_t error) {
  stream.captured->is_invalid = true;
  return result(error);
}

/// What a thread may not do while something is captured, unless its mode is relaxed.
bool forbidden_by_capture() {
  bool forbidden = false;
  for (CUstream_st* stream : machine().captures) {
    const CUgraph_st& graph = *stream->captured;
    const bool own = graph.thread == std::this_thread::get_id();
    const bool is_against_it = capture_mode != cudaStreamCaptureModeRelaxed &&
                               ((own && graph.mode != cudaStreamCaptureModeRelaxed) ||
                                (capture_mode == cudaStreamCaptureModeGlobal &&
                                 graph.mode == cudaStreamCaptureModeGlobal));
    if (!is_against_it) continue;
    stream->captured->is_invalid = true;
    forbidden = true;
  }
  return forbidden;
}

/// Using the legacy stream would be a dependency on the streams that synchronize with it.
bool legacy_is_blocked(const CUstream_st& stream) {
  if (&stream != &machine().devices[stream.device].legacy) return false;
  bool blocked = false;
  for_blocking_streams(stream.device, [&](CUstream_st& other) {
    if (!other.captured) return;
    other.captured->is_invalid = true;
    blocked = true;
  });
  return blocked;
}

void run_to(CUstream_st& stream, std::uint64_t position) {
  while (stream.done < position) {
    const Work work = std::move(stream.waiting.front());
    stream.waiting.pop_front();
    work.run();
    ++stream.done;
  }
}

/// Nothing that is queued runs any more, but that memory is freed, so that it can be counted.
void lose_queued_work(CUstream_st& stream) {
  for (; !stream.waiting.empty(); stream.waiting.pop_front(), ++stream.done)
    if (stream.waiting.front().frees) stream.waiting.front().run();
}

template <class Each>
void for_streams_of_all_devices(const Each& each) {
  Machine& m = machine();
  for (DeviceState& device : m.devices) {
    each(device.legacy);
    for (const auto& [thread, stream] : device.per_thread) each(*stream);
  }
  for (const auto& stream : m.all_streams) each(*stream);
}

constexpr std::string_view allocating_calls[] = {"cudaMalloc", "cudaMallocAsync", "cudaHostAlloc"};

/// The error with which a call of CUDA is made to fail, and then does nothing; or success. Every
/// function here that can fail asks. `on_device` is false for those that errors of devices do not
/// reach.
cudaError_t injected(const char* call, bool on_device = true) {
  if (multibuffer::testing::OwnWork::is_under_way()) return cudaSuccess;
  const Lock lock(machine().mutex);
  Injection& injection = machine().injection;
  if (!injection.is_on) return cudaSuccess;
  const fake_cuda::FailingCall::How& how = injection.how;
  if (how.is_sticky && !on_device) return cudaSuccess;
  if (!injection.call.empty()) return how.is_sticky ? result(how.error) : cudaSuccess;
  if (!how.only.empty() && how.only != call) return cudaSuccess;
  if (injection.seen++ < injection.calls_before) return cudaSuccess;
  injection.call = call;
  if (how.is_sticky) for_streams_of_all_devices(lose_queued_work);
  const bool allocates = std::ranges::find(allocating_calls, call) != std::end(allocating_calls);
  return result(allocates && !how.is_sticky ? cudaErrorMemoryAllocation : how.error);
}

/// The driver's numbers are those of the runtime.
CUresult injected_in_driver(const char* call, bool on_device = true) {
  return static_cast<CUresult>(injected(call, on_device));
}

/// What the device gets done while nobody waits for it.
void go_on() {
  Machine& m = machine();
  if (m.pace != Pace::random) return;
  const auto step = [&](CUstream_st& stream) {
    if (!stream.waiting.empty() && m.die() % 3 == 0) run_to(stream, stream.done + 1);
  };
  for_streams_of_all_devices(step);
}

/// Work of a blocking stream comes after all that the legacy stream has, and the other way round.
std::function<void()> after_blocking(const CUstream_st& stream, std::function<void()> work) {
  DeviceState& device = machine().devices[stream.device];
  std::vector<CUevent_st::Point> before;
  if (&stream == &device.legacy)
    for_blocking_streams(stream.device, [&](CUstream_st& other) {
      if (other.done < other.enqueued) before.push_back({&other, other.enqueued});
    });
  else if (stream.blocking && device.legacy.done < device.legacy.enqueued)
    before.push_back({&device.legacy, device.legacy.enqueued});
  if (before.empty()) return work;
  return [before = std::move(before), work = std::move(work)] {
    for (const CUevent_st::Point& point : before) run_to(*point.stream, point.position);
    work();
  };
}

void push(CUstream_st& stream, std::function<void()> work, bool frees = false) {
  if (stream.captured) return stream.captured->work.push_back(std::move(work));
  stream.waiting.push_back({after_blocking(stream, std::move(work)), frees});
  ++stream.enqueued;
  if (machine().pace == Pace::eager) run_to(stream, stream.enqueued);
  go_on();
}

/// What an event on a stream marks now: of the legacy stream, all that it waits for as well.
std::vector<CUevent_st::Point> points_of(CUstream_st& stream) {
  std::vector<CUevent_st::Point> points;
  if (&stream == &machine().devices[stream.device].legacy)
    for_blocking_streams(stream.device, [&](CUstream_st& other) {
      if (other.done < other.enqueued) points.push_back({&other, other.enqueued});
    });
  points.push_back({&stream, stream.enqueued});
  return points;
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

cudaError_t allocate(void** data, std::size_t bytes) {
  ++machine().counts.allocations;
  DeviceState& device = machine().devices[current_device()];
  const auto size = static_cast<std::int64_t>(bytes);
  if (size > device.limit - device.used) return result(cudaErrorMemoryAllocation);
  // Aligned as a device's allocations are.
  auto* begin = static_cast<std::byte*>(std::aligned_alloc(256, (bytes + 255) / 256 * 256));
  std::memset(begin, unwritten, bytes);
  add_block({begin, bytes, cudaMemoryTypeDevice, current_device()});
  device.used += size;
  *data = begin;
  return cudaSuccess;
}

/// Takes `bytes` of the pool that an allocation on `stream` may have at once, or else new ones.
void take_from_pool(const CUstream_st& stream, std::size_t bytes) {
  DeviceState& device = machine().devices[stream.device];
  const auto found = std::ranges::find_if(device.pool, [&](const FreedBytes& block) {
    const auto waited_for = stream.waited_for.find(block.stream);
    const bool is_there =
        block.stream == &stream || block.stream->done >= block.position ||
        (waited_for != stream.waited_for.end() && waited_for->second >= block.position);
    return is_there && block.bytes >= bytes;
  });
  if (found == device.pool.end()) {
    device.pool_bytes += static_cast<std::int64_t>(bytes);
    return;
  }
  // The rest of a larger block can be had again, too.
  found->bytes -= bytes;
  if (found->bytes == 0) device.pool.erase(found);
}

/// One side of a copy, and whether it was a block's when it was enqueued.
struct Side {
  const void* at = nullptr;
  bool is_known = false;
};

/// A copy once its turn has come.
void move_bytes(void* to, const void* from, std::size_t bytes, bool to_known, bool from_known) {
  for (const Side side : {Side{to, to_known}, Side{from, from_known}}) {
    const Block* block = block_at(side.at);
    if (!block && side.is_known) fault("a copy in memory that was given back before it ran");
    if (block && !block->contains(side.at, bytes)) fault("a copy beyond the end of a block");
  }
  std::memcpy(to, from, bytes);
}

cudaError_t copy(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind,
                 cudaStream_t handle) {
  const Call call;
  CUstream_st& stream = stream_of(handle);
  if (legacy_is_blocked(stream)) return result(cudaErrorStreamCaptureImplicit);
  const bool to_known = lies_in_one_block(to, bytes);
  const bool from_known = lies_in_one_block(from, bytes);
  if (kind == cudaMemcpyHostToDevice && !(to_known && from_known))
    return result(cudaErrorInvalidValue);
  if (kind == cudaMemcpyDeviceToHost && !(to_known && from_known))
    return result(cudaErrorInvalidValue);
  if (!to_known && !from_known) return result(cudaErrorInvalidValue);
  ++machine().counts.copies;
  push(stream, [=] { move_bytes(to, from, bytes, to_known, from_known); });
  // With pageable memory a copy is over when the call is.
  if (!to_known || !from_known) run_to(stream, stream.enqueued);
  return cudaSuccess;
}

CUresult CUDAAPI pointer_attributes(unsigned int count, CUpointer_attribute* which, void** answers,
                                    CUdeviceptr address) {
  if (const CUresult error = injected_in_driver("cuPointerGetAttributes")) return error;
  const Lock lock(machine().mutex);
  ++machine().counts.questions;
  const Block* block = block_at(reinterpret_cast<const void*>(address));
  for (unsigned int i = 0; i < count; ++i) {
    void* const answer = answers[i];
    switch (which[i]) {
      case CU_POINTER_ATTRIBUTE_RANGE_START_ADDR:
        *static_cast<CUdeviceptr*>(answer) =
            block ? reinterpret_cast<CUdeviceptr>(block->begin) : 0;
        break;
      case CU_POINTER_ATTRIBUTE_RANGE_SIZE:
        *static_cast<std::size_t*>(answer) = block ? block->bytes : 0;
        break;
      case CU_POINTER_ATTRIBUTE_MEMORY_TYPE:
        *static_cast<unsigned*>(answer) = !block ? 0
                                          : block->type == cudaMemoryTypeDevice
                                              ? CU_MEMORYTYPE_DEVICE
                                              : CU_MEMORYTYPE_HOST;
        break;
      case CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL:
        *static_cast<int*>(answer) = block ? block->device : -2;
        break;
      case CU_POINTER_ATTRIBUTE_IS_MANAGED:
        *static_cast<unsigned*>(answer) = 0;
        break;
      case CU_POINTER_ATTRIBUTE_DEVICE_POINTER:
        *static_cast<CUdeviceptr*>(answer) = block ? address : 0;
        break;
      default:
        return CUDA_ERROR_NOT_SUPPORTED;
    }
  }
  return CUDA_SUCCESS;
}

CUresult CUDAAPI device_get(CUdevice* device, int ordinal) {
  if (const CUresult error = injected_in_driver("cuDeviceGet")) return error;
  if (ordinal < 0 || ordinal >= fake_cuda::devices) return CUDA_ERROR_INVALID_DEVICE;
  *device = ordinal;
  return CUDA_SUCCESS;
}
CUresult CUDAAPI primary_retain(CUcontext* context, CUdevice device) {
  if (const CUresult error = injected_in_driver("cuDevicePrimaryCtxRetain")) return error;
  const Lock lock(machine().mutex);
  *context = &machine().devices[device].context;
  (*context)->is_active = true;
  ++machine().retained;
  return CUDA_SUCCESS;
}
CUresult CUDAAPI primary_release(CUdevice) {
  const Lock lock(machine().mutex);
  --machine().retained;
  return CUDA_SUCCESS;
}
CUresult CUDAAPI primary_state(CUdevice device, unsigned* flags, int* is_active) {
  if (const CUresult error = injected_in_driver("cuDevicePrimaryCtxGetState")) return error;
  const Lock lock(machine().mutex);
  *flags = 0;
  *is_active = machine().devices[device].context.is_active ? 1 : 0;
  return CUDA_SUCCESS;
}
CUresult CUDAAPI push_current(CUcontext context) {
  if (const CUresult error = injected_in_driver("cuCtxPushCurrent", false)) return error;
  const multibuffer::testing::OwnWork own;
  current_contexts.push_back(context);
  return CUDA_SUCCESS;
}
CUresult CUDAAPI pop_current(CUcontext* context) {
  const multibuffer::testing::OwnWork own;
  if (current_contexts.empty()) return CUDA_ERROR_INVALID_CONTEXT;
  *context = current_contexts.back();
  current_contexts.pop_back();
  return CUDA_SUCCESS;
}

/// Every stream of the device, destroyed ones too.
template <class Each>
void for_all_streams(int device, const Each& each) {
  Machine& m = machine();
  each(m.devices[device].legacy);
  for (const auto& [thread, stream] : m.devices[device].per_thread) each(*stream);
  for (const auto& stream : m.all_streams)
    if (stream->device == device) each(*stream);
}

CUresult CUDAAPI record_context(CUcontext context, CUevent event) {
  if (const CUresult error = injected_in_driver("cuCtxRecordEvent")) return error;
  const Lock lock(machine().mutex);
  bool is_capturing = false;
  for_all_streams(context->device, [&](CUstream_st& stream) {
    if (!stream.captured) return;
    stream.captured->is_invalid = true;
    is_capturing = true;
  });
  if (is_capturing) return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
  ++machine().counts.events;
  *event = {};
  for_all_streams(context->device, [&](CUstream_st& stream) {
    if (stream.done < stream.enqueued) event->points.push_back({&stream, stream.enqueued});
  });
  return CUDA_SUCCESS;
}

CUresult CUDAAPI stream_context(CUstream stream, CUcontext* context) {
  if (const CUresult error = injected_in_driver("cuStreamGetCtx")) return error;
  const Lock lock(machine().mutex);
  if (stream->destroyed) fault("a call names a stream that was destroyed");
  *context = &machine().devices[stream->device].context;
  return CUDA_SUCCESS;
}

struct DriverFunction {
  std::string_view name;
  void* function;
};
const DriverFunction driver_functions[] = {
    {"cuPointerGetAttributes", reinterpret_cast<void*>(&pointer_attributes)},
    {"cuStreamGetCtx", reinterpret_cast<void*>(&stream_context)},
    {"cuDeviceGet", reinterpret_cast<void*>(&device_get)},
    {"cuDevicePrimaryCtxRetain", reinterpret_cast<void*>(&primary_retain)},
    {"cuDevicePrimaryCtxRelease", reinterpret_cast<void*>(&primary_release)},
    {"cuDevicePrimaryCtxGetState", reinterpret_cast<void*>(&primary_state)},
    {"cuCtxPushCurrent", reinterpret_cast<void*>(&push_current)},
    {"cuCtxPopCurrent", reinterpret_cast<void*>(&pop_current)},
    {"cuCtxRecordEvent", reinterpret_cast<void*>(&record_context)},
};

}  // namespace

namespace fake_cuda {

cudaError_t launch(cudaStream_t stream, std::function<void()> work, const void* out) {
  if (const cudaError_t error = injected("cudaLaunchKernel")) return error;
  enqueue(stream, std::move(work), out);
  return cudaSuccess;
}

void enqueue(cudaStream_t handle, std::function<void()> work, const void* out) {
  const Call call;
  CUstream_st& stream = stream_of(handle);
  if (legacy_is_blocked(stream)) return;  // and the next call that can says so
  if (out && stream.device != current_device())
    fault("a kernel is launched on a stream of another device");
  const Block* block = block_at(out);
  if (block && block->type == cudaMemoryTypeDevice && block->device != stream.device &&
      !machine().devices[stream.device].peers[block->device])
    fault("a kernel writes to the memory of a device that it has no access to");
  ++machine().counts.launches;
  push(stream, [out, is_known = block != nullptr, work = std::move(work)] {
    if (is_known && !block_at(out)) fault("a kernel writes to memory that was given back before");
    work();
  });
}

bool has_context(int ordinal) {
  const Lock lock(machine().mutex);
  return machine().devices[ordinal].context.is_active;
}

std::int64_t pool_bytes(int ordinal) {
  const Lock lock(machine().mutex);
  return machine().devices[ordinal].pool_bytes;
}

bool is_random() { return machine().pace == Pace::random; }

void finish_all() {
  const Lock lock(machine().mutex);
  for_streams_of_all_devices([](CUstream_st& stream) { run_to(stream, stream.enqueued); });
}

Live live() {
  const Lock lock(machine().mutex);
  Machine& m = machine();
  Live all;
  for (const auto& [end, block] : m.blocks)
    (block.type == cudaMemoryTypeDevice ? all.device_bytes : all.page_locked_bytes) +=
        static_cast<std::int64_t>(block.bytes);
  all.streams = static_cast<int>(
      std::ranges::count_if(m.all_streams, [](const auto& stream) { return !stream->destroyed; }));
  all.events = m.counts.events_made;
  all.retained_contexts = m.retained;
  all.current_contexts = static_cast<int>(current_contexts.size());
  all.is_relaxed = capture_mode == cudaStreamCaptureModeRelaxed;
  return all;
}

FailingCall::FailingCall(int number, const How& how) {
  const Lock lock(machine().mutex);
  machine().injection = {true, how, number, 0, {}};
}

FailingCall::~FailingCall() {
  const Lock lock(machine().mutex);
  machine().injection = {};
}

int FailingCall::seen() const {
  const Lock lock(machine().mutex);
  return machine().injection.seen;
}

std::string FailingCall::call() const {
  const Lock lock(machine().mutex);
  return machine().injection.call;
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
  switch (error) {
    case cudaErrorMemoryAllocation:
      return "cudaErrorMemoryAllocation";
    case cudaErrorIllegalAddress:
      return "cudaErrorIllegalAddress";
    case cudaErrorLaunchFailure:
      return "cudaErrorLaunchFailure";
    case cudaErrorUnknown:
      return "cudaErrorUnknown";
    default:
      return "an error";
  }
}
const char* cudaGetErrorString(cudaError_t error) { return cudaGetErrorName(error); }
cudaError_t cudaDriverGetVersion(int* version) {
  *version = CUDART_VERSION;
  return cudaSuccess;
}

// ---- Devices

cudaError_t cudaGetDeviceCount(int* count) {
  if (const cudaError_t error = injected(__func__)) return error;
  *count = fake_cuda::devices;
  return cudaSuccess;
}
cudaError_t cudaGetDevice(int* device) {
  if (const cudaError_t error = injected(__func__)) return error;
  *device = current_device();
  return cudaSuccess;
}
cudaError_t cudaSetDevice(int device) {
  if (const cudaError_t error = injected(__func__)) return error;
  if (device < 0 || device >= fake_cuda::devices) return result(cudaErrorInvalidDevice);
  const Lock lock(machine().mutex);
  make_current(device);
  return cudaSuccess;
}
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int) {
  if (const cudaError_t error = injected(__func__)) return error;
  const Lock lock(machine().mutex);
  ++machine().counts.questions;
  *properties = {};
  std::strcpy(properties->name, "no GPU, but host memory that takes its place");
  properties->totalGlobalMem = fake_cuda::memory_bytes;
  return cudaSuccess;
}
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int) {
  if (const cudaError_t error = injected(__func__)) return error;
  const Lock lock(machine().mutex);
  ++machine().counts.questions;
  *value = attribute == cudaDevAttrMemoryPoolsSupported ? 1 : 0;
  return cudaSuccess;
}
cudaError_t cudaDeviceCanAccessPeer(int* can, int device, int peer) {
  if (const cudaError_t error = injected(__func__)) return error;
  *can = device != peer ? 1 : 0;
  return cudaSuccess;
}
cudaError_t cudaDeviceEnablePeerAccess(int peer, unsigned int) {
  if (const cudaError_t error = injected(__func__)) return error;
  const Call call;
  machine().devices[current_device()].peers[peer] = true;
  return cudaSuccess;
}
cudaError_t cudaDeviceDisablePeerAccess(int peer) {
  if (const cudaError_t error = injected(__func__)) return error;
  const Call call;
  machine().devices[current_device()].peers[peer] = false;
  return cudaSuccess;
}
cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, const void*) {
  if (const cudaError_t error = injected(__func__)) return error;
  const Call call;
  *attributes = {};
  return cudaSuccess;
}
cudaError_t cudaMemGetInfo(std::size_t* free, std::size_t* total) {
  if (const cudaError_t error = injected(__func__)) return error;
  const Call call;
  ++machine().counts.questions;
  const DeviceState& device = machine().devices[current_device()];
  *free = static_cast<std::size_t>(device.limit - device.used);
  *total = static_cast<std::size_t>(device.limit);
  return cudaSuccess;
}

// ---- Memory

cudaError_t cudaDeviceGetDefaultMemPool(cudaMemPool_t* pool, int device) {
  if (const cudaError_t error = injected(__func__)) return error;
  *pool = reinterpret_cast<cudaMemPool_t>(&machine().devices[device]);
  return cudaSuccess;
}
cudaError_t cudaMemPoolGetAttribute(cudaMemPool_t pool, cudaMemPoolAttr attribute, void* value) {
  if (const cudaError_t error = injected(__func__)) return error;
  const Lock lock(machine().mutex);
  const auto& device = *reinterpret_cast<const DeviceState*>(pool);
  auto& answer = *static_cast<std::uint64_t*>(value);
  if (attribute == cudaMemPoolAttrReservedMemCurrent)
    answer = static_cast<std::uint64_t>(device.pool_bytes);
  else if (attribute == cudaMemPoolAttrUsedMemCurrent)
    answer = static_cast<std::uint64_t>(device.used);
  else
    answer = device.threshold;
  return cudaSuccess;
}
cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t pool, cudaMemPoolAttr, void* value) {
  if (const cudaError_t error = injected(__func__)) return error;
  reinterpret_cast<DeviceState*>(pool)->threshold = *static_cast<std::uint64_t*>(value);
  return cudaSuccess;
}
cudaError_t cudaMemPoolTrimTo(cudaMemPool_t pool, std::size_t) {
  if (const cudaError_t error = injected(__func__)) return error;
  const Lock lock(machine().mutex);
  auto& device = *reinterpret_cast<DeviceState*>(pool);
  std::erase_if(device.pool, [&](const FreedBytes& block) {
    if (block.stream->done < block.position) return false;
    device.pool_bytes -= static_cast<std::int64_t>(block.bytes);
    return true;
  });
  return cudaSuccess;
}
cudaError_t cudaMalloc(void** data, std::size_t bytes) {
  if (const cudaError_t error = injected(__func__)) return error;
  const Call call;
  if (forbidden_by_capture()) return result(cudaErrorStreamCaptureUnsupported);
  return allocate(data, bytes);
}
cudaError_t cudaMallocAsync(void** data, std::size_t bytes, cudaStream_t handle) {
  if (const cudaError_t error = injected(__func__)) return error;
  const Call call;
  CUstream_st& stream = stream_of(handle);
  if (stream.captured) return spoil(stream, cudaErrorStreamCaptureUnsupported);
  if (legacy_is_blocked(stream)) return result(cudaErrorStreamCaptureImplicit);
  const cudaError_t error = allocate(data, bytes);
  if (error != cudaSuccess) return error;
  take_from_pool(stream, bytes);
  // Until the stream is so far, the memory may still be that of a block that was freed on it.
  push(stream, [begin = static_cast<std::byte*>(*data), bytes] {
    const Block* block = block_at(begin);
    if (block && block->begin == begin) std::memset(begin, unwritten, bytes);
  });
  return error;
}
cudaError_t cudaFree(void* data) {
  if (const cudaError_t error = injected(__func__)) return error;
  const Call call;
  if (forbidden_by_capture()) return result(cudaErrorStreamCaptureUnsupported);
  const Block* block = block_at(data);
  if (!block) return result(cudaErrorInvalidValue);
  free_block(block->begin + block->bytes);
  return cudaSuccess;
}
cudaError_t cudaFreeAsync(void* data, cudaStream_t handle) {
  if (const cudaError_t error = injected(__func__)) return error;
  const Call call;
  CUstream_st& stream = stream_of(handle);
  if (stream.captured) return spoil(stream, cudaErrorStreamCaptureUnsupported);
  if (legacy_is_blocked(stream)) return result(cudaErrorStreamCaptureImplicit);
  const Block* block = block_at(data);
  if (!block) return result(cudaErrorInvalidValue);
  const std::size_t bytes = block->bytes;
  push(
      stream, [end = block->begin + block->bytes] { free_block(end); }, true);
  machine().devices[stream.device].pool.push_back({&stream, stream.enqueued, bytes});
  return cudaSuccess;
}
cudaError_t cudaHostAlloc(void** data, std::size_t bytes, unsigned int) {
  if (const cudaError_t error = injected(__func__)) return error;
  const Call call;
  if (forbidden_by_capture()) return result(cudaErrorStreamCaptureUnsupported);
  auto* begin = static_cast<std::byte*>(std::aligned_alloc(4096, (bytes + 4095) / 4096 * 4096));
  add_block({begin, bytes, cudaMemoryTypeHost, current_device()});
  *data = begin;
  return cudaSuccess;
}
cudaError_t cudaHostRegister(void* data, std::size_t bytes, unsigned int) {
  if (const cudaError_t error = injected(__func__)) return error;
  const Call call;
  add_block({static_cast<std::byte*>(data), bytes, cudaMemoryTypeHost, current_device()});
  return cudaSuccess;
}
cudaError_t cudaHostUnregister(void* data) {
  if (const cudaError_t error = injected(__func__)) return error;
  const Call call;
  const Block* block = block_at(data);
  if (!block) return result(cudaErrorInvalidValue);
  machine().blocks.erase(block->begin + block->bytes);
  return cudaSuccess;
}
cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void* address) {
  if (const cudaError_t error = injected(__func__)) return error;
  const Call call;
  ++machine().counts.questions;
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
  if (const cudaError_t error = injected(__func__)) return error;
  const auto* const found = std::ranges::find(driver_functions, name, &DriverFunction::name);
  const bool known = found != std::end(driver_functions);
  *function = known ? found->function : nullptr;
  *status = known ? cudaDriverEntryPointSuccess : cudaDriverEntryPointSymbolNotFound;
  return cudaSuccess;
}

// ---- Streams and events

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned int flags) {
  if (const cudaError_t error = injected(__func__)) return error;
  const Call call;
  Machine& m = machine();
  m.all_streams.push_back(std::make_unique<CUstream_st>());
  *stream = m.all_streams.back().get();
  (*stream)->device = current_device();
  (*stream)->id = ++m.streams;
  (*stream)->blocking = (flags & cudaStreamNonBlocking) == 0;
  return cudaSuccess;
}
cudaError_t cudaStreamDestroy(cudaStream_t handle) {
  if (const cudaError_t error = injected(__func__)) return error;
  const Call call;
  stream_of(handle).destroyed = true;
  return cudaSuccess;
}
cudaError_t cudaStreamGetId(cudaStream_t handle, unsigned long long* id) {
  if (const cudaError_t error = injected(__func__)) return error;
  const Call call;
  CUstream_st& stream = stream_of(handle);
  if (stream.captured) return spoil(stream, cudaErrorStreamCaptureUnsupported);
  *id = stream.id;
  return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t handle) {
  if (const cudaError_t error = injected(__func__)) return error;
  const Call call;
  CUstream_st& stream = stream_of(handle);
  if (stream.captured) return spoil(stream, cudaErrorStreamCaptureUnsupported);
  if (legacy_is_blocked(stream)) return result(cudaErrorStreamCaptureImplicit);
  if (forbidden_by_capture()) return result(cudaErrorStreamCaptureUnsupported);
  ++machine().counts.waits;
  for (const CUevent_st::Point& point : points_of(stream)) run_to(*point.stream, point.position);
  return cudaSuccess;
}
cudaError_t cudaStreamWaitEvent(cudaStream_t handle, cudaEvent_t event, unsigned int) {
  if (const cudaError_t error = injected(__func__)) return error;
  const Call call;
  CUstream_st& stream = stream_of(handle);
  if (stream.captured) return spoil(stream, cudaErrorStreamCaptureIsolation);
  if (legacy_is_blocked(stream)) return result(cudaErrorStreamCaptureImplicit);
  // Legal: the stream would join the capture. Nothing of this library's should.
  if (event->is_captured) fault("a stream is drawn into a capture");
  for (const CUevent_st::Point& point : event->points) {
    std::uint64_t& position = stream.waited_for[point.stream];
    position = std::max(position, point.position);
  }
  push(stream, [points = event->points] {
    for (const CUevent_st::Point& point : points) run_to(*point.stream, point.position);
  });
  return cudaSuccess;
}
cudaError_t cudaLaunchHostFunc(cudaStream_t stream, cudaHostFn_t function, void* argument) {
  if (const cudaError_t error = injected(__func__)) return error;
  fake_cuda::enqueue(stream, [=] { function(argument); });
  return cudaSuccess;
}
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned int) {
  if (const cudaError_t error = injected(__func__)) return error;
  const Call call;
  ++machine().counts.events_made;
  *event = new CUevent_st;
  return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t handle) {
  if (const cudaError_t error = injected(__func__)) return error;
  const Call call;
  CUstream_st& stream = stream_of(handle);
  if (stream.device != current_device()) return result(cudaErrorInvalidResourceHandle);
  if (legacy_is_blocked(stream)) return result(cudaErrorStreamCaptureImplicit);
  // Legal, but it marks nothing that anybody outside of the graph could wait for.
  event->is_captured = stream.captured != nullptr;
  if (stream.captured) return cudaSuccess;
  ++machine().counts.events;
  event->points = points_of(stream);
  return cudaSuccess;
}
cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  if (const cudaError_t error = injected(__func__)) return error;
  const Call call;
  if (event->is_captured) return result(cudaErrorCapturedEvent);
  if (forbidden_by_capture()) return result(cudaErrorStreamCaptureUnsupported);
  ++machine().counts.waits;
  for (const CUevent_st::Point& point : event->points) run_to(*point.stream, point.position);
  return cudaSuccess;
}
cudaError_t cudaEventQuery(cudaEvent_t event) {
  if (const cudaError_t error = injected(__func__)) return error;
  const Call call;
  if (event->is_captured) return result(cudaErrorCapturedEvent);
  if (forbidden_by_capture()) return result(cudaErrorStreamCaptureUnsupported);
  go_on();
  const bool has_ended = std::ranges::all_of(event->points, [](const CUevent_st::Point& point) {
    return point.stream->done >= point.position;
  });
  return has_ended ? cudaSuccess : result(cudaErrorNotReady);
}

// ---- Graphs

cudaError_t cudaThreadExchangeStreamCaptureMode(cudaStreamCaptureMode* mode) {
  if (const cudaError_t error = injected(__func__)) return error;
  const Call call;
  std::swap(capture_mode, *mode);
  return cudaSuccess;
}
cudaError_t cudaStreamIsCapturing(cudaStream_t handle, cudaStreamCaptureStatus* status) {
  if (const cudaError_t error = injected(__func__)) return error;
  const Call call;
  CUstream_st& stream = stream_of(handle);
  bool blocked = false;
  if (&stream == &machine().devices[stream.device].legacy)
    for_blocking_streams(stream.device, [&](const CUstream_st& other) {
      if (other.captured) blocked = true;
    });
  if (blocked) return result(cudaErrorStreamCaptureImplicit);
  *status = !stream.captured              ? cudaStreamCaptureStatusNone
            : stream.captured->is_invalid ? cudaStreamCaptureStatusInvalidated
                                          : cudaStreamCaptureStatusActive;
  return cudaSuccess;
}
cudaError_t cudaStreamBeginCapture(cudaStream_t handle, cudaStreamCaptureMode mode) {
  if (const cudaError_t error = injected(__func__)) return error;
  const Call call;
  CUstream_st& stream = stream_of(handle);
  if (&stream == &machine().devices[stream.device].legacy)
    return result(cudaErrorStreamCaptureUnsupported);
  stream.captured = new CUgraph_st;
  stream.captured->mode = mode;
  stream.captured->thread = std::this_thread::get_id();
  machine().captures.push_back(&stream);
  return cudaSuccess;
}
cudaError_t cudaStreamEndCapture(cudaStream_t handle, cudaGraph_t* graph) {
  if (const cudaError_t error = injected(__func__)) return error;
  const Call call;
  CUstream_st& stream = stream_of(handle);
  *graph = std::exchange(stream.captured, nullptr);
  std::erase(machine().captures, &stream);
  if (!(*graph)->is_invalid) return cudaSuccess;
  delete std::exchange(*graph, nullptr);
  return result(cudaErrorStreamCaptureInvalidated);
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph,
                                 unsigned long long) {
  if (const cudaError_t error = injected(__func__)) return error;
  *executable = new CUgraphExec_st{*graph};
  return cudaSuccess;
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t handle) {
  if (const cudaError_t error = injected(__func__)) return error;
  const Call call;
  CUstream_st& stream = stream_of(handle);
  if (legacy_is_blocked(stream)) return result(cudaErrorStreamCaptureImplicit);
  for (const std::function<void()>& work : executable->work) push(stream, work);
  return cudaSuccess;
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) {
  if (const cudaError_t error = injected(__func__)) return error;
  delete executable;
  return cudaSuccess;
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  if (const cudaError_t error = injected(__func__)) return error;
  delete graph;
  return cudaSuccess;
}

// ---- Copies

cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream) {
  if (const cudaError_t error = injected(__func__)) return error;
  return copy(to, from, bytes, kind, stream);
}
cudaError_t cudaMemsetAsync(void* data, int value, std::size_t bytes, cudaStream_t stream) {
  if (const cudaError_t error = injected(__func__)) return error;
  const Call call;
  if (!lies_in_one_block(data, bytes)) return result(cudaErrorInvalidValue);
  if (legacy_is_blocked(stream_of(stream))) return result(cudaErrorStreamCaptureImplicit);
  ++machine().counts.copies;
  push(stream_of(stream), [=] { std::memset(data, value, bytes); });
  return cudaSuccess;
}
#if CUDART_VERSION >= 13000
cudaError_t cudaMemcpyBatchAsync(void* const* to, const void* const* from, const std::size_t* bytes,
                                 std::size_t count, cudaMemcpyAttributes* attributes,
                                 std::size_t* first_with_them, std::size_t attribute_count,
                                 cudaStream_t stream) {
  if (const cudaError_t error = injected(__func__)) return error;
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
