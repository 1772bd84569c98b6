#include <multibuffer/error.hpp>

#include "cuda/bad_index.hpp"
#include "cuda/gather_launch.hpp"
#include "cuda/kernels/compare.hpp"
#include "cuda/kernels/describe_kernel.hpp"
#include "cuda/kernels/launch.hpp"
#include "cuda/memory/check.hpp"
#include "cuda/memory/context.hpp"
#include "cuda/memory/device_memory.hpp"
#include "cuda/memory/driver.hpp"
#include "cuda/memory/staging.hpp"
#include "cuda/memory/stream_use.hpp"
#include "cuda/prepared_copy.hpp"
#include "cuda/ragged_launch.hpp"
#include "cuda/upload/pointers.hpp"
#include "cuda/upload/upload.hpp"
#include "host/backend/backend.hpp"
#include "host/support/text.hpp"

#include <algorithm>
#include <exception>
#include <map>
#include <mutex>

namespace multibuffer {
namespace cuda {
namespace {

Address address_of(const void* pointer) { return reinterpret_cast<std::uintptr_t>(pointer); }

std::int64_t free_bytes_in(CUcontext primary) {
  const DeviceGuard guard(primary);
  std::size_t free = 0;
  std::size_t total = 0;
  MULTIBUFFER_CUDA_CHECK(cudaMemGetInfo(&free, &total));
  return static_cast<std::int64_t>(free);
}

/// Returns the free memory of a device; nothing if nobody in this process has made its primary
/// context.
std::optional<std::int64_t> free_bytes_of(int ordinal) {
  const Driver& driver = cuda::driver();
  CUdevice device = 0;
  unsigned flags = 0;
  int is_active = 0;
  if (!driver.has_contexts() || !driver.primary_state) return {};
  if (driver.device_get(&device, ordinal) || driver.primary_state(device, &flags, &is_active))
    return {};
  CUcontext primary = nullptr;
  if (!is_active || driver.primary_retain(&primary, device)) return {};
  std::optional<std::int64_t> free;
  try {
    free = free_bytes_in(primary);
  } catch (const std::exception&) {
    // The free memory is then unknown.
  }
  static_cast<void>(driver.primary_release(device));
  return free;
}

/// A pending gather into memory that is not the library's.
class PendingEvent final : public PendingWork {
 public:
  PendingEvent(const Context& context, Event done) : context_(context), done_(std::move(done)) {}
  void wait() override {
    const DeviceGuard guard(context_);
    MULTIBUFFER_CUDA_CHECK(cudaEventSynchronize(done_.get()));
  }

 private:
  const Context& context_;
  Event done_;
};

class CudaBackend final : public Backend {
 public:
  explicit CudaBackend(int ordinal)
      : context_(ordinal, any_gather_kernel()),
        ring_(context_),
        uploader_(context_, ring_,
                  [this](const CopyPlan& plan, cudaStream_t stream) { launch(plan, 0, stream); }),
        bad_index_words_(context_) {}

  DeviceKind kind() const override { return DeviceKind::cuda; }
  int ordinal() const override { return context_.ordinal(); }
  DeviceInfo info() const override;
  std::shared_ptr<Memory> allocate(std::int64_t bytes, StreamRef stream) override;
  void upload(const Placement& placement, const std::vector<std::int64_t>& table_offsets,
              Memory& arena, StreamRef stream, const Watch& watch) override;
  void write(Memory& to, std::int64_t offset, const void* from, std::int64_t bytes,
             StreamRef stream) override;
  void read(void* to, Memory* block, const std::byte* from, std::int64_t bytes) override;
  std::shared_ptr<PendingWork> copy(const CopyPlan& plan, bool check,
                                    const std::vector<UsedMemory>& uses, StreamRef stream,
                                    const Watch& watch) override;
  std::shared_ptr<PreparedCopy> prepare(const CopyPlan& plan, bool check,
                                        std::vector<UsedMemory> uses, StreamRef stream) override;
  std::shared_ptr<PendingWork> copy_ragged(const RaggedPlan& plan, bool check,
                                           const std::vector<UsedMemory>& uses, StreamRef stream,
                                           const Watch& watch) override;
  std::shared_ptr<PreparedCopy> prepare_ragged(const RaggedPlan& plan, bool check,
                                               std::vector<UsedMemory> uses,
                                               StreamRef stream) override;
  FirstMismatch compare(const std::byte* actual, const std::byte* expected, std::int64_t elements,
                        std::int64_t itemsize,
                        const std::vector<std::shared_ptr<Memory>>& uses) override;
  PlanDescription describe(const CopyPlan& plan) override { return describe_kernel(plan); }
  PlanDescription describe(const RaggedPlan& plan) override { return describe_kernel(plan); }
  void check_in_place(const Placement& placement) override;
  void synchronize(StreamRef stream) override;
  void hand_over(Memory& memory, StreamRef stream, bool ordered) override;
  std::unique_ptr<MemoryUse> begin_use(const std::vector<UsedMemory>& blocks,
                                       StreamRef stream) override;

