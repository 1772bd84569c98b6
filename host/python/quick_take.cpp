#include "host/gather/quick_take.hpp"

#include "host/backend/backend.hpp"
#include "host/gather/conversion.hpp"
#include "host/python/device_array.hpp"
#include "host/python/elements/dtype.hpp"
#include "host/python/elements/numpy_array.hpp"
#include "host/python/support/values.hpp"
#include "host/upload/internals.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>

namespace py = pybind11;

namespace multibuffer::python {
namespace {

/// More than this is worth letting go of the GIL, and what a call costs by itself is then little.
constexpr std::int64_t most_quick_bytes = std::int64_t{1} << 19;

/// The indices that an array of NumPy's has, if they can be read as they are.
std::optional<DenseIndices> indices_of(const NumpyArray& array) {
  if (!array.is_c_contiguous() || !array.is_aligned()) return {};
  const std::optional<Type> type = array.native_type();
  if (!type || type->kind != ScalarKind::signed_integer || type->size < 4) return {};
  DenseIndices indices{array.data(), static_cast<int>(type->size), 1};
  for (const std::int64_t extent : array.shape()) indices.count *= extent;
  return indices;
}

/// The elements that a call reads, and those of its result.
struct QuickResult {
  QuickItems items;
  std::optional<Format> wanted;  ///< nothing: the array's own

  const Format& format(const DeviceArray& array) const { return wanted ? *wanted : array.format(); }
};

/// Returns nothing where a call for `count` items is not quick, or something is wrong with its
/// dtype. A dtype may run code of anybody's: it is asked last, and what arrays of NumPy's say is to
/// be read again after it.
std::optional<QuickResult> result_for(const DeviceArray& array, std::int64_t count,
                                      py::handle dtype, bool saturate) {
  const std::optional<std::int64_t> bytes = quick_item_bytes(array);
  if (!bytes || count > most_quick_bytes / *bytes) return {};
  QuickResult result{{*bytes, {}}, {}};
  if (dtype.is_none()) return result;
  result.wanted = find_format_of_dtype(dtype);
  if (!result.wanted) return {};
  try {
    result.items.conversion = conversion_of(array.format(), *result.wanted,
                                            saturate ? Overflow::saturate : Overflow::wrap);
  } catch (const Error&) {
    return {};
  }
  return result;
}

/// Returns how many items a quick call has at most.
std::int64_t most_items(const QuickItems& items) {
  return most_quick_bytes / std::max(items.bytes, items.result_bytes());
}

using Extents = std::span<const std::int64_t>;

/// Calls visit(extent) for the extents of a result, `first` in the place of the array's first one,
/// in order, until it returns false.
template <class Visit>
bool all_extents(Extents first, const DeviceArray& array, const Visit& visit) {
  const std::span<const Axis> axes = array.layout().axes();
  return std::ranges::all_of(first, visit) &&
         std::ranges::all_of(axes.subspan(1), visit, &Axis::extent);
}

/// Returns true if an array of NumPy's is what the result is written to, and dense.
bool is_output_of(const NumpyArray& out, Extents first, const DeviceArray& array,
                  const Format& format) {
  if (!out.is_c_contiguous() || !out.is_writeable() || format.opaque()) return false;
  if (out.shape().size() != first.size() + array.layout().axes().size() - 1) return false;
  const std::int64_t* extent = out.shape().data();
  if (!all_extents(first, array, [&](std::int64_t wanted) { return *extent++ == wanted; }))
    return false;
  const std::optional<Type> type = out.native_type();
  return type && same_meaning(*type, format.type());
}

DeviceBuffer new_buffer(Extents first, const DeviceArray& array, const Format& format,
                        std::int64_t bytes) {
  BufferParts parts{.device = array.device(),
                    .format = format,
                    .shape = {},
                    .strides = {},
                    .memory = backend_of(array.device()).allocate(bytes, {}),
                    .pending = nullptr};
  const std::size_t axes = first.size() + array.layout().axes().size() - 1;
  parts.shape.reserve(axes);
  all_extents(first, array, [&](std::int64_t extent) {
    parts.shape.push_back(extent);
    return true;
  });
  parts.strides.resize(axes);
  std::int64_t stride = format.itemsize();
  for (std::size_t i = axes; i-- > 0; stride *= parts.shape[i]) parts.strides[i] = stride;
  parts.data = parts.memory->data();
  return make_buffer(std::move(parts));
}

}  // namespace

py::object Verbs<DeviceArray>::quick_take(const DeviceArray& array, py::handle indices,
                                          IndexMode mode, py::handle out, py::handle dtype,
                                          bool saturate) {
  const std::optional<NumpyArray> numbers = NumpyArray::of(indices);
  if (!numbers || numbers->shape().empty()) return {};  // as a key, a number is no index array
  std::optional<DenseIndices> wanted = indices_of(*numbers);
  if (!wanted) return {};
  const std::optional<QuickResult> result = result_for(array, wanted->count, dtype, saturate);
  if (!result) return {};
  wanted = indices_of(*numbers);
  if (!wanted || wanted->count > most_items(result->items)) return {};
  if (numbers->shape().size() + array.layout().axes().size() > std::size_t{max_axes}) return {};
  const Format& format = result->format(array);
  if (out.is_none()) {
    if (wanted->count == 0) return {};
    DeviceBuffer buffer =
        new_buffer(numbers->shape(), array, format, wanted->count * result->items.result_bytes());
    if (!multibuffer::quick_take(array, result->items, *wanted, mode, buffer.data(), true))
      return {};
    return wrap(std::move(buffer));
  }
  const std::optional<NumpyArray> to = NumpyArray::of(out);
  if (!to || !is_output_of(*to, numbers->shape(), array, format)) return {};
  if (!multibuffer::quick_take(array, result->items, *wanted, mode, to->data(), false)) return {};
  return py::reinterpret_borrow<py::object>(out);
}

py::object Verbs<DeviceArray>::quick_copy(const DeviceArray& array, py::handle out,
                                          py::handle dtype, bool saturate) {
  if (array.layout().axes().empty()) return {};
  const std::int64_t extent = array.layout().axes()[0].extent;
  const std::optional<QuickResult> result = result_for(array, extent, dtype, saturate);
  if (!result || extent > most_items(result->items)) return {};
  const Format& format = result->format(array);
  if (out.is_none()) {
    DeviceBuffer buffer =
        new_buffer({&extent, 1}, array, format, extent * result->items.result_bytes());
    multibuffer::quick_copy(array, result->items, buffer.data(), true);
    return wrap(std::move(buffer));
  }
  const std::optional<NumpyArray> to = NumpyArray::of(out);
  if (!to || !is_output_of(*to, {&extent, 1}, array, format)) return {};
  multibuffer::quick_copy(array, result->items, to->data(), false);
  return py::reinterpret_borrow<py::object>(out);
}

}  // namespace multibuffer::python
