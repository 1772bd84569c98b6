#include "host/backend.hpp"

#include <multibuffer/error.hpp>

#include "bad_index.hpp"
#include "check.hpp"
#include "compare.hpp"
#include "context.hpp"
#include "device_memory.hpp"
#include "gather_launch.hpp"
#include "host/text.hpp"
#include "planned_gather.hpp"
#include "pointers.hpp"
#include "staging.hpp"
#include "upload.hpp"

#include <cstring>
#include <exception>
#include <functional>
#include <map>
#include <mutex>

namespace multibuffer {
namespace cuda {
namespace {

Address address_of(const void* pointer) { return reinterpret_cast<std::uintptr_t>(pointer); }

class CudaBackend final : public Backend {
 public:
  explicit CudaBackend(int ordinal)
      : context_(ordinal),
        ring_(context_),
        uploader_(context_, ring_,
                  [this](const GatherPlan& plan, cudaStream_t stream) { launch(plan, 0, stream); }),
        bad_index_words_(context_) {}

  DeviceKind kind() const override { return DeviceKind::cuda; }
  DeviceInfo info() const override;
  std::shared_ptr<Memory> allocate(std::int64_t bytes, StreamHandle stream) override;
  void upload(const Placement& placement, const std::vector<std::int64_t>& table_offsets,
              Memory& arena, StreamHandle stream, const Watch& watch) override;
  void write(Memory& to, std::int64_t offset, const void* from, std::int64_t bytes,
             StreamHandle stream) override;
  void read(void* to, const std::byte* from, std::int64_t bytes, StreamHandle stream) override;
  std::shared_ptr<PendingCheck> gather(const GatherPlan& plan, bool check,
                                       const std::vector<std::shared_ptr<Memory>>& uses,
                                       StreamHandle stream, const Watch& watch) override;
  std::shared_ptr<PlannedGather> plan(const GatherPlan& plan, bool check,
                                      std::vector<std::shared_ptr<Memory>> uses,
                                      StreamHandle stream) override;
  FirstMismatch compare(const std::byte* actual, const std::byte* expected, std::int64_t elements,
                        std::int64_t itemsize, StreamHandle stream) override;
  void check_in_place(const Placement& placement) override;
  void synchronize(StreamHandle stream) override;
  void order_after(Memory& memory, StreamHandle stream) override;

 private:
  void launch(const GatherPlan& plan, Address bad_index, cudaStream_t stream);
  /// Throws unless all of it lies on this device.
  void require_own(const std::vector<std::shared_ptr<Memory>>& uses) const;

