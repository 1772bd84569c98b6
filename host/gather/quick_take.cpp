#include "host/gather/quick_take.hpp"

#include "host/backend/copy_plan.hpp"
#include "host/gather/overlap.hpp"
#include "host/gather/range_check.hpp"
#include "host/upload/internals.hpp"
#include "host/upload/storage.hpp"

#include <algorithm>
#include <span>

namespace multibuffer {

std::optional<std::int64_t> quick_item_bytes(const DeviceArray& array) {
  const std::span<const Axis> axes = array.layout().axes();
  if (axes.empty() || array.device().kind() != DeviceKind::host) return {};
  // The other extents of an empty array may be any, and their product need not fit.
  if (std::ranges::find(axes, 0, &Axis::extent) != axes.end()) return {};
  const int levels = array.layout().levels();
  std::int64_t bytes = array.itemsize();
  for (std::size_t i = axes.size(); i-- > 1;) {
    if (axes[i].extent == 1) continue;  // its stride is never used
    if (axes[i].level != levels || axes[i].stride != bytes) return {};
    bytes *= axes[i].extent;
  }
  return bytes;
}

namespace {

/// A plan without axes.
CopyPlan plan_of(const DeviceArray& array, const QuickItems& items, std::byte* to) {
  const Storage& storage = *storage_of(array);
  CopyPlan plan;
  plan.indexed.base = storage.base;
  plan.indexed.unit = storage.unit;
  plan.indexed.tables.assign(storage.tables.begin(), storage.tables.end());
  plan.indexed.origins.assign(array.layout().origins().begin(), array.layout().origins().end());
  plan.dense.base = to;
  plan.conversion = items.conversion;
  plan.run_bytes = items.bytes;
  return plan;
}

}  // namespace

bool quick_take(const DeviceArray& array, const QuickItems& items, const DenseIndices& indices,
                IndexMode mode, std::byte* to, bool owns_output) {
  const Axis& axis = array.layout().axes()[0];
  const std::int64_t result_bytes = items.result_bytes();
  if (indices.count == 0) return false;
  if (mode == IndexMode::raise &&
      any_out_of_range(indices.data, indices.bytes_each, indices.count, axis.extent))
    return false;
  if (!owns_output) {
    const std::int64_t shape[] = {indices.count}, strides[] = {result_bytes};
    const OutputPlace place{to, shape, strides, result_bytes};
    const auto begin = reinterpret_cast<std::uintptr_t>(indices.data);
    const auto bytes = static_cast<std::uintptr_t>(indices.count * indices.bytes_each);
    if (place.range().meets({begin, begin + bytes})) return false;
    check_apart(array, place);
  }

  CopyPlan plan = plan_of(array, items, to);
  plan.axes = {{indices.count, result_bytes, 0, 0}};
  plan.indices.push_back({.data = indices.data,
                          .bytes_each = indices.bytes_each,
                          .axis = 0,
                          .extent = axis.extent,
                          .level = axis.level,
                          .stride = axis.stride,
                          .shape = {indices.count},
                          .steps = {1}});
  plan.mode = mode;
  plan.rows = indices.count;
  backend_of(array.device()).copy(plan, false, {}, {}, {});
  return true;
}

void quick_copy(const DeviceArray& array, const QuickItems& items, std::byte* to,
                bool owns_output) {
  const Axis& axis = array.layout().axes()[0];
  const std::int64_t result_bytes = items.result_bytes();
  if (!owns_output) {
    const std::int64_t shape[] = {axis.extent}, strides[] = {result_bytes};
    check_apart(array, OutputPlace{to, shape, strides, result_bytes});
  }
  CopyPlan plan = plan_of(array, items, to);
  plan.axes = {{axis.extent, result_bytes, axis.level, axis.stride}};
  simplify(plan);
  backend_of(array.device()).copy(plan, false, {}, {}, {});
}

}  // namespace multibuffer
