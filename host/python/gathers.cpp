#include <multibuffer/device_array.hpp>
#include <multibuffer/error.hpp>
#include <multibuffer/gather.hpp>
#include <multibuffer/plan.hpp>

#include "host/python/arguments.hpp"
#include "host/python/indexing/indexing.hpp"
#include "host/python/module.hpp"
#include "host/python/output.hpp"
#include "host/python/support/errors.hpp"
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

using Shape = std::vector<std::int64_t>;

/// Index arrays for `axes`, as the library takes them; what they borrow lives in `arrays`.
IndexGroup group_of(const DeviceArray& array, std::vector<int> axes,
                    std::vector<IndexArray>& arrays) {
  IndexGroup group;
  group.axes = std::move(axes);
  for (IndexArray& index : arrays) {
    if (index.on_device && array.device().kind() == DeviceKind::host) {
      index.on_device = without_gil([&there = *index.on_device](const Watch&) {
        const std::vector<std::byte> bytes = there.to_host();
        return DeviceBuffer::from_host(Device::host(), bytes.data(), there.shape(), there.format());
      });
    }
    group.indices.push_back(index.indices());
  }
  return group;
}

/// A gather as it was asked for. What its index arrays borrow lives as long as it.
struct Asked {
  multibuffer::Selection selection;
  GatherOptions options;
  Shape shape;  ///< of the result
  std::vector<IndexArray> arrays;
};

Asked ask_copy(const DeviceArray& array, Order order) {
  Asked asked;
  asked.options.order = order;
  asked.shape = array.shape();
  return asked;
}

Asked ask_take(const DeviceArray& array, py::handle indices, int axis, IndexMode mode,
               OnDevice on_device = OnDevice::copied) {
  Asked asked;
  asked.selection.mode = mode;
  asked.arrays.push_back(index_array(indices, on_device));
  IndexArray& index = asked.arrays[0];
  const int at = normalize_axis(axis, array.ndim());
  asked.shape = array.shape();
  index.settle(mode, static_cast<std::size_t>(at), asked.shape[static_cast<std::size_t>(at)]);
  const Shape& inner = index.on_device ? index.on_device->shape() : index.shape;
  asked.shape.erase(asked.shape.begin() + at);
  asked.shape.insert(asked.shape.begin() + at, inner.begin(), inner.end());
  asked.selection.groups.push_back(group_of(array, {at}, asked.arrays));
  return asked;
}

Asked ask_gather(const DeviceArray& array, py::handle coordinates, IndexMode mode,
                 OnDevice on_device = OnDevice::copied) {
  Asked asked;
  asked.selection.mode = mode;
  std::vector<IndexArray>& arrays = asked.arrays;
  for (const py::handle index : coordinates) {
    if (arrays.size() == max_axes)  // what is iterated may have no end
      throw py::index_error(text("more than ", max_axes, " coordinates"));
    arrays.push_back(index_array(index, on_device));
    if (arrays.back().on_device) arrays.back().shape = arrays.back().on_device->shape();
  }
  if (static_cast<int>(arrays.size()) > array.ndim())
    throw py::index_error(
        text(arrays.size(), " coordinates for an array with ", array.ndim(), " axes"));
  asked.shape = broadcast_shape(arrays);
  const Shape whole = array.shape();
  if (std::ranges::find(asked.shape, 0) == asked.shape.end())
    for (std::size_t i = 0; i < arrays.size(); ++i) arrays[i].settle(mode, i, whole[i]);
  asked.shape.insert(asked.shape.end(), whole.begin() + static_cast<std::ptrdiff_t>(arrays.size()),
                     whole.end());
  if (!arrays.empty()) {
    std::vector<int> axes;
    for (std::size_t i = 0; i < arrays.size(); ++i) axes.push_back(static_cast<int>(i));
    asked.selection.groups.push_back(group_of(array, std::move(axes), arrays));
  }
  return asked;
}

/// The same for elements of `dtype`, or of the array's own where that is None.
Asked converted(Asked asked, py::handle dtype, bool saturate) {
  WantedElements wanted = wanted_elements(dtype, saturate);
  asked.options.format = std::move(wanted.format);
  asked.options.overflow = wanted.overflow;
  return asked;
}

