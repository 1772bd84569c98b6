#include <multibuffer/device_array.hpp>
#include <multibuffer/error.hpp>
#include <multibuffer/gather.hpp>
#include <multibuffer/plan.hpp>

#include "host/python/device_array.hpp"
#include "host/python/inputs/source.hpp"
#include "host/python/module.hpp"
#include "host/python/output.hpp"
#include "host/python/support/interrupt.hpp"
#include "host/python/support/values.hpp"
#include "host/support/text.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

namespace py = pybind11;

namespace multibuffer::python {
namespace {

/// Returns the index arrays as the library takes them; what they borrow lives in `asked`.
IndexGroup group_of(const DeviceArray& array, Asked& asked) {
  IndexGroup group;
  group.axes = asked.axes;
  group.position = asked.position;
  for (IndexArray& index : asked.indices) {
    if (index.on_device && array.device().kind() == DeviceKind::host)
      index.on_device = fetched(*index.on_device);
    group.indices.push_back(index.indices());
  }
  return group;
}

/// A gather as the library runs it.
struct Request {
  multibuffer::Selection selection;
  GatherOptions options;
};

/// Returns the request that the library runs; `asked` must live as long as it.
Request request_of(const DeviceArray& array, Asked& asked, py::handle out, py::handle stream) {
  Request request;
  GatherOptions& options = request.options;
  request.selection.mode = asked.mode;
  if (!asked.axes.empty()) request.selection.groups.push_back(group_of(array, asked));
  options.order = asked.order;
  options.format = std::move(asked.elements.format);
  options.overflow = asked.elements.overflow;
  options.scaling = std::move(asked.elements.scaling);
  options.stream = stream_argument(stream);
  if (!out.is_none())
    options.out = output_of(out, asked.shape, options.format.value_or(array.format()));
  return request;
}

/// Returns the bytes that a gather moves, or very many unless they are known to be few; work on a
/// device is always long.
std::int64_t bytes_moved(const DeviceArray& array, const multibuffer::Selection& selection) {
  constexpr std::int64_t many = std::numeric_limits<std::int64_t>::max();
  if (array.device().kind() != DeviceKind::host) return many;
  double bytes = static_cast<double>(array.itemsize());
  std::vector<bool> indexed(array.layout().axes().size());
  for (const IndexGroup& group : selection.groups) {
    for (const int axis : group.axes) indexed[static_cast<std::size_t>(axis)] = true;
    for (const Indices& indices : group.indices)
      for (const std::int64_t extent : indices.shape()) bytes *= static_cast<double>(extent);
  }
  for (std::size_t i = 0; i < indexed.size(); ++i)
    if (!indexed[i]) bytes *= static_cast<double>(array.layout().axes()[i].extent);
  return bytes < 1e9 ? static_cast<std::int64_t>(bytes) : many;
}

/// Decides a gather once, for an object that runs it.
Plan plan(const DeviceArray& array, Asked asked, py::handle out, py::handle stream) {
  Request request = request_of(array, asked, out, stream);
  GatherOptions& options = request.options;
  if (!options.stream.is_own()) options.stream_owner = keep(stream);
  if (options.out) options.out->owner = shared(std::move(options.out->owner));
  const DeviceArray copy = array;  // as owner.hpp asks for
  return without_gil([&](const Watch& watch) {
    options.watch = watch;
    return Plan(copy, request.selection, options);
  });
}

Plan plan_take(const DeviceArray& array, py::handle indices, int axis, IndexMode mode,
               py::handle out, py::handle stream, py::handle dtype, bool saturate, py::handle scale,
               py::handle bias, int channel_axis) {
  return plan(array,
              converted(ask_take(array.shape(), indices, axis, mode, OnDevice::borrowed), dtype,
                        saturate, scale, bias, channel_axis),
              out, stream);
}

Plan plan_gather(const DeviceArray& array, py::handle coordinates, IndexMode mode, py::handle out,
                 py::handle stream, py::handle dtype, bool saturate, py::handle scale,
                 py::handle bias, int channel_axis) {
  return plan(array,
              converted(ask_gather(array.shape(), coordinates, mode, OnDevice::borrowed), dtype,
                        saturate, scale, bias, channel_axis),
              out, stream);
}

Plan plan_copy(const DeviceArray& array, Order order, py::handle out, py::handle stream,
               py::handle dtype, bool saturate, py::handle scale, py::handle bias,
               int channel_axis) {
  return plan(array,
              converted(ask_copy(array.shape(), order), dtype, saturate, scale, bias, channel_axis),
              out, stream);
}

}  // namespace

DeviceBuffer converted_copy(const DeviceArray& array, const WantedElements& wanted,
                            StreamRef stream, const Progress& progress) {
  return without_gil(
      [&](const Watch& watch) {
        GatherOptions options;
        options.format = wanted.format;
        options.overflow = wanted.overflow;
        options.stream = stream;
        options.watch = watch;
        return multibuffer::copy(array, options);
      },
      progress);
}

py::object Verbs<DeviceArray>::run(const DeviceArray& array, Asked& asked, py::handle out,
                                   py::handle stream, const Progress& progress) {
  Request request = request_of(array, asked, out, stream);
  const bool named_stream = !stream.is_none();
  const bool checks_on_device = std::ranges::any_of(
      asked.indices, [](const IndexArray& index) { return index.on_device.has_value(); });
  DeviceBuffer result = without_gil_for(
      bytes_moved(array, request.selection),
      [&](const Watch& watch) {
        request.options.watch = watch;
        DeviceBuffer buffer = gather(array, request.selection, request.options);
        // Only who has the buffer, or named the stream, can wait for work on the caller's memory,
        // or ask whether indices on the device were in range.
        if (request.options.out && (!named_stream || checks_on_device)) buffer.synchronize();
        return buffer;
      },
      progress);
  if (!out.is_none()) return py::reinterpret_borrow<py::object>(out);
  return wrap(std::move(result));
}

void Verbs<DeviceArray>::read(const DeviceArray& array, std::byte* to) {
  GatherOptions options;
  options.out = Output{to, array.nbytes(), MemorySpace::host, {}};
  without_gil([&](const Watch& watch) {
    options.watch = watch;
    return multibuffer::copy(array, options);
  });
}

void bind_plans(Class<DeviceArray>& cls) {
  cls.method<plan_take>(
      "plan_take($self, indices, axis=0, mode='raise', out=None, stream=None, *, dtype=None, "
      "saturate=False, scale=None, bias=None, channel_axis=-1)",
      "take() decided once: a Plan. Indices on the array's GPU, dense integers of 32 or 64\n"
      "bits, stay where they are, and every run reads what is there then; all others are\n"
      "copied. out must not overlap the array.");
  cls.method<plan_gather>(
      "plan_gather($self, coordinates, mode='raise', out=None, stream=None, *, dtype=None, "
      "saturate=False, scale=None, bias=None, channel_axis=-1)",
      "gather() decided once: a Plan. Coordinates on the array's GPU, dense integers of 32 or 64\n"
      "bits, stay where they are, and every run reads what is there then; all others are copied.\n"
      "out must not overlap the array.");
  cls.method<plan_copy>(
      "plan_copy($self, order='C', out=None, stream=None, *, dtype=None, saturate=False, "
      "scale=None, bias=None, channel_axis=-1)",
      "copy() decided once: a Plan. out must not overlap the array.");
}

}  // namespace multibuffer::python
