#include <multibuffer/byte_order.hpp>

#include "host/support/native_order.hpp"
#include "host/upload/internals.hpp"

#include <algorithm>
#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace multibuffer {
namespace {

/// A scalar of non-native order somewhere in the element: its units, the axes they repeat along,
/// and the offset of the first one.
struct Swap {
  std::int64_t offset = 0;
  std::int64_t unit = 1;
  std::vector<Axis> axes;
};

void find_swaps(const Type& type, const Swap& here, std::vector<Swap>& found) {
  if (!type.is_struct) {
    const std::int64_t unit = swapped_bytes(type);
    if (is_native(type) || unit == 1 || type.size == 0) return;
    Swap swap = here;
    swap.unit = unit;
    swap.axes.push_back({type.size / unit, unit, 0});
    found.push_back(std::move(swap));
    return;
  }
  for (const Field& field : type.fields) {
    Swap inner = here;
    inner.offset += field.offset;
    std::vector<Axis> axes(field.shape.size());
    std::int64_t stride = field.type.size;
    for (std::size_t i = axes.size(); i-- > 0; stride *= field.shape[i])
      axes[i] = {field.shape[i], stride, 0};
    inner.axes.insert(inner.axes.end(), axes.begin(), axes.end());
    find_swaps(field.type, inner, found);
  }
}

/// Returns integers in non-native byte order of `unit` bytes, up to 8.
Format foreign_integers(std::int64_t unit) {
  const char order = native_little ? '>' : '<';
  const char code = unit == 2 ? 'H' : unit == 4 ? 'I' : 'Q';
  return Format(std::string{order, code}, unit);
}

/// Writes the non-native scalars of `array`, byte-swapped, over `whole`, which has its shape.
void swap_over(const DeviceArray& array, const std::vector<Swap>& swaps, const DeviceBuffer& whole,
               const GatherOptions& options) {
  if (whole.size() == 0) return;
  for (const Swap& swap : swaps) {
    GatherOptions part = options;
    part.out = Output{.data = whole.data() + swap.offset,
                      .bytes = whole.nbytes() - swap.offset,
                      .space = whole.view().space(),
                      .strides = whole.strides(),
                      .memory = memory_of(whole)};
    for (const Axis& axis : swap.axes) part.out->strides.push_back(axis.stride);
    if (swap.unit <= 8) {
      const Format integers = foreign_integers(swap.unit);
      part.format = format_of(native_type(integers.type()));
      copy(array.reinterpret(swap.offset, integers, swap.axes), part);
    } else {
      // Long doubles, byte by byte and back to front.
      std::vector<Axis> axes = swap.axes;
      axes.push_back({swap.unit, -1, 0});
      part.out->strides.push_back(1);
      copy(array.reinterpret(swap.offset + swap.unit - 1, Format(), axes), part);
    }
  }
}

/// A dense buffer as an array of one axis.
DeviceArray flat_array(const DeviceBuffer& dense, StreamRef stream) {
  dense.synchronize();
  const DeviceBuffer flat =
      dense.reinterpret(dense.format(), {dense.size()}, {dense.format().itemsize()});
  UploadOptions options;
  options.placement = PlacementKind::in_place;
  options.owner = std::make_shared<const DeviceBuffer>(dense);
  options.memory = memory_of(dense);
  options.stream = stream;
  return upload(flat.view(), dense.device(), options);
}

}  // namespace

DeviceBuffer to_native(const DeviceArray& array, const CallOptions& call) {
  const Type& type = array.format().type();
  GatherOptions options;
  options.stream = call.stream;
  options.watch = call.watch;
  if (is_native(type)) return copy(array, options);
  if (!type.is_struct && swapped_bytes(type) <= 8) {
    options.format = format_of(native_type(type));
    return copy(array, options);
  }

  // First everything as it is, padding included.
  DeviceBuffer whole = copy(array, options);

  std::vector<Swap> swaps;
  find_swaps(type, {}, swaps);
  std::size_t more_axes = 0;
  for (const Swap& swap : swaps)
    more_axes = std::max(more_axes, swap.axes.size() + (swap.unit > 8 ? 1 : 0));
  if (array.shape().size() + more_axes <= max_axes) {
    swap_over(array, swaps, whole, options);
  } else if (whole.size() > 0) {
    // There is no room for the axes of fields, but dense elements need one axis alone; and what is
    // read must not be what is written.
    const DeviceArray flat = flat_array(whole, call.stream);
    const DeviceBuffer result = copy(flat, options);
    swap_over(flat, swaps, result, options);
    whole = result.reinterpret(whole.format(), whole.shape(), whole.strides());
  }
  return whole.reinterpret(format_of(native_type(type)));
}

}  // namespace multibuffer