/// Estimates how many bytes a gather moves, where that is known to be few; work on a device is
/// always long.
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

/// Runs it on `stream`; the result is `out`, if there is one.
py::object run(const DeviceArray& array, Asked asked, py::handle out, py::handle stream) {
  GatherOptions& options = asked.options;
  options.stream = stream_argument(stream);
  if (!out.is_none())
    options.out = output_of(out, asked.shape, options.format.value_or(array.format()));
  const bool named_stream = !stream.is_none();
  const bool checks_on_device = std::ranges::any_of(
      asked.arrays, [](const IndexArray& index) { return index.on_device.has_value(); });
  DeviceBuffer result =
      without_gil_for(bytes_moved(array, asked.selection), [&](const Watch& watch) {
        options.watch = watch;
        DeviceBuffer buffer = gather(array, asked.selection, options);
        // Of the caller's memory nobody can wait for the work but who has the buffer, or named the
        // stream; and nobody else can ask whether indices on the device were in range.
        if (options.out && (!named_stream || checks_on_device)) buffer.synchronize();
        return buffer;
      });
  if (!out.is_none()) return py::reinterpret_borrow<py::object>(out);
  return wrap(std::move(result));
}

/// Decides it once, for an object that runs it.
Plan plan(const DeviceArray& array, Asked asked, py::handle out, py::handle stream) {
  GatherOptions& options = asked.options;
  options.stream = stream_argument(stream);
  if (!options.stream.is_own()) options.stream_owner = keep(stream);
  if (!out.is_none())
    options.out = output_of(out, asked.shape, options.format.value_or(array.format()));
  if (options.out) options.out->owner = shared(std::move(options.out->owner));
  const DeviceArray copy = array;  // as owner.hpp asks for
  return without_gil([&](const Watch& watch) {
    options.watch = watch;
    return Plan(copy, asked.selection, options);
  });
}

py::object get_item(const DeviceArray& array, const py::object& key) {
  if (PyUnicode_Check(key.ptr())) return wrap(array.field(text_of(key)));
  if (is_list_of_names(key)) return wrap(array.fields(names_of(key)));
  Selection selection = select(key, array.shape());
  DeviceArray view = array;
  for (const ViewOperation& operation : selection.operations) view = view.apply(operation);
  if (!selection.advanced()) return wrap(std::move(view));
  Asked asked;
  asked.selection.groups.push_back(group_of(view, selection.axes, selection.indices));
  asked.selection.groups[0].position = selection.position;
  try {
    return run(view, std::move(asked), py::none(), py::none());
  } catch (const Error& error) {
    if (error.code() == Errc::index_out_of_range) check_bounds(selection);  // in NumPy's words
    throw;
  }
}

// ---- The methods

py::object take_axis(const DeviceArray& array, py::handle indices, int axis, IndexMode mode,
                     py::handle out, py::handle dtype, bool saturate, py::handle stream) {
  return run(array, converted(ask_take(array, indices, axis, mode), dtype, saturate), out, stream);
}

py::object gather_coordinates(const DeviceArray& array, py::handle coordinates, IndexMode mode,
                              py::handle out, py::handle dtype, bool saturate, py::handle stream) {
  return run(array, converted(ask_gather(array, coordinates, mode), dtype, saturate), out, stream);
}

py::object copy_all(const DeviceArray& array, Order order, py::handle out, py::handle dtype,
                    bool saturate, py::handle stream) {
  return run(array, converted(ask_copy(array, order), dtype, saturate), out, stream);
}

py::object as_type(const DeviceArray& array, py::handle dtype, Order order, bool saturate,
                   py::handle out, py::handle stream) {
  if (dtype.is_none()) throw py::type_error("astype(None): name the dtype");
  return copy_all(array, order, out, dtype, saturate, stream);
}

Plan plan_take(const DeviceArray& array, py::handle indices, int axis, IndexMode mode,
               py::handle out, py::handle stream, py::handle dtype, bool saturate) {
  return plan(array,
              converted(ask_take(array, indices, axis, mode, OnDevice::borrowed), dtype, saturate),
              out, stream);
}

