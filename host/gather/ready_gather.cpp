#include "host/gather/ready_gather.hpp"

#include <multibuffer/error.hpp>

#include "host/gather/conversion.hpp"
#include "host/gather/overlap.hpp"
#include "host/gather/scaling.hpp"
#include "host/gather/staged_indices.hpp"
#include "host/support/checked.hpp"
#include "host/support/small_vector.hpp"
#include "host/support/text.hpp"
#include "host/upload/storage.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>

// A selection becomes a plan in these steps, and the plan runs on the array's backend:
//
//     Selection ──► Result (its axes, and where each comes from) ──► ResultPlace (where it lies)
//               ──► CopyPlan ──► indices checked and staged ──► memory for the result

namespace multibuffer {
namespace {

bool has_zero(const auto& extents) { return std::ranges::find(extents, 0) != extents.end(); }

/// Where a result's elements will be, and whether they go through memory of the library's.
struct ResultPlace {
  Shape shape;
  Shape dense;    ///< strides in the order of the options
  Shape strides;  ///< of the output or, without one, dense
  std::int64_t itemsize = 1;
  /// Host memory takes a CUDA result only when it is whole.
  bool staged = false;

  /// Throws for an output that the result does not fit, or that the array is read from.
  ResultPlace(const DeviceArray& array, const Result& result, const GatherOptions& options)
      : shape(result.shape()),
        itemsize((options.format ? *options.format : array.format()).itemsize()) {
    dense = dense_strides(shape, itemsize, options.order);
    if (!options.out) {
      strides = dense;
      return;
    }
    const Output& out = *options.out;
    const bool on_host = array.device().kind() == DeviceKind::host;
    strides = out.strides.empty() ? dense : out.strides;
    check_output(out, shape, strides, itemsize);
    if (on_host && out.space == MemorySpace::device)
      throw Failure(Errc::invalid_argument,
                    "an array on the host cannot be gathered into device memory");
    check_apart(array, {out.data, shape, strides, itemsize});
    staged = !on_host && out.space == MemorySpace::host;
  }
};

/// True if the output spans some of the memory that indices, which are dense, are in.
bool meets_output(const Indices& indices, const GatherOptions& options, const ResultPlace& place) {
  if (!options.out) return false;
  const auto begin = reinterpret_cast<std::uintptr_t>(indices.data());
  const auto bytes = static_cast<std::uintptr_t>(count_of(indices) * indices.bytes_each());
  const OutputPlace out{options.out->data, place.shape, place.strides, place.itemsize};
  return out.range().meets({begin, begin + bytes});
}

bool any_meets_output(const Selection& selection, const GatherOptions& options,
                      const ResultPlace& place) {
  for (const IndexGroup& group : selection.groups)
    for (const Indices& indices : group.indices)
      if (meets_output(indices, options, place)) return true;
  return false;
}

/// Makes the index array's part of a plan, still with the caller's pointer.
PlanIndices plan_indices(const Layout& layout, const Result& result, std::size_t group,
                         std::size_t member, const Indices& indices) {
  const int axis = result.groups[group].axes[member];
  const Axis& indexed = layout.axes()[static_cast<std::size_t>(axis)];
  return {.data = indices.data(),
          .bytes_each = indices.bytes_each(),
          .axis = axis,
          .extent = indexed.extent,
          .level = indexed.level,
          .stride = indexed.stride,
          .shape = SmallVector<std::int64_t, 4>(indices.shape()),
          .steps = index_steps(result, group, indices.shape())};
}

CopyPlan plan_of(const DeviceArray& array, const Selection& selection, const GatherOptions& options,
                 const Result& result, const Shape& out_strides) {
  const Layout& layout = array.layout();
  const Storage& storage = *storage_of(array);
  CopyPlan plan;
  plan.indexed.base = storage.base;
  plan.indexed.unit = storage.unit;
  plan.indexed.tables.assign(storage.tables.begin(), storage.tables.end());
  plan.indexed.origins.assign(layout.origins().begin(), layout.origins().end());
  plan.mode = selection.mode;
  plan.conversion = conversion_of(array.format(), options);
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
  for (std::size_t g = 0; g < selection.groups.size(); ++g)
    for (std::size_t m = 0; m < selection.groups[g].indices.size(); ++m)
      plan.indices.push_back(plan_indices(layout, result, g, m, selection.groups[g].indices[m]));
  return plan;
}

/// Index arrays on the device, which are read there: throws for those of another device, and for
/// those that the output would be written over.
void check_there(const Indices& indices, const Device& device, const GatherOptions& options,
                 const ResultPlace& place) {
  if (indices.buffer()->device() != device)
    throw Failure(Errc::invalid_argument, text("indices on ", indices.buffer()->device().name(),
                                               " for an array on ", device.name()));
  if (meets_output(indices, options, place))
    throw Failure(Errc::invalid_argument,
                  "the output overlaps an index array on the device: some indices would be "
                  "read after they have been written over");
}

/// Gives the result the output's memory, or new memory, and the plan its address.
BufferParts make_memory(CopyPlan& plan, ResultPlace& place, const DeviceArray& array,
                        const GatherOptions& options) {
  BufferParts parts{.device = array.device(),
                    .format = options.format ? *options.format : array.format(),
                    .shape = std::move(place.shape),
                    .strides = place.staged ? std::move(place.dense) : place.strides,
                    .data = nullptr,
                    .memory = nullptr,
                    .stream = options.stream,
                    .pending = nullptr};
  if (options.out && !place.staged) {
    parts.data = static_cast<std::byte*>(options.out->data);
    parts.memory = options.out->memory;
    parts.owner = options.out->owner;
  } else {
    const std::int64_t bytes = plan.rows == 0
                                   ? 0
                                   : checked_multiply(plan.rows, plan.dense_bytes(plan.run_bytes),
                                                      "the size of the result");
    parts.memory = backend_of(array.device()).allocate(bytes, options.stream);
    parts.data = parts.memory->data();
  }
  plan.dense.base = parts.data;
  return parts;
}

}  // namespace

ReadyGather make_ready(const DeviceArray& array, const Selection& selection,
                       const GatherOptions& options, bool keeps_indices) {
  const Device& device = array.device();
  const Result result = result_of(array.layout(), selection);
  ResultPlace place(array, result, options);
  CopyPlan plan =
      plan_of(array, selection, options, result, place.staged ? place.dense : place.strides);
  std::optional<ReadyScaling> scaling;
  if (options.scaling) {
    scaling.emplace(*options.scaling, place.shape);
    plan.scaling = scaling->of_plan(place.shape.size());
  }

  const bool empty = has_zero(place.shape);
  // An index array must not be written over before its last index has been read.
  const bool stages_indices = device.kind() != DeviceKind::host || keeps_indices ||
                              any_meets_output(selection, options, place);
  StagedIndices staged_indices;
  SmallVector<const Indices*, 2> sources;
  bool check_on_device = false;
  std::vector<UsedMemory> uses = blocks_of(*storage_of(array));
  for (std::size_t g = 0; g < selection.groups.size(); ++g) {
    for (const Indices& indices : selection.groups[g].indices) {
      if (indices.space() == MemorySpace::device) {
        check_on_device = true;
        check_there(indices, device, options, place);
        if (const auto& memory = memory_of(*indices.buffer())) uses.push_back({memory});
      }
      if (stages_indices) staged_indices.add(indices);
      const void* values = stages_indices ? staged_indices.values(sources.size()) : indices.data();
      // As in NumPy, what is broadcast away may be anything.
      if (!has_zero(result.groups[g].shape))
        check_indices(indices, values, plan.indices[sources.size()], selection.mode, empty);
      sources.push_back(&indices);
    }
  }

  simplify(plan);
  const bool staged = place.staged;
  BufferParts parts = make_memory(plan, place, array, options);
  if (parts.memory) uses.push_back({parts.memory});
  if (plan.rows > 0 && stages_indices)
    if (auto memory = staged_indices.upload(plan, sources, device, options.stream))
      uses.push_back({std::move(memory)});
  if (plan.rows > 0 && scaling)
    uses.push_back({scaling->upload(*plan.scaling, device, options.stream)});
  // Also a block that the array is read from, where the output lies elsewhere in it.
  for (UsedMemory& used : uses) used.writes = used.memory->contains(plan.dense.base);
  return {std::move(plan),  check_on_device, std::move(uses),
          std::move(parts), staged,          std::move(place.strides)};
}

}  // namespace multibuffer
