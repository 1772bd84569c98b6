#include <multibuffer/gather.hpp>
#include <multibuffer/stages/large_vector.hpp>

#include "host/backend/backend.hpp"
#include "host/backend/gather_plan.hpp"
#include "host/gather/conversion.hpp"
#include "host/gather/overlap.hpp"
#include "host/gather/result_axes.hpp"
#include "host/support/checked.hpp"
#include "host/support/parallel.hpp"
#include "host/support/small_vector.hpp"
#include "host/support/text.hpp"
#include "host/upload/storage.hpp"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstring>
#include <functional>
#include <limits>
#include <numeric>
#include <optional>
#include <type_traits>
#include <utility>

// A request becomes a plan in three steps, and the plan runs on the array's backend:
//
//     Request ──► Result (its axes, and where each comes from) ──► output memory ──► GatherPlan

namespace multibuffer {
namespace {

/// Whether some value is out of range: all of them, without a branch that depends on one, and in
/// their own width, so that a vector holds as many as it can.
template <class T>
bool any_out_of_range(const T* values, std::int64_t count, std::int64_t extent) {
  using Unsigned = std::make_unsigned_t<T>;
  using Limits = std::numeric_limits<T>;
  const auto least = static_cast<T>(std::max<std::int64_t>(-extent, Limits::min()));
  const auto most = static_cast<T>(std::min<std::int64_t>(extent - 1, Limits::max()));
  const auto range =
      static_cast<Unsigned>(static_cast<Unsigned>(most) - static_cast<Unsigned>(least));
  Unsigned any = 0;
  for (std::int64_t i = 0; i < count; ++i)
    any |= static_cast<Unsigned>(static_cast<Unsigned>(values[i]) - static_cast<Unsigned>(least)) >
                   range
               ? 1
               : 0;
  return any != 0;
}

template <class T>
void check_values(const T* values, std::int64_t count, const PlanIndices& indices) {
  std::atomic<bool> bad = false;
  const auto check = [&](std::int64_t begin, std::int64_t end) {
    if (any_out_of_range(values + begin, end - begin, indices.extent)) bad = true;
  };
  parallel_for(count, sizeof(T), {}, std::ref(check));  // by reference: nothing is allocated
  if (!bad) return;
  for (std::int64_t i = 0; i < count; ++i)
    if (resolve_index(values[i], indices.extent, IndexMode::raise) < 0)
      throw_bad_index(indices, i, values[i]);
}

std::int64_t count_of(const Indices& indices) {
  std::int64_t count = 1;
  for (const std::int64_t extent : indices.shape()) count *= extent;
  return count;
}

/// Everything about an index array, whose `values` are in host memory, or else on the device, that
/// can be known before it is used.
void check_indices(const Indices& indices, const void* values, const PlanIndices& plan,
                   IndexMode mode, bool empty_result) {
  const std::int64_t count = count_of(indices);
  if (count > 0 && plan.extent == 0)
    throw Error(Errc::index_out_of_range,
                text(count, " indices for axis ", plan.axis, ", whose extent is 0"));
  if (mode != IndexMode::raise) return;
  std::vector<std::byte> fetched;
  if (indices.space() == MemorySpace::device) {
    if (!empty_result) return;  // else the device checks them as it reads them
    fetched = indices.buffer()->to_host();
    values = fetched.data();
  }
  if (indices.bytes_each() == 4) {
    check_values(static_cast<const std::int32_t*>(values), count, plan);
  } else {
    check_values(static_cast<const std::int64_t*>(values), count, plan);
  }
}

/// The index array's part of a plan, still with the caller's pointer.
PlanIndices plan_indices(const Layout& layout, const Result& result, std::size_t group,
                         std::size_t member, const Indices& indices) {
  const ReadyGroup& ready_group = result.groups[group];
  const int axis = ready_group.axes[member];
  const Axis& indexed = layout.axes()[static_cast<std::size_t>(axis)];
  PlanIndices plan{.data = indices.data(),
                   .bytes_each = indices.bytes_each(),
                   .axis = axis,
                   .extent = indexed.extent,
                   .level = indexed.level,
                   .stride = indexed.stride,
                   .shape = SmallVector<std::int64_t, 4>(indices.shape()),
                   .steps = {}};
  // Steps in the common shape: 0 where this array is broadcast.
  SmallVector<std::int64_t, 4> steps(ready_group.shape.size(), 0);
  std::int64_t step = 1;
  for (std::size_t n = 0; n < indices.shape().size(); ++n) {
    const std::int64_t extent = indices.shape()[indices.shape().size() - 1 - n];
    if (extent != 1) steps[steps.size() - 1 - n] = step;
    step *= extent;
  }
  for (const ResultAxis& result_axis : result.axes)
    plan.steps.push_back(
        !result_axis.array_axis && result_axis.group == group ? steps[result_axis.group_axis] : 0);
  return plan;
}

/// The host index arrays of a request side by side, for memory of the library's: copied before they
/// are checked, since the caller's may change between the one and the other.
class StagedIndices {
 public:
  void add(const Indices& indices) {
    offsets_.push_back(bytes_.size());
    if (indices.space() == MemorySpace::device) return;
    const auto size = static_cast<std::size_t>(count_of(indices) * indices.bytes_each());
    bytes_.resize((bytes_.size() + size + 15) / 16 * 16);
    if (size > 0) std::memcpy(bytes_.data() + offsets_.back(), indices.data(), size);
  }
  const void* values(std::size_t number) const { return bytes_.data() + offsets_[number]; }