Plan plan_gather(const DeviceArray& array, py::handle coordinates, IndexMode mode, py::handle out,
                 py::handle stream, py::handle dtype, bool saturate) {
  return plan(array,
              converted(ask_gather(array, coordinates, mode, OnDevice::borrowed), dtype, saturate),
              out, stream);
}

Plan plan_copy(const DeviceArray& array, Order order, py::handle out, py::handle stream,
               py::handle dtype, bool saturate) {
  return plan(array, converted(ask_copy(array, order), dtype, saturate), out, stream);
}

}  // namespace

DeviceBuffer converted_copy(const DeviceArray& array, const WantedElements& wanted,
                            StreamRef stream) {
  return without_gil([&](const Watch& watch) {
    GatherOptions options;
    options.format = wanted.format;
    options.overflow = wanted.overflow;
    options.stream = stream;
    options.watch = watch;
    return copy(array, options);
  });
}

void bind_gathers(Class<DeviceArray>& cls) {
  // NumPy's a[key]: a view for slices, integers, None and ...; a DeviceBuffer for index arrays and
  // masks; a view of a field for its name, of several for a list of names.
  cls.subscript<get_item>();
  cls.method<take_axis>(
      "take($self, indices, axis=0, mode='raise', out=None, *, "
      "dtype=None, saturate=False, stream=None)",
      "numpy.take: the elements, or sub-arrays, at indices of one axis. mode says what an index\n"
      "out of range means: 'raise', 'clip' or 'wrap'. dtype and saturate are those of astype.\n"
      "Returns a DeviceBuffer, or out, if given, which must not overlap the array. On a GPU the\n"
      "work is enqueued on stream (of torch, of CuPy, of cuda.core, or its handle), or on one of "
      "the\n"
      "library's own. A call that names a stream does not wait, also where out is given: out is\n"
      "written in the order of that stream.");
  cls.method<gather_coordinates>(
      "gather($self, coordinates, mode='raise', out=None, *, "
      "dtype=None, saturate=False, stream=None)",
      "One element, or sub-array, for each coordinate: coordinates[i] are indices of axis i, and\n"
      "they broadcast. dtype and saturate are those of astype. Returns a DeviceBuffer, or out, if\n"
      "given, which must not overlap the array. stream is that of take().");
  cls.method<copy_all>(
      "copy($self, order='C', out=None, *, dtype=None, saturate=False, stream=None)",
      "All elements, dense in order 'C' or 'F'. dtype and saturate are those of astype. Returns\n"
      "a DeviceBuffer, or out, if given, which must not overlap the array. stream is that of "
      "take().");
  cls.method<as_type>(
      "astype($self, dtype, *, order='C', saturate=False, out=None, stream=None)",
      "All elements as others, converted as they are gathered: bool, integers of 8 to 64 bits,\n"
      "float16, bfloat16, float32, float64, complex64 and complex128, in either byte order\n"
      "('>f4'). As numpy.astype where that is defined: integers that do not fit wrap or, if\n"
      "saturate, become the nearest that do; reals are rounded once, to nearest; reals become\n"
      "integers towards zero, the nearest there is for those beyond, and 0 for a NaN. Complex\n"
      "numbers become complex alone. Returns a DeviceBuffer, or out, if given, which must not\n"
      "overlap the array. stream is that of take().");
  cls.method<plan_take>(
      "plan_take($self, indices, axis=0, mode='raise', out=None, stream=None, *, dtype=None, "
      "saturate=False)",
      "take() decided once: a Plan. Indices on the array's GPU, dense integers of 32 or 64\n"
      "bits, stay where they are, and every run reads what is there then; all others are\n"
      "copied. out must not overlap the array.");
  cls.method<plan_gather>(
      "plan_gather($self, coordinates, mode='raise', out=None, stream=None, *, dtype=None, "
      "saturate=False)",
      "gather() decided once: a Plan. Coordinates on the array's GPU, dense integers of 32 or 64\n"
      "bits, stay where they are, and every run reads what is there then; all others are copied.\n"
      "out must not overlap the array.");
  cls.method<plan_copy>(
      "plan_copy($self, order='C', out=None, stream=None, *, dtype=None, saturate=False)",
      "copy() decided once: a Plan. out must not overlap the array.");
}

}  // namespace multibuffer::python
