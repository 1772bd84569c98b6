#include <multibuffer/byte_order.hpp>

#include <bit>
#include <cstddef>
#include <utility>
#include <vector>

namespace multibuffer {
namespace {

bool is_native_scalar(const Type& type) {
  return type.size == 1 || type.little_endian == (std::endian::native == std::endian::little);
}

/// How many bytes are swapped together: complex numbers and strings are several units.
std::int64_t unit_of(const Type& type) {
  switch (type.kind) {
    case ScalarKind::complex:
      return type.size / 2;
    case ScalarKind::ucs2:
      return 2;
    case ScalarKind::ucs4:
      return 4;
    case ScalarKind::padding:
    case ScalarKind::bytes:
    case ScalarKind::pascal:
      return 1;
    default:
      return type.size;
  }
}

/// A scalar of foreign order somewhere in the element: units, the axes they repeat along, and where
/// the first one is.
struct Swap {
  std::int64_t offset = 0;
  std::int64_t unit = 1;
  std::vector<Axis> axes;
};

void find_swaps(const Type& type, const Swap& here, std::vector<Swap>& found) {
  if (!type.is_struct) {
    const std::int64_t unit = unit_of(type);
    if (is_native_scalar(type) || unit == 1 || type.size == 0) return;
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

}  // namespace

bool is_native(const Type& type) {
  if (!type.is_struct) return is_native_scalar(type) || unit_of(type) == 1;
  for (const Field& field : type.fields)
    if (!is_native(field.type)) return false;
  return true;
}

Type native_type(const Type& type) {
  Type result = type;
  if (!type.is_struct) {
    result.little_endian = std::endian::native == std::endian::little;
    return result;
  }
  for (Field& field : result.fields) field.type = native_type(field.type);
  return result;
}

DeviceBuffer to_native(const DeviceArray& array, StreamHandle stream, const Watch& watch) {
  const Type& type = array.format().type();
  Request request;
  request.stream = stream;
  request.watch = watch;
  // First everything as it is, padding included; then the foreign bytes over it, back to front,
  // which a gather along an axis of bytes with a negative stride does on every backend.
  DeviceBuffer whole = copy(array, Order::C, request);
  if (is_native(type)) return whole;

  std::vector<Swap> swaps;
  find_swaps(type, {}, swaps);
  for (const Swap& swap : swaps) {
    std::vector<Axis> axes = swap.axes;
    axes.push_back({swap.unit, -1, 0});
    Request part = request;
    part.out = Output{.data = whole.data() + swap.offset,
                      .bytes = whole.nbytes() - swap.offset,
                      .space = whole.view().space(),
                      .strides = whole.strides(),
                      .memory = whole.memory()};
    for (const Axis& axis : swap.axes) part.out->strides.push_back(axis.stride);
    part.out->strides.push_back(1);
    if (whole.size() > 0)
      copy(array.part(swap.offset + swap.unit - 1, Format(), axes), Order::C, part);
  }
  return DeviceBuffer({.device = whole.device(),
                       .format = format_of(native_type(type)),
                       .shape = whole.shape(),
                       .strides = whole.strides(),
                       .data = whole.data(),
                       .memory = whole.memory(),
                       .stream = whole.stream(),
                       .check = nullptr});
}

}  // namespace multibuffer