  /// Memory of `device` with all of them, and the plan's pointers into it; null without any.
  std::shared_ptr<Memory> upload(GatherPlan& plan, std::span<const Indices* const> sources,
                                 const Device& device, StreamHandle stream) const {
    if (bytes_.empty()) return nullptr;
    const auto bytes = static_cast<std::int64_t>(bytes_.size());
    std::shared_ptr<Memory> memory = device.backend().allocate(bytes, stream);
    for (std::size_t i = 0; i < sources.size(); ++i)
      if (sources[i]->space() == MemorySpace::host)
        plan.indices[i].data = memory->data() + offsets_[i];
    device.backend().write(*memory, 0, bytes_.data(), bytes, stream);
    return memory;
  }

 private:
  LargeVector<std::byte> bytes_;
  std::vector<std::size_t> offsets_;
};

GatherPlan plan_of(const DeviceArray& array, const Request& request, const Result& result,
                   const Shape& out_strides) {
  const Layout& layout = array.layout();
  const Storage& storage = *array.storage();
  GatherPlan plan;
  plan.base = storage.base;
  plan.unit = storage.unit;
  plan.tables.assign(storage.tables.begin(), storage.tables.end());
  plan.origins.assign(layout.origins().begin(), layout.origins().end());
  plan.mode = request.mode;
  if (request.format)
    plan.conversion = conversion_of(array.format(), *request.format, request.overflow);
  plan.run_bytes = array.itemsize();
  for (std::size_t i = 0; i < result.axes.size(); ++i) {
    PlanAxis axis{result.axes[i].extent, out_strides[i], 0, 0};
    if (result.axes[i].array_axis) {
      const Axis& source = layout.axes()[*result.axes[i].array_axis];
      axis.level = source.level;
      axis.stride = source.stride;
    }
    plan.axes.push_back(axis);
  }
  for (std::size_t g = 0; g < request.groups.size(); ++g)
    for (std::size_t m = 0; m < request.groups[g].indices.size(); ++m)
      plan.indices.push_back(plan_indices(layout, result, g, m, request.groups[g].indices[m]));
  return plan;
}

}  // namespace

Indices::Indices(std::span<const std::int64_t> values)
    : Indices(values, {static_cast<std::int64_t>(values.size())}) {}
Indices::Indices(std::span<const std::int32_t> values)
    : Indices(values, {static_cast<std::int64_t>(values.size())}) {}

namespace {

void check_count(std::size_t values, const Shape& shape) {
  std::int64_t count = std::ranges::find(shape, 0) == shape.end() ? 1 : 0;
  for (const std::int64_t extent : shape)
    count = checked_multiply(count, extent, "the number of indices");
  if (std::ranges::any_of(shape, [](std::int64_t extent) { return extent < 0; }) ||
      count != static_cast<std::int64_t>(values))
    throw Error(Errc::invalid_argument,
                text(values, " indices do not have the shape ", tuple_text(shape)));
}

}  // namespace

Indices::Indices(std::span<const std::int64_t> values, Shape shape)
    : data_(values.data()), bytes_each_(8), shape_(std::move(shape)) {
  check_count(values.size(), shape_);
}
Indices::Indices(std::span<const std::int32_t> values, Shape shape)
    : data_(values.data()), bytes_each_(4), shape_(std::move(shape)) {
  check_count(values.size(), shape_);
}
Indices::Indices(const DeviceBuffer& buffer)
    : data_(buffer.data()),
      bytes_each_(static_cast<int>(buffer.format().itemsize())),
      shape_(buffer.shape()),
      space_(buffer.view().space()),
      buffer_(buffer) {
  const Type& type = buffer.format().type();
  if (type.is_struct || type.kind != ScalarKind::signed_integer || !type.little_endian ||
      (bytes_each_ != 4 && bytes_each_ != 8))
    throw Error(Errc::invalid_argument, text("indices are 32- or 64-bit signed integers, not '",
                                             buffer.format().text(), "'"));
  if (!buffer.is_c_contiguous())
    throw Error(Errc::invalid_argument, "an index buffer must be dense and in C order");
}

namespace {

/// A request with everything decided, and memory for what it writes.
struct Ready {
  GatherPlan plan;
  bool check_on_device = false;
  std::vector<std::shared_ptr<Memory>> uses;
  DeviceBuffer::Parts result;
  bool staged = false;  ///< the result goes on to host memory, in `strides`
  Shape strides;
};

/// Whether the output spans some of the memory that indices, which are dense, are in.
bool meets_output(const Indices& indices, const Request& request, const Shape& shape,
                  const Shape& strides, std::int64_t itemsize) {
  if (!request.out) return false;
  const auto begin = reinterpret_cast<std::uintptr_t>(indices.data());
  const auto bytes = static_cast<std::uintptr_t>(count_of(indices) * indices.bytes_each());
  const OutputPlace place{request.out->data, shape, strides, itemsize};
  return place.range().meets({begin, begin + bytes});
}

bool any_meets_output(const Request& request, const Shape& shape, const Shape& strides,
                      std::int64_t itemsize) {
  for (const IndexGroup& group : request.groups)
    for (const Indices& indices : group.indices)
      if (meets_output(indices, request, shape, strides, itemsize)) return true;
  return false;
}

/// Index arrays in host memory go to the device; the host reads them where they are, unless it is
/// to keep them.
Ready make_ready(const DeviceArray& array, const Request& request, bool keeps_indices) {
  const Device& device = array.device();
  const bool on_host = device.kind() == DeviceKind::host;
  const Result result = result_of(array.layout(), request);
  const Format& format = request.format ? *request.format : array.format();
  Shape shape = result.shape();
  Shape dense = dense_strides(shape, format.itemsize(), request.order);
  Shape strides = request.out && !request.out->strides.empty() ? request.out->strides : dense;
  if (request.out) {
    check_output(*request.out, shape, strides, format.itemsize());
    if (on_host && request.out->space == MemorySpace::device)
      throw Error(Errc::invalid_argument,
                  "an array on the host cannot be gathered into device memory");
    check_apart(array, {request.out->data, shape, strides, format.itemsize()});
  }
  // Host memory takes a CUDA result only when it is whole.
  const bool staged = request.out && !on_host && request.out->space == MemorySpace::host;

  GatherPlan plan = plan_of(array, request, result, staged ? dense : strides);
  const auto is_empty = [](const auto& extents) {
    return std::ranges::find(extents, 0) != extents.end();
  };
  const bool empty = is_empty(shape);
  // What is written before the last index has been read must not be one.
  const bool stages_indices =
      !on_host || keeps_indices || any_meets_output(request, shape, strides, format.itemsize());
  StagedIndices staged_indices;
  SmallVector<const Indices*, 2> sources;
  bool check_on_device = false;
  std::vector<std::shared_ptr<Memory>> uses = blocks_of(*array.storage());
  for (std::size_t g = 0; g < request.groups.size(); ++g) {
    const SmallVector<std::int64_t, 4>& group_shape = result.groups[g].shape;
    for (const Indices& indices : request.groups[g].indices) {
      if (indices.space() == MemorySpace::device) {
        check_on_device = true;
        if (indices.buffer()->device() != device)
          throw Error(Errc::invalid_argument, text("indices on ", indices.buffer()->device().name(),
                                                   " for an array on ", device.name()));
        if (meets_output(indices, request, shape, strides, format.itemsize()))
          throw Error(Errc::invalid_argument,
                      "the output overlaps an index array on the device: some indices would be "
                      "read after they have been written over");
        if (indices.buffer()->memory()) uses.push_back(indices.buffer()->memory());
      }
      if (stages_indices) staged_indices.add(indices);
      const void* values = stages_indices ? staged_indices.values(sources.size()) : indices.data();
      // As in NumPy, what is broadcast away may be anything.
      if (!is_empty(group_shape))
        check_indices(indices, values, plan.indices[sources.size()], request.mode, empty);
      sources.push_back(&indices);
    }
  }

  DeviceBuffer::Parts parts{.device = device,
                            .format = format,
                            .shape = std::move(shape),
                            .strides = staged ? std::move(dense) : strides,
                            .data = nullptr,
                            .memory = nullptr,
                            .stream = request.stream,
                            .pending = nullptr};
  simplify(plan);
  if (request.out && !staged) {
    parts.data = static_cast<std::byte*>(request.out->data);
    parts.memory = request.out->memory;
    parts.owner = request.out->owner;
    if (parts.memory) uses.push_back(parts.memory);
  } else {
    parts.memory = device.backend().allocate(
        plan.rows == 0
            ? 0
            : checked_multiply(plan.rows, plan.out_bytes(plan.run_bytes), "the size of the result"),
        request.stream);
    parts.data = parts.memory->data();
    uses.push_back(parts.memory);
  }
  plan.out = parts.data;

  if (plan.rows > 0 && stages_indices)
    if (auto memory = staged_indices.upload(plan, sources, device, request.stream))
      uses.push_back(std::move(memory));
  return {std::move(plan),  check_on_device, std::move(uses),
          std::move(parts), staged,          std::move(strides)};
}

}  // namespace

DeviceBuffer gather(const DeviceArray& array, const Request& request) {
  Ready ready = make_ready(array, request, false);
  if (ready.plan.rows > 0)
    ready.result.pending = array.device().backend().gather(
        ready.plan, ready.check_on_device, ready.uses, request.stream, request.watch);
  DeviceBuffer buffer(std::move(ready.result));
  if (!ready.staged) return buffer;
  copy_out(buffer, *request.out, ready.strides);
  return DeviceBuffer({.device = Device::host(),
                       .format = buffer.format(),
                       .shape = buffer.shape(),
                       .strides = ready.strides,
                       .data = static_cast<std::byte*>(request.out->data),
                       .memory = request.out->memory,
                       .stream = nullptr,
                       .pending = nullptr,
                       .owner = request.out->owner});
}

struct Plan::State {
  DeviceArray array;  ///< whose storage stays
  /// Of index arrays on the device in memory that is not the library's, and of the stream.
  std::vector<std::shared_ptr<const void>> owners;
  DeviceBuffer result;
  std::shared_ptr<PlannedGather> gather;  ///< null where there is nothing to do
  ~State() {
    if (gather) gather->end_runs();
  }
};

Plan::Plan(const DeviceArray& array, const Request& request) {
  Ready ready = make_ready(array, request, true);
  if (ready.staged)
    throw Error(Errc::invalid_argument,
                text("a plan on ", array.device().name(), " cannot write to host memory"));
  std::shared_ptr<PlannedGather> gather;
  if (ready.plan.rows > 0)
    gather = array.device().backend().plan(ready.plan, ready.check_on_device, ready.uses,
                                           request.stream);
  if (ready.check_on_device || !ready.result.memory) ready.result.pending = gather;
  std::vector<std::shared_ptr<const void>> owners;
  for (const IndexGroup& group : request.groups)
    for (const Indices& indices : group.indices)
      if (indices.buffer() && indices.buffer()->owner())
        owners.push_back(indices.buffer()->owner());
  if (request.stream_owner) owners.push_back(request.stream_owner);
  state_ = std::shared_ptr<State>(new State{
      array, std::move(owners), DeviceBuffer(std::move(ready.result)), std::move(gather)});
}

const DeviceBuffer& Plan::run() const {
  if (state_->gather) state_->gather->run();
  return state_->result;
}

const DeviceBuffer& Plan::result() const noexcept { return state_->result; }

const DeviceArray& Plan::array() const noexcept { return state_->array; }

Output output_of(const DeviceBuffer& buffer) {
  std::int64_t bytes = buffer.size() == 0 ? 0 : buffer.format().itemsize();
  for (std::size_t i = 0; bytes > 0 && i < buffer.shape().size(); ++i)
    bytes += (buffer.shape()[i] - 1) * buffer.strides()[i];
  return {buffer.data(),    bytes,           buffer.view().space(),
          buffer.strides(), buffer.memory(), buffer.owner()};
}

DeviceBuffer take(const DeviceArray& array, int axis, const Indices& indices, Request request) {
  request.groups.push_back({{axis}, {indices}, {}});
  return gather(array, request);
}

DeviceBuffer gather(const DeviceArray& array, std::span<const Indices> coordinates,
                    Request request) {
  if (coordinates.empty()) return gather(array, request);
  if (coordinates.size() > array.layout().axes().size())
    throw Error(Errc::invalid_argument,
                text(coordinates.size(), " coordinates for an array with ", array.ndim(), " axes"));
  IndexGroup group;
  for (std::size_t i = 0; i < coordinates.size(); ++i) {
    group.axes.push_back(static_cast<int>(i));
    group.indices.push_back(coordinates[i]);
  }
  request.groups.push_back(std::move(group));
  return gather(array, request);
}

DeviceBuffer copy(const DeviceArray& array, Order order, Request request) {
  request.order = order;
  return gather(array, request);
}

}  // namespace multibuffer
