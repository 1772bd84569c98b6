#include <multibuffer/error.hpp>
#include <multibuffer/reference.hpp>

#include "host/python/arguments.hpp"
#include "host/python/elements/dtype.hpp"
#include "host/python/elements/elements.hpp"
#include "host/python/elements/numpy_array.hpp"
#include "host/python/indexing/indexing.hpp"
#include "host/python/inputs/struct_format.hpp"
#include "host/python/module.hpp"
#include "host/python/output.hpp"
#include "host/python/properties.hpp"
#include "host/python/support/interrupt.hpp"
#include "host/python/support/owner.hpp"
#include "host/python/support/values.hpp"
#include "host/support/text.hpp"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace py = pybind11;

namespace multibuffer::python {
namespace {

using Shape = std::vector<std::int64_t>;

/// An exporter and the view operations on it: nothing has been read.
struct ReferenceArray {
  std::shared_ptr<const Description> description;
  Owner owner;
  Format format;
  std::vector<ViewOperation> operations;
  Layout shape;  ///< the extents alone

  /// The axes of `operation` are counted from the front.
  ReferenceArray after(ViewOperation operation) const {
    ReferenceArray result = *this;
    result.shape = shape.apply(operation);
    result.operations.push_back(std::move(operation));
    return result;
  }
};

}  // namespace

template <>
struct Shares<ReferenceArray> {
  template <class Use>
  static void each(const ReferenceArray& array, const Use& use) {
    if (array.owner) use(Share{array.owner, nullptr});
  }
};

namespace {

/// Whether both are understood and mean the same, or neither is.
bool is_same(const Format& a, const Format& b) {
  return same_meaning(a, b) || (a.opaque() && b.opaque());
}

ReferenceArray reference_of(const py::object& object) {
  Source source = source_of(object, Route::protocols);
  if (!source.description)
    throw py::buffer_error(source.device == "host"
                               ? "no buffer export can say what this array is"
                               : "the reference reads host memory; this is on " + source.device);
  std::vector<Axis> axes;
  for (const std::int64_t extent : source.view.shape()) axes.push_back({extent, 0, 0});
  Format format = source.view.format();
  if (std::optional<Format> measured = measured_format(object))
    if (!is_same(format, *measured)) format = *std::move(measured);
  return {std::move(source.description),
          shared(std::move(source.owner)),
          std::move(format),
          {},
          Layout(std::move(axes), {0})};
}

reference::Index index_of(const IndexArray& array) {
  if (array.on_device) {
    const DeviceBuffer here = without_gil([&](const Watch&) {
      const std::vector<std::byte> bytes = array.on_device->to_host();
      return DeviceBuffer::from_host(Device::host(), bytes.data(), array.on_device->shape(),
                                     array.on_device->format());
    });
    return index_of(index_array(wrap(here)));
  }
  std::vector<std::int64_t> values(static_cast<std::size_t>(array.size()));
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = array[static_cast<std::int64_t>(i)];
  return {std::move(values), array.shape};
}

// ---- Fields: as if the exporter had exported them

/// What an operation becomes when more axes, of these extents, stand behind those it knows.
ViewOperation with_axes_behind(ViewOperation operation, const Shape& extents) {
  if (auto* permute = std::get_if<Permute>(&operation)) {
    for (std::size_t i = 0; i < extents.size(); ++i)
      permute->axes.push_back(static_cast<int>(permute->axes.size()));
  } else if (auto* reshape = std::get_if<Reshape>(&operation)) {
    reshape->shape.insert(reshape->shape.end(), extents.begin(), extents.end());
  }
  return operation;
}

/// What an exporter would say of `field` of its elements. Its offset counts after the last pointer.
std::shared_ptr<const Description> description_of(const BufferExport& source, const Field& field) {
  const auto ndim = static_cast<std::size_t>(source.ndim);
  Shape shape(source.shape, source.shape + ndim);
  shape.insert(shape.end(), field.shape.begin(), field.shape.end());
  Shape strides(shape.size());
  std::int64_t stride = field.type.size;
  for (std::size_t i = shape.size(); i-- > ndim; stride *= shape[i]) strides[i] = stride;
  stride = source.itemsize;
  for (std::size_t i = ndim; i-- > 0; stride *= shape[i])
    strides[i] = source.strides ? source.strides[i] : stride;

  BufferExport result = source;
  Shape suboffsets(shape.size(), -1);
  std::int64_t* last_indirect = nullptr;
  for (std::size_t i = 0; source.suboffsets && i < ndim; ++i) {
    suboffsets[i] = source.suboffsets[i];
    if (suboffsets[i] >= 0) last_indirect = &suboffsets[i];
  }
  if (last_indirect)
    *last_indirect += field.offset;
  else if (source.buf)
    result.buf = static_cast<const std::byte*>(source.buf) + field.offset;
  const Format format = format_of(field.type);
  result.len.reset();
  result.itemsize = format.itemsize();
  result.ndim = static_cast<int>(shape.size());
  result.format = format.text().c_str();
  result.shape = shape.data();
  result.strides = strides.data();
  result.suboffsets = suboffsets.data();
  return std::make_shared<const Description>(result);
}

ReferenceArray field_of(const ReferenceArray& array, const std::string& name) {
  const Field& field = multibuffer::field_of(array.format, name);
  ReferenceArray result{
      description_of(array.description->raw(), field), array.owner, format_of(field.type), {}, {}};
  for (const ViewOperation& operation : array.operations)
    result.operations.push_back(with_axes_behind(operation, field.shape));
  std::vector<Axis> axes(array.shape.axes().begin(), array.shape.axes().end());
  for (const std::int64_t extent : field.shape) axes.push_back({extent, 0, 0});
  result.shape = Layout(std::move(axes), {0});
  return result;
}

// ---- Reading

/// Where a result's elements go, one after the other in C order.
void scatter(const reference::Result& result, std::int64_t itemsize, std::byte* to,
             const Shape& strides, const Watch& watch) {
  if (result.bytes.empty()) return;
  constexpr std::int64_t between_looks = 1 << 14;
  const auto total = static_cast<std::int64_t>(result.bytes.size());
  const auto size = static_cast<std::size_t>(itemsize);
  Shape index(result.shape.size(), 0);
  for (std::int64_t done = 0; done < total; done += itemsize) {
    if (done / itemsize % between_looks == 0) {
      if (watch.stop.stop_requested()) throw Failure(Errc::cancelled, "while writing the result");
      watch.progress(done, total);
    }
    std::memcpy(to, result.bytes.data() + done, size);
    for (std::size_t axis = index.size(); axis-- > 0; index[axis] = 0) {
      to += strides[axis];
      if (++index[axis] < result.shape[axis]) break;
      to -= index[axis] * strides[axis];
    }
  }
}

/// Throws ValueError if elements of `out` share memory, or lie backwards, which results of uploads
/// do not either.
void check_no_overlap(const Output& out, const Shape& shape, std::int64_t itemsize) {
  if (std::ranges::find(shape, 0) != shape.end()) return;
  std::vector<std::pair<std::int64_t, std::int64_t>> axes;  // stride, extent
  for (std::size_t i = 0; i < shape.size(); ++i)
    if (shape[i] > 1) axes.emplace_back(out.strides[i], shape[i]);
  std::ranges::sort(axes);
  std::int64_t taken = itemsize;
  for (const auto& [stride, extent] : axes) {
    if (stride < taken)
      throw py::value_error(text("out has the stride ", stride,
                                 ", so that its elements overlap or lie "
                                 "backwards; at least ",
                                 taken, " is needed"));
    taken += stride * (extent - 1);
  }
}

Shape fortran_strides(const Shape& shape, std::int64_t itemsize) {
  Shape strides(shape.size());
  std::int64_t stride = itemsize;
  for (std::size_t i = 0; i < shape.size(); stride *= shape[i++]) strides[i] = stride;
  return strides;
}

DeviceBuffer result_in(Order order, const reference::Result& result, const Format& format) {
  return without_gil([&](const Watch& watch) {
    DeviceBuffer buffer =
        DeviceBuffer::from_host(Device::host(), result.bytes.data(), result.shape, format);
    if (order == Order::C) return buffer;
    const Shape strides = fortran_strides(result.shape, format.itemsize());
    scatter(result, format.itemsize(), buffer.data(), strides, watch);
    return buffer.reinterpret(format, buffer.shape(), strides);
  });
}

/// The elements that are asked for, converted if `wanted` says to what.
reference::Result read(const ReferenceArray& array, const std::vector<reference::Group>& groups,
                       IndexMode mode, const WantedElements& wanted = {}) {
  return without_gil([&](const Watch& watch) {
    reference::Result result = reference::gather(array.description->raw(), array.operations, groups,
                                                 {.mode = mode, .watch = watch});
    if (!wanted.format) return result;
    return reference::converted(result, array.format, *wanted.format,
                                {.overflow = wanted.overflow, .watch = watch});
  });
}

/// Reads what is asked for; the result is `out`, if there is one.
py::object gather(const ReferenceArray& array, const std::vector<reference::Group>& groups,
                  IndexMode mode, const py::object& out, const WantedElements& wanted = {},
                  Order order = Order::C) {
  const Format format = wanted.format.value_or(array.format);
  const reference::Result result = read(array, groups, mode, wanted);
  if (out.is_none()) return wrap(result_in(order, result, format));
  const Output output = output_of(out, result.shape, format);
  if (output.space != MemorySpace::host)
    throw py::value_error("the reference writes to host memory; out is on a device");
  check_no_overlap(output, result.shape, format.itemsize());
  without_gil([&](const Watch& watch) {
    scatter(result, format.itemsize(), static_cast<std::byte*>(output.data), output.strides, watch);
    return true;
  });
  return out;
}

py::object get_item(const ReferenceArray& array, const py::object& key) {
  if (PyUnicode_Check(key.ptr())) return wrap(field_of(array, text_of(key)));
  ReferenceArray view = array;
  if (is_list_of_names(key)) {
    view.format = fields_of(array.format, names_of(key));
    return wrap(std::move(view));
  }
  Selection selection = select(key, array.shape.shape());
  for (ViewOperation& operation : selection.operations) view = view.after(std::move(operation));
  if (!selection.advanced()) return wrap(std::move(view));
  check_bounds(selection);
  reference::Group group{selection.axes, {}, selection.position};
  for (const IndexArray& index : selection.indices) group.indices.push_back(index_of(index));
  return gather(view, {group}, IndexMode::raise, py::none());
}

py::object take_axis(const ReferenceArray& array, const py::object& indices, int axis,
                     IndexMode mode, const py::object& out, const py::object& dtype,
                     bool saturate) {
  IndexArray index = index_array(indices);
  const Shape shape = array.shape.shape();
  const int at = normalize_axis(axis, static_cast<int>(shape.size()));
  const auto number = static_cast<std::size_t>(at);
  index.settle(mode, number, shape[number]);
  return gather(array, {{{at}, {index_of(index)}, {}}}, mode, out,
                wanted_elements(dtype, saturate));
}

py::object gather_coordinates(const ReferenceArray& array, const py::object& coordinates,
                              IndexMode mode, const py::object& out, const py::object& dtype,
                              bool saturate) {
  const WantedElements wanted = wanted_elements(dtype, saturate);
  reference::Group group;
  std::vector<IndexArray> indices;
  for (const py::handle index : coordinates) {
    if (indices.size() == max_axes)  // what is iterated may have no end
      throw py::index_error(text("more than ", max_axes, " coordinates"));
    indices.push_back(index_array(index));
  }
  const bool are_read = !are_broadcast_away(indices);
  const Shape shape = array.shape.shape();
  for (std::size_t i = 0; i < indices.size(); ++i) {
    if (are_read && i < shape.size()) indices[i].settle(mode, i, shape[i]);
    group.axes.push_back(static_cast<int>(i));
    group.indices.push_back(index_of(indices[i]));
  }
  if (group.axes.empty()) return gather(array, {}, mode, out, wanted);
  return gather(array, {group}, mode, out, wanted);
}

ReferenceArray transpose(const ReferenceArray& array, const py::args& axes) {
  return array.after(Permute{axes_argument(axes, array.shape.ndim())});
}

/// Nothing is read before somebody asks for elements, so that there is nothing to copy.
ReferenceArray reshape(const ReferenceArray& array, const py::object& wanted,
                       std::optional<bool> /*copy*/) {
  return array.after(Reshape{shape_argument(wanted, array.shape.size())});
}

py::object copy(const ReferenceArray& array, Order order, const py::object& out,
                const py::object& dtype, bool saturate) {
  return gather(array, {}, IndexMode::raise, out, wanted_elements(dtype, saturate), order);
}

py::object as_type(const ReferenceArray& array, const py::object& dtype, Order order, bool saturate,
                   const py::object& out) {
  if (dtype.is_none()) throw py::type_error("astype(None): name the dtype");
  return copy(array, order, out, dtype, saturate);
}

py::bytes to_bytes(const ReferenceArray& array) {
  const reference::Result dense = read(array, {}, IndexMode::raise);
  return {reinterpret_cast<const char*>(dense.bytes.data()), dense.bytes.size()};
}

bool contains(const ReferenceArray& array, py::handle item) {
  if (is_compared_by_numpy(array.format, item))  // refuses before anything is read
    return numpy_has(gather(array, {}, IndexMode::raise, py::none()), item);
  const reference::Result dense = read(array, {}, IndexMode::raise);
  return any_equal(array.format, dense.shape, dense.bytes.data(), item);
}

py::object as_numpy(const ReferenceArray& array, const py::object& dtype,
                    std::optional<bool> copy) {
  if (!copy.value_or(true))
    throw py::value_error("an array that is read by its pointers becomes a NumPy array by a copy");
  const py::object dense = gather(array, {}, IndexMode::raise, py::none());
  return py::module_::import("numpy").attr("asarray")(dense, numpy_dtype(dtype));
}

py::object to_lists(const ReferenceArray& array) {
  array.format.type();  // refuses before anything is read
  const reference::Result dense = read(array, {}, IndexMode::raise);
  return to_list(array.format, dense.shape, dense.bytes.data());
}

std::string represent(const ReferenceArray& array) {
  return text("Reference(", shape_text(array.shape.shape(), array.format), ")");
}

Shape shape_of(const ReferenceArray& array) { return array.shape.shape(); }
const Format& format_of_array(const ReferenceArray& array) { return array.format; }
ReferenceArray transposed(const ReferenceArray& array) { return transpose(array, py::args()); }

}  // namespace

std::optional<DeviceBuffer> copy_of_reference(py::handle object) {
  const auto* const array = object_in<const ReferenceArray>(object);
  if (!array) return std::nullopt;
  const ReferenceArray copy = *array;
  return result_in(Order::C, read(copy, {}, IndexMode::raise), copy.format);
}

void bind_reference(py::module_& module) {
  Class<ReferenceArray> cls(
      "Reference",
      "An exporter read by its own pointers, one element at a time: what results are checked\n"
      "against. It has the verbs of DeviceArray, and holds the exporter. It is not fast.");
  bind_properties<shape_of, format_of_array>(cls);
  cls.iteration<shape_of>()
      .contains<contains>()
      .property<transposed>("T", "The view with its axes in reverse order.")
      .subscript<get_item>()
      .method<transpose>("transpose($self, *axes)", "As DeviceArray.transpose.")
      .method<reshape>(
          "reshape($self, shape, copy=None)",
          "As DeviceArray.reshape, but always a view: it reads when it is asked for elements.")
      .method<take_axis>(
          "take($self, indices, axis=0, mode='raise', out=None, *, dtype=None, saturate=False)",
          "As DeviceArray.take; out is host memory.")
      .method<gather_coordinates>(
          "gather($self, coordinates, mode='raise', out=None, *, dtype=None, saturate=False)",
          "As DeviceArray.gather; out is host memory.")
      .method<copy>("copy($self, order='C', out=None, *, dtype=None, saturate=False)",
                    "As DeviceArray.copy; out is host memory.")
      .method<as_type>("astype($self, dtype, *, order='C', saturate=False, out=None)",
                       "As DeviceArray.astype, by rules of its own; out is host memory.")
      .method<as_numpy>("__array__($self, dtype=None, copy=None)", "For NumPy, by a copy.")
      .method<to_bytes>("tobytes($self)", "The elements in C order, as bytes.")
      .method<to_lists>("tolist($self)", "The elements as nested lists.")
      .repr<represent>()
      .collected()
      .add_to(module);

  add_function<reference_of>(module, "reference($module, obj)", "As multibuffer.reference.");
}

}  // namespace multibuffer::python
