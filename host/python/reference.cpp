#include <multibuffer/gather.hpp>
#include <multibuffer/reference.hpp>

#include "host/python/elements/dtype.hpp"
#include "host/python/elements/numpy_array.hpp"
#include "host/python/inputs/struct_format.hpp"
#include "host/python/module.hpp"
#include "host/python/output.hpp"
#include "host/python/support/interrupt.hpp"
#include "host/python/support/owner.hpp"
#include "host/python/support/values.hpp"
#include "host/python/verbs.hpp"
#include "host/support/text.hpp"

#include <algorithm>
#include <cstddef>
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

/// Tells whether both are understood and mean the same, or neither is understood.
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

/// Extends an operation to axes of these extents behind those it knows.
ViewOperation with_axes_behind(ViewOperation operation, const Shape& extents) {
  if (auto* permute = std::get_if<Permute>(&operation)) {
    for (std::size_t i = 0; i < extents.size(); ++i)
      permute->axes.push_back(static_cast<int>(permute->axes.size()));
  } else if (auto* reshape = std::get_if<Reshape>(&operation)) {
    reshape->shape.insert(reshape->shape.end(), extents.begin(), extents.end());
  }
  return operation;
}

/// Describes `field` of an exporter's elements. Its offset counts after the last pointer.
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

/// Reads the elements that are asked for, converted if `wanted` says to what.
reference::Result read(const ReferenceArray& array, const std::vector<reference::Group>& groups,
                       IndexMode mode, const WantedElements& wanted, const Progress& progress) {
  return without_gil(
      [&](const Watch& watch) {
        reference::Result result = reference::gather(array.description->raw(), array.operations,
                                                     groups, {.mode = mode, .watch = watch});
        if (!wanted.format && !wanted.scaling) return result;
        return reference::converted(
            result, array.format, wanted.format.value_or(array.format),
            {.overflow = wanted.overflow, .scaling = wanted.scaling, .watch = watch});
      },
      progress);
}

/// Brings a result into the caller's memory, or into memory of its own in `order`.
DeviceBuffer delivered(const reference::Result& result, const Format& format, Order order,
                       std::optional<Output> out) {
  if (order == Order::C && !out)
    return without_gil([&](const Watch&) {
      return DeviceBuffer::from_host(Device::host(), result.bytes.data(), result.shape, format);
    });
  // The elements are right by now. That they are moved is a gather's work.
  const DeviceArray dense =
      in_place({.view = ArrayView::dense(result.bytes.data(), result.shape, format),
                .owner = nullptr,
                .description = nullptr});
  GatherOptions options;
  options.order = order;
  options.out = std::move(out);
  return without_gil([&](const Watch& watch) {
    options.watch = watch;
    return multibuffer::copy(dense, options);
  });
}

std::string represent_reference(const ReferenceArray& array) {
  return text("Reference(", shape_text(array.shape.shape(), array.format), ")");
}

py::object reference_as_numpy(const ReferenceArray& array, const py::object& dtype,
                              std::optional<bool> copy) {
  if (!copy.value_or(true))
    throw py::value_error("an array that is read by its pointers becomes a NumPy array by a copy");
  const reference::Result result = read(array, {}, IndexMode::raise, {}, {});
  const py::object dense = wrap(delivered(result, array.format, Order::C, {}));
  return py::module_::import("numpy").attr("asarray")(dense, numpy_dtype(dtype));
}

}  // namespace

template <>
struct Verbs<ReferenceArray> {
  static Shape shape(const ReferenceArray& array) { return array.shape.shape(); }
  static const Format& format(const ReferenceArray& array) { return array.format; }
  static ReferenceArray field(const ReferenceArray& array, const std::string& name) {
    return field_of(array, name);
  }
  static ReferenceArray fields(const ReferenceArray& array, const std::vector<std::string>& names) {
    ReferenceArray result = array;
    result.format = fields_of(array.format, names);
    return result;
  }
  static ReferenceArray after(const ReferenceArray& array, ViewOperation operation) {
    return array.after(std::move(operation));
  }
  /// Nothing is read before somebody asks for elements, so that there is nothing to copy.
  static ReferenceArray reshape(const ReferenceArray& array, const Shape& shape,
                                std::optional<bool> /*copy*/) {
    return array.after(Reshape{shape});
  }
  static py::object run(const ReferenceArray& array, Asked& asked, py::handle out,
                        py::handle stream, const Progress& progress) {
    stream_argument(stream);  // the host has none, but it may be wrong
    const Format format = asked.elements.format.value_or(array.format);
    std::optional<Output> output;
    if (!out.is_none()) {
      output = output_of(out, asked.shape, format);
      if (output->space != MemorySpace::host)
        throw py::value_error("the reference writes to host memory; out is on a device");
    }
    std::vector<reference::Group> groups;
    if (!asked.axes.empty()) {
      groups.push_back({asked.axes, {}, asked.position});
      for (const IndexArray& index : asked.indices) groups[0].indices.push_back(index_of(index));
    }
    const reference::Result result =
        python::read(array, groups, asked.mode, asked.elements, progress);
    DeviceBuffer buffer = delivered(result, format, asked.order, std::move(output));
    if (!out.is_none()) return py::reinterpret_borrow<py::object>(out);
    return wrap(std::move(buffer));
  }
  static void read(const ReferenceArray& array, std::byte* to) {
    const reference::Result result = python::read(array, {}, IndexMode::raise, {}, {});
    std::ranges::copy(result.bytes, to);
  }
};

std::optional<DeviceBuffer> copy_of_reference(py::handle object, const Progress& progress) {
  const auto* const array = object_in<const ReferenceArray>(object);
  if (!array) return std::nullopt;
  const ReferenceArray copy = *array;
  const reference::Result result = read(copy, {}, IndexMode::raise, {}, progress);
  return delivered(result, copy.format, Order::C, {});
}

void bind_reference(py::module_& module) {
  Class<ReferenceArray> cls(
      "Reference",
      "An exporter read by its own pointers, one element at a time: what results are checked\n"
      "against. It has the verbs of DeviceArray, and holds the exporter. It is not fast.");
  bind_verbs(cls);
  cls.method<reference_as_numpy>("__array__($self, dtype=None, copy=None)", "For NumPy, by a copy.")
      .repr<represent_reference>()
      .collected()
      .add_to(module);

  add_function<reference_of>(module, "reference($module, obj)", "As multibuffer.reference.");
}

}  // namespace multibuffer::python
