#include "host/gather/result_axes.hpp"

#include <multibuffer/device_array.hpp>
#include <multibuffer/error.hpp>

#include "host/backend/backend.hpp"
#include "host/support/checked.hpp"
#include "host/support/text.hpp"
#include "host/upload/internals.hpp"

#include <algorithm>
#include <bitset>
#include <iterator>
#include <numeric>
#include <string>
#include <utility>

namespace multibuffer {
namespace {

SmallVector<std::int64_t, 4> broadcast(const IndexGroup& group, std::size_t number) {
  std::size_t ndim = 0;
  for (const Indices& indices : group.indices) ndim = std::max(ndim, indices.shape().size());
  SmallVector<std::int64_t, 4> common(ndim, 1);
  for (const Indices& indices : group.indices) {
    const std::size_t lead = ndim - indices.shape().size();
    for (std::size_t i = 0; i < indices.shape().size(); ++i) {
      const std::int64_t extent = indices.shape()[i];
      if (extent == 1 || extent == common[lead + i]) continue;
      if (common[lead + i] != 1)
        throw Failure(Errc::invalid_argument,
                      text("the index arrays of group ", number, " do not broadcast: ",
                           tuple_text(indices.shape()), " against ", tuple_text(common)));
      common[lead + i] = extent;
    }
  }
  return common;
}

ReadyGroup ready(const IndexGroup& group, std::size_t number, int ndim,
                 std::bitset<max_axes>& taken) {
  if (group.axes.size() != group.indices.size() || group.axes.empty())
    throw Failure(Errc::invalid_argument, text("group ", number, " has ", group.indices.size(),
                                               " index arrays for ", group.axes.size(), " axes"));
  if (std::ssize(group.axes) > ndim)
    throw Failure(Errc::invalid_argument,
                  text(group.axes.size(), " coordinates for an array with ", ndim, " axes"));
  ReadyGroup result;
  for (const int axis : group.axes) {
    result.axes.push_back(normalize_axis(axis, ndim));
    const auto at = static_cast<std::size_t>(result.axes.back());
    if (taken[at]) throw Failure(Errc::invalid_argument, text("axis ", at, " is indexed twice"));
    taken[at] = true;
  }
  result.shape = broadcast(group, number);
  const auto [first, last] = std::ranges::minmax(result.axes);
  const bool neighbours = last - first + 1 == static_cast<int>(result.axes.size());
  result.position = group.position.value_or(neighbours ? first : 0);
  if (result.position < 0 || result.position > ndim)
    throw Failure(Errc::invalid_argument, text("position ", result.position, " of group ", number,
                                               " in an array with ", ndim, " axes"));
  return result;
}

}  // namespace

Result result_of(const Layout& layout, const Selection& selection) {
  Result result;
  std::bitset<max_axes> taken;
  for (std::size_t g = 0; g < selection.groups.size(); ++g)
    result.groups.push_back(ready(selection.groups[g], g, layout.ndim(), taken));

  for (std::size_t i = 0; i <= layout.axes().size(); ++i) {
    for (std::size_t g = 0; g < result.groups.size(); ++g) {
      if (result.groups[g].position != static_cast<int>(i)) continue;
      for (std::size_t j = 0; j < result.groups[g].shape.size(); ++j)
        result.axes.push_back({result.groups[g].shape[j], {}, g, j});
    }
    if (i < layout.axes().size() && !taken[i])
      result.axes.push_back({layout.axes()[i].extent, i, 0, 0});
  }
  if (result.axes.size() > static_cast<std::size_t>(max_axes))
    throw Failure(Errc::invalid_argument, text("the result would have ", result.axes.size(),
                                               " axes; an array has at most ", max_axes));
  return result;
}

SmallVector<std::int64_t, 4> index_steps(const Result& result, std::size_t group,
                                         const Shape& shape) {
  SmallVector<std::int64_t, 4> common(result.groups[group].shape.size(), 0);
  std::int64_t step = 1;
  for (std::size_t n = 0; n < shape.size(); ++n) {
    const std::int64_t extent = shape[shape.size() - 1 - n];
    if (extent != 1) common[common.size() - 1 - n] = step;
    step *= extent;
  }
  SmallVector<std::int64_t, 4> steps;
  for (const ResultAxis& axis : result.axes)
    steps.push_back(!axis.array_axis && axis.group == group ? common[axis.group_axis] : 0);
  return steps;
}

Shape dense_strides(const Shape& shape, std::int64_t itemsize, Order order) {
  Shape strides(shape.size(), itemsize);
  if (std::ranges::find(shape, 0) != shape.end()) return strides;
  std::int64_t stride = itemsize;
  for (std::size_t n = 0; n < shape.size(); ++n) {
    const std::size_t i = order == Order::C ? shape.size() - 1 - n : n;
    strides[i] = stride;
    stride =
        checked_multiply(stride, std::max<std::int64_t>(shape[i], 1), "the size of the result");
  }
  return strides;
}

void check_output(const Output& out, const Shape& shape, const Shape& strides,
                  std::int64_t itemsize) {
  if (strides.size() != shape.size())
    throw Failure(Errc::invalid_argument, text("the output has ", strides.size(),
                                               " strides for the shape ", tuple_text(shape)));
  if (std::ranges::find(shape, 0) != shape.end()) return;
  SmallVector<std::size_t, 8> order(shape.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::sort(order, {}, [&](std::size_t i) { return strides[i]; });
  std::int64_t span = itemsize;
  for (const std::size_t i : order) {
    if (shape[i] == 1) continue;
    if (strides[i] < 0)
      throw Failure(Errc::invalid_argument,
                    text("output stride ", strides[i], " of axis ", i,
                         " is negative; reverse the axis of the array instead"));
    if (strides[i] < span)
      throw Failure(Errc::invalid_argument,
                    text("output stride ", strides[i], " of axis ", i,
                         " makes elements overlap; at least ", span, " is needed"));
    std::int64_t reach = 0;
    if (__builtin_mul_overflow(strides[i], shape[i] - 1, &reach) ||
        __builtin_add_overflow(span, reach, &span))
      throw Failure(Errc::size_overflow,
                    text("the reach of output axis ", i, ", of extent ", shape[i], " and stride ",
                         strides[i], ", does not fit in 64 bits"));
  }
  if (!out.data || out.bytes < span)
    throw Failure(Errc::invalid_argument,
                  text("the output has ", out.data ? out.bytes : 0, " bytes; shape ",
                       tuple_text(shape), " needs ", span));
}

void copy_out(const DeviceBuffer& result, const Output& out, const Shape& strides) {
  result.synchronize();
  if (strides == result.strides()) {
    backend_of(result.device())
        .read(out.data, memory_of(result).get(), result.data(), result.nbytes());
    return;
  }
  const std::vector<std::byte> dense = result.to_host();
  const ArrayView view = ArrayView::dense(dense.data(), result.shape(), result.format());
  UploadOptions in_place;
  in_place.placement = PlacementKind::in_place;
  const DeviceArray here = upload(view, Device::host(), in_place);
  GatherOptions options;
  options.out = Output{out.data, out.bytes, MemorySpace::host, strides, nullptr};
  copy(here, options);
}

}  // namespace multibuffer