 private:
  void launch(const CopyPlan& plan, Address bad_index, cudaStream_t stream);
  /// Throws unless `uses` and the address that is written, if not null, lie on this device.
  void require_own(const std::byte* written, const std::vector<UsedMemory>& uses) const;

  Context context_;
  StagingRing ring_;
  Uploader uploader_;
  BadIndexWords bad_index_words_;
};

DeviceInfo CudaBackend::info() const {
  return {DeviceKind::cuda,       context_.ordinal(),      text("cuda:", context_.ordinal()),
          context_.description(), context_.memory_bytes(), free_bytes_in(context_.primary())};
}

std::shared_ptr<Memory> CudaBackend::allocate(std::int64_t bytes, StreamRef stream) {
  const DeviceGuard guard(context_);
  return std::make_shared<DeviceMemory>(context_, bytes, context_.stream(stream));
}

void CudaBackend::upload(const Placement& placement, const std::vector<std::int64_t>& table_offsets,
                         Memory& arena, StreamRef handle, const Watch& watch) {
  stop_if_asked(watch);
  const DeviceGuard guard(context_);
  cudaStream_t stream = context_.stream(handle);
  StreamUse use(context_, stream);
  use.writes(static_cast<DeviceMemory&>(arena));
  use.begin();
  uploader_.upload(placement, table_offsets, arena.data(), stream, watch);
  use.finish();
}

void CudaBackend::write(Memory& to, std::int64_t offset, const void* from, std::int64_t bytes,
                        StreamRef handle) {
  const DeviceGuard guard(context_);
  cudaStream_t stream = context_.stream(handle);
  StreamUse use(context_, stream);
  use.writes(static_cast<DeviceMemory&>(to));
  use.begin();
  uploader_.write(to.data() + offset, static_cast<const std::byte*>(from), bytes, stream);
  use.finish();
}

void CudaBackend::read(void* to, Memory* block, const std::byte* from, std::int64_t bytes) {
  if (bytes == 0) return;
  const DeviceGuard guard(context_);
  cudaStream_t stream = context_.fetch_stream();
  const WaitIfThrown callers_memory(true, stream);
  StreamUse use(context_, stream);
  if (block) use.reads(static_cast<DeviceMemory&>(*block));
  use.begin();
  if (bytes < upload_thresholds::bytes_a_question || !is_page_locked(to, bytes)) {
    ring_.receive(static_cast<std::byte*>(to), from, bytes, stream);
  } else {
    MULTIBUFFER_CUDA_CHECK(
        cudaMemcpyAsync(to, from, static_cast<std::size_t>(bytes), cudaMemcpyDeviceToHost, stream));
    MULTIBUFFER_CUDA_CHECK(cudaStreamSynchronize(stream));
  }
  use.finish_waited_for();
}

void CudaBackend::launch(const CopyPlan& plan, Address bad_index, cudaStream_t stream) {
  const GatherLaunch launch(plan, bad_index, context_, ring_, stream);
  if (!launch.lists()) return launch(stream);
  StreamUse use(context_, stream);
  use.reads(*launch.lists());
  use.begin();
  launch(stream);
  use.finish();
}

bool any_is_written(const std::vector<UsedMemory>& uses) {
  return std::ranges::any_of(uses, &UsedMemory::writes);
}

void CudaBackend::require_own(const std::byte* written, const std::vector<UsedMemory>& uses) const {
  for (const UsedMemory& used : uses)
    if (const auto& block = static_cast<DeviceMemory&>(*used.memory);
        block.ordinal() != context_.ordinal())
      throw Failure(Errc::invalid_argument, text("memory of cuda:", block.ordinal(),
                                                 " in a gather on cuda:", context_.ordinal()));
  if (written && is_foreign(written, uses)) check_writable(written, context_);
}

/// The address that a plan writes to; null for one that writes nothing.
const std::byte* written_by(const CopyPlan& plan) {
  switch (plan.direction) {
    case Direction::gather:
      return plan.rows == 0 ? nullptr : plan.dense.base;
  }
  return nullptr;
}
const std::byte* written_by(const RaggedPlan& plan) {
  switch (plan.direction) {
    case Direction::gather:
      return plan.dense_bytes() == 0 ? nullptr : plan.dense.base;
  }
  return nullptr;
}

std::shared_ptr<PendingWork> CudaBackend::copy(const CopyPlan& plan, bool check,
                                               const std::vector<UsedMemory>& uses,
                                               StreamRef handle, const Watch& watch) {
  stop_if_asked(watch);
  if (plan.rows == 0) return nullptr;
  const DeviceGuard guard(context_);
  cudaStream_t stream = context_.stream(handle);
  const bool checked = check && plan.mode == IndexMode::raise && !plan.indices.empty();
  require_own(written_by(plan), uses);
  BadIndexWord word = checked ? bad_index_words_.take(stream) : BadIndexWord{};
  StreamUse use(context_, stream);  // must end before the word does
  const WaitIfThrown foreign_output(is_foreign(plan.dense.base, uses), stream);
  use.add(uses);
  if (checked) use.writes(*word.memory);
  use.begin();
  if (checked) word.prepare(stream);
  launch(plan, checked ? word.address() : 0, stream);
  Event done = use.finish();
  if (!checked) {
    if (any_is_written(uses)) return nullptr;
    return std::make_shared<PendingEvent>(context_, std::move(done));
  }
  return std::make_shared<BadIndexCheck>(context_, bad_index_words_, std::move(word),
                                         IndexReport{plan.indices}, uses, std::move(done));
}

std::shared_ptr<PreparedCopy> CudaBackend::prepare(const CopyPlan& plan, bool check,
                                                   std::vector<UsedMemory> uses, StreamRef stream) {
  const DeviceGuard guard(context_);
  require_own(written_by(plan), uses);
  return std::make_shared<CudaPreparedCopy>(context_, ring_, plan, check, std::move(uses), stream);
}

std::shared_ptr<PendingWork> CudaBackend::copy_ragged(const RaggedPlan& plan, bool check,
                                                      const std::vector<UsedMemory>& uses,
                                                      StreamRef handle, const Watch& watch) {
  stop_if_asked(watch);
  if (plan.dense_bytes() == 0 && !plan.indices) return nullptr;
  const DeviceGuard guard(context_);
  cudaStream_t stream = context_.stream(handle);
  const bool checked = check && plan.indices;
  require_own(written_by(plan), uses);
  BadIndexWord word = checked ? bad_index_words_.take(stream) : BadIndexWord{};
  const RaggedLaunch launch(plan, checked ? word.address() : 0, context_, ring_, stream);
  StreamUse use(context_, stream);  // must end before the word and the launch do
  const WaitIfThrown foreign_output(is_foreign(plan.dense.base, uses), stream);
  use.add(uses);
  if (launch.scratch()) use.writes(*launch.scratch());
  if (checked) use.writes(*word.memory);
  use.begin();
  if (checked) word.prepare(stream);
  launch(stream);
  Event done = use.finish();
  if (!checked) {
    if (any_is_written(uses)) return nullptr;
    return std::make_shared<PendingEvent>(context_, std::move(done));
  }
  return std::make_shared<BadIndexCheck>(context_, bad_index_words_, std::move(word),
                                         report_of(plan), uses, std::move(done));
}

std::shared_ptr<PreparedCopy> CudaBackend::prepare_ragged(const RaggedPlan& plan, bool check,
                                                          std::vector<UsedMemory> uses,
                                                          StreamRef stream) {
  const DeviceGuard guard(context_);
  require_own(written_by(plan), uses);
  return std::make_shared<CudaPreparedCopy>(context_, ring_, plan, check, std::move(uses), stream);
}

FirstMismatch CudaBackend::compare(const std::byte* actual, const std::byte* expected,
                                   std::int64_t elements, std::int64_t itemsize,
                                   const std::vector<std::shared_ptr<Memory>>& uses) {
  if (elements == 0) return {};
  const DeviceGuard guard(context_);
  cudaStream_t stream = context_.stream({});
  StreamUse use(context_, stream);
  for (const std::shared_ptr<Memory>& memory : uses)
    if (memory) use.reads(static_cast<DeviceMemory&>(*memory));
  use.begin();
  const Comparands arrays =
      comparands(address_of(actual), address_of(expected), elements, itemsize);
  const Difference difference = cuda::compare(arrays, stream);  // waits
  use.finish_waited_for();
  return {difference.mismatches, difference.mismatches == 0 ? -1 : difference.first};
}

void CudaBackend::check_in_place(const Placement& placement) {
  const DeviceGuard guard(context_);
  check_readable_in_place(placement, context_);
}

void CudaBackend::synchronize(StreamRef handle) {
  const DeviceGuard guard(context_);
  cudaStream_t stream = context_.stream(handle);
  context_.named(stream);
  MULTIBUFFER_CUDA_CHECK(cudaStreamSynchronize(stream));
}

void CudaBackend::hand_over(Memory& memory, StreamRef stream, bool ordered) {
  const DeviceGuard guard(context_);
  static_cast<DeviceMemory&>(memory).hand_over(context_.stream(stream), ordered);
}

/// A use on a stream that is being captured, where nothing runs before the graph does.
class GraphUse final : public MemoryUse {
 public:
  void end() override {}
};

std::unique_ptr<MemoryUse> CudaBackend::begin_use(const std::vector<UsedMemory>& blocks,
                                                  StreamRef handle) {
  const DeviceGuard guard(context_);
  cudaStream_t stream = context_.stream(handle);
  if (!context_.is_own(stream) && state_of(stream) == StreamState::capturing) {
    for (const UsedMemory& used : blocks) {
      if (used.writes) used.memory->wait();
      static_cast<DeviceMemory&>(*used.memory).hand_over(stream, true);
    }
    return std::make_unique<GraphUse>();
  }
  auto use = std::make_unique<StreamUse>(context_, stream);
  use->add(blocks);
  use->begin();
  return use;
}

/// Describes a device without making a context on it. Only an existing context knows the free
/// memory.
DeviceInfo describe_device(int ordinal) {
  cudaDeviceProp properties{};
  MULTIBUFFER_CUDA_CHECK(cudaGetDeviceProperties(&properties, ordinal));
  return {DeviceKind::cuda,
          ordinal,
          text("cuda:", ordinal),
          properties.name,
          static_cast<std::int64_t>(properties.totalGlobalMem),
          free_bytes_of(ordinal)};
}

}  // namespace
}  // namespace cuda

std::shared_ptr<Backend> open_cuda_backend(int ordinal) {
  // Never destroyed: arrays that outlive main still free their memory through it.
  static auto& mutex = *new std::mutex;
  static auto& backends = *new std::map<int, std::shared_ptr<Backend>>;
  const std::lock_guard lock(mutex);
  std::shared_ptr<Backend>& backend = backends[ordinal];
  if (!backend) backend = std::make_shared<cuda::CudaBackend>(ordinal);
  return backend;
}

CudaDevices list_cuda_devices() {
  CudaDevices result;
  int count = 0;
  const cudaError_t error = cudaGetDeviceCount(&count);
  if (error != cudaSuccess) {
    cuda::ignore(error);
    result.why_none = cuda::reason_text(error);
    return result;
  }
  for (int ordinal = 0; ordinal < count; ++ordinal) {
    try {
      result.devices.push_back(cuda::describe_device(ordinal));
    } catch (const Error& failure) {
      result.why_none = failure.what();
    }
  }
  if (!result.devices.empty())
    result.why_none.clear();
  else if (result.why_none.empty())
    result.why_none = cuda::reason_text(cudaErrorNoDevice);
  return result;
}

std::optional<int> cuda_device_of(const void* pointer) { return cuda::device_of(pointer); }

}  // namespace multibuffer