  Context context_;
  StagingRing ring_;
  Uploader uploader_;
  BadIndexWords bad_index_words_;
};

DeviceInfo CudaBackend::info() const {
  const DeviceGuard guard(context_.ordinal());
  std::size_t free = 0;
  std::size_t total = 0;
  MULTIBUFFER_CUDA_CHECK(cudaMemGetInfo(&free, &total));
  return {DeviceKind::cuda,
          context_.ordinal(),
          text("cuda:", context_.ordinal()),
          context_.description(),
          static_cast<std::int64_t>(total),
          static_cast<std::int64_t>(free)};
}

std::shared_ptr<Memory> CudaBackend::allocate(std::int64_t bytes, StreamHandle stream) {
  const DeviceGuard guard(context_.ordinal());
  return std::make_shared<DeviceMemory>(context_, bytes, context_.stream(stream));
}

void CudaBackend::upload(const Placement& placement, const std::vector<std::int64_t>& table_offsets,
                         Memory& arena, StreamHandle handle, const Watch& watch) {
  stop_if_asked(watch);
  const DeviceGuard guard(context_.ordinal());
  cudaStream_t stream = context_.stream(handle);
  StreamUse use(context_, stream);
  use.writes(static_cast<DeviceMemory&>(arena));

  uploader_.upload(placement, table_offsets, arena.data(), stream, watch);
  use.finish();
}

void CudaBackend::write(Memory& to, std::int64_t offset, const void* from, std::int64_t bytes,
                        StreamHandle handle) {
  const DeviceGuard guard(context_.ordinal());
  cudaStream_t stream = context_.stream(handle);
  StreamUse use(context_, stream);
  use.writes(static_cast<DeviceMemory&>(to));
  uploader_.write(to.data() + offset, static_cast<const std::byte*>(from), bytes, stream);
  use.finish();
}

void CudaBackend::read(void* to, const std::byte* from, std::int64_t bytes, StreamHandle handle) {
  if (bytes == 0) return;
  const DeviceGuard guard(context_.ordinal());
  cudaStream_t stream = context_.stream(handle);
  if (bytes < upload_thresholds::bytes_a_question || !is_page_locked(to, bytes)) {
    ring_.receive(static_cast<std::byte*>(to), from, bytes, stream);
    return;
  }
  MULTIBUFFER_CUDA_CHECK(
      cudaMemcpyAsync(to, from, static_cast<std::size_t>(bytes), cudaMemcpyDeviceToHost, stream));
  MULTIBUFFER_CUDA_CHECK(cudaStreamSynchronize(stream));
}

void CudaBackend::launch(const GatherPlan& plan, Address bad_index, cudaStream_t stream) {
  const GatherLaunch launch(plan, bad_index, context_, ring_, stream);
  if (!launch.lists()) return launch(stream);
  StreamUse use(context_, stream);
  use.reads(*launch.lists());
  launch(stream);
  use.finish();
}

void CudaBackend::require_own(const std::vector<std::shared_ptr<Memory>>& uses) const {
  for (const std::shared_ptr<Memory>& memory : uses)
    if (memory && static_cast<DeviceMemory&>(*memory).ordinal() != context_.ordinal())
      throw Error(Errc::invalid_argument,
                  text("memory of cuda:", static_cast<DeviceMemory&>(*memory).ordinal(),
                       " in a gather on cuda:", context_.ordinal()));
}

std::shared_ptr<PendingCheck> CudaBackend::gather(const GatherPlan& plan, bool check,
                                                  const std::vector<std::shared_ptr<Memory>>& uses,
                                                  StreamHandle handle, const Watch& watch) {
  stop_if_asked(watch);
  if (plan.rows == 0) return nullptr;
  const DeviceGuard guard(context_.ordinal());
  cudaStream_t stream = context_.stream(handle);
  const bool checked = check && plan.mode == IndexMode::raise && !plan.indices.empty();
  require_own(uses);
  BadIndexWord word = checked ? bad_index_words_.take(stream) : BadIndexWord{};
  StreamUse use(context_, stream);
  for (const std::shared_ptr<Memory>& memory : uses) {
    if (!memory) continue;
    auto& block = static_cast<DeviceMemory&>(*memory);
    lies_in(block, plan.out) ? use.writes(block) : use.reads(block);
  }
  if (checked) word.prepare(use, stream);
  launch(plan, checked ? word.address() : 0, stream);
  Event done = use.finish();
  if (!checked) return nullptr;
  return std::make_shared<BadIndexCheck>(context_, bad_index_words_, std::move(word), plan, uses,
                                         std::move(done));
}

std::shared_ptr<PlannedGather> CudaBackend::plan(const GatherPlan& plan, bool check,
                                                 std::vector<std::shared_ptr<Memory>> uses,
                                                 StreamHandle stream) {
  const DeviceGuard guard(context_.ordinal());
  require_own(uses);
  return std::make_shared<CudaPlannedGather>(context_, ring_, plan, check, std::move(uses), stream);
}

FirstMismatch CudaBackend::compare(const std::byte* actual, const std::byte* expected,
                                   std::int64_t elements, std::int64_t itemsize,
                                   StreamHandle handle) {
  if (elements == 0) return {};
  const DeviceGuard guard(context_.ordinal());
  cudaStream_t stream = context_.stream(handle);
  const Comparands arrays =
      comparands(address_of(actual), address_of(expected), elements, itemsize);
  const Difference difference = cuda::compare(arrays, stream);
  return {difference.mismatches, difference.mismatches == 0 ? -1 : difference.first};
}

void CudaBackend::check_in_place(const Placement& placement) {
  const DeviceGuard guard(context_.ordinal());
  check_readable_in_place(placement, context_);
}

void CudaBackend::synchronize(StreamHandle handle) {
  const DeviceGuard guard(context_.ordinal());
  MULTIBUFFER_CUDA_CHECK(cudaStreamSynchronize(context_.stream(handle)));
}

void CudaBackend::order_after(Memory& memory, StreamHandle handle) {
  const DeviceGuard guard(context_.ordinal());
  StreamUse use(context_, context_.stream(handle));
  use.reads(static_cast<DeviceMemory&>(memory));
  use.finish();
}

/// Without opening the device.
DeviceInfo describe_device(int ordinal) {
  cudaDeviceProp properties{};
  MULTIBUFFER_CUDA_CHECK(cudaGetDeviceProperties(&properties, ordinal));
  const DeviceGuard guard(ordinal);
  std::size_t free = 0;
  std::size_t total = 0;
  MULTIBUFFER_CUDA_CHECK(cudaMemGetInfo(&free, &total));
  return {DeviceKind::cuda,
          ordinal,
          text("cuda:", ordinal),
          properties.name,
          static_cast<std::int64_t>(total),
          static_cast<std::int64_t>(free)};
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
    } catch (const std::exception& failure) {
      result.why_none = failure.what();
    }
  }
  if (!result.devices.empty())
    result.why_none.clear();
  else if (result.why_none.empty())
    result.why_none = cuda::reason_text(cudaErrorNoDevice);
  return result;
}

std::optional<int> cuda_device_of(const void* pointer) {
  cudaPointerAttributes attributes{};
  const cudaError_t error = cudaPointerGetAttributes(&attributes, pointer);
  if (error != cudaSuccess) {
    cuda::ignore(error);
    return {};
  }
  const bool on_device =
      attributes.type == cudaMemoryTypeDevice || attributes.type == cudaMemoryTypeManaged;
  return on_device ? std::optional(attributes.device) : std::nullopt;
}

}  // namespace multibuffer
