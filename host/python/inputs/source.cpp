#include "host/python/inputs/source.hpp"

#include <multibuffer/error.hpp>
#include <multibuffer/gather.hpp>

#include "host/python/elements/dtype.hpp"
#include "host/python/elements/numpy_array.hpp"
#include "host/python/inputs/advice.hpp"
#include "host/python/inputs/arrow_input.hpp"
#include "host/python/inputs/dataset_object.hpp"
#include "host/python/inputs/interfaces.hpp"
#include "host/python/inputs/parts.hpp"
#include "host/python/inputs/stack_object.hpp"
#include "host/python/inputs/struct_format.hpp"
#include "host/python/support/attributes.hpp"
#include "host/python/support/instance.hpp"
#include "host/python/support/interrupt.hpp"
#include "host/python/support/nested_list.hpp"
#include "host/support/text.hpp"
#include "host/upload/internals.hpp"

#include <cstddef>
#include <optional>
#include <utility>

namespace py = pybind11;

namespace multibuffer::python {
namespace {

bool is_list(py::handle object) {
  return PyList_Check(object.ptr()) || PyTuple_Check(object.ptr());
}

/// `owner` keeps `object`.
Source source_from_stack(const StackObject& object, Owner owner) {
  Source source{object.stack.view(), std::move(owner), object.device, nullptr};
  try {
    source.description = std::make_shared<const Description>(object.stack.raw_export());
  } catch (const Error&) {
    // No Py_buffer says it. The view does.
  }
  return source;
}

/// A list as one array: a pointer table over its parts where they lie, if they lie alike; else over
/// dense copies of those that are not dense.
Source source_from_list(py::handle list, Route route) {
  Parts parts = parts_of(list, Holding::objects, route);
  const std::string device = parts.runs[0].source.device;
  Stack stack = gather_parts(parts, route);
  auto object = std::make_unique<const StackObject>(
      StackObject{std::move(stack), std::move(parts.owner), device});
  const StackObject& held = *object;
  return source_from_stack(held, keep(std::move(object)));
}

/// A dataset as the pointers into its mapped files or, where these do not say it, as a copy. The
/// reference reads it element by element.
Source source_from_dataset(const Dataset& dataset, Route route) {
  if (route == Route::protocols) return source_of(reference_copy(dataset));
  if (const auto mapped = without_gil([&](const Watch&) { return dataset.mapped(); }))
    return {.view = mapped->view, .owner = mapped->owner, .description = nullptr};
  return source_of(without_gil([&](const Watch& watch) {
    ReadOptions options;
    options.watch = watch;
    return copy(dataset, options);
  }));
}

/// A column of Arrow's where it lies; of several chunks, as their rows' addresses or a copy.
Source source_from_arrow(py::handle object, Route route) {
  ArrowColumn column = arrow_column(py::make_tuple(object));
  if (column.parts.size() != 1)
    return source_from_dataset(Dataset::of_memory(column.parts, std::move(column.owner)), route);
  const ArrayView& view = column.parts[0];
  return {view, std::move(column.owner), "host", std::make_shared<const Description>(view)};
}

/// By an interface of its own. Arrow's own arrays have DLPack's, too, which most of them refuse.
Source source_by_interfaces(py::handle object, Route route) {
  try {
    return source_from_interfaces(object, Access::read, route);
  } catch (const py::error_already_set& refusal) {
    if (!refusal.matches(PyExc_Exception) || !is_arrow(object)) throw;
  }
  return source_from_arrow(object, route);
}

}  // namespace

bool is_array(py::handle object) {
  return NumpyArray::of(object) || object_in<DeviceBuffer>(object) ||
         object_in<DeviceArray>(object) || object_in<StackObject>(object) ||
         object_in<DatasetObject>(object) || PyObject_CheckBuffer(object.ptr()) ||
         has_attribute(object, "__dlpack__") || has_attribute(object, "__cuda_array_interface__");
}

Source source_of(py::handle object, Route route) {
  // Our own come first: they can say more than any protocol.
  if (const auto* const buffer = object_in<const DeviceBuffer>(object)) return source_of(*buffer);
  if (const auto* const stack = object_in<const StackObject>(object))
    return source_from_stack(*stack, keep(object));
  if (const auto* const array = object_in<const DeviceArray>(object)) return source_of(*array);
  if (const auto* const dataset = object_in<const DatasetObject>(object))
    return source_from_dataset(Dataset(dataset->dataset), route);
  if (PyObject_CheckBuffer(object.ptr()) || offers_more_than_buffer(object))
    return source_by_interfaces(object, route);
  if (is_list(object)) {
    const NestedList guard;
    return source_from_list(object, route);
  }
  if (is_arrow(object)) return source_from_arrow(object, route);
  throw py::type_error(
      text("expected an object with the buffer protocol, __dlpack__, __cuda_array_interface__ or "
           "Arrow's __arrow_c_array__ or __arrow_c_stream__, or a list of such objects, not ",
           Py_TYPE(object.ptr())->tp_name, advice_on(object)));
}

DeviceBuffer reference_copy(const Dataset& dataset) {
  return without_gil([&](const Watch&) {
    const std::vector<std::byte> bytes = dataset.reference();
    return DeviceBuffer::from_host(Device::host(), bytes.data(), dataset.shape(), dataset.format());
  });
}

DeviceArray in_place(const Source& source, Route route) {
  UploadOptions options;
  options.placement = PlacementKind::in_place;
  options.owner = source.owner;
  options.memory = source.memory;
  options.checked = route == Route::checked;
  return without_gil([&](const Watch& watch) {
    options.watch = watch;
    return upload(source.view, Device::open(source.device), options);
  });
}

DeviceBuffer dense_copy(const Source& source, Route route) {
  return dense_copy(in_place(source, route));
}

DeviceBuffer dense_copy(const DeviceArray& array) {
  return without_gil([&](const Watch& watch) { return copy(array, {.watch = watch}); });
}

DeviceBuffer fetched(const DeviceBuffer& buffer) {
  return without_gil([&](const Watch&) {
    const std::vector<std::byte> bytes = buffer.to_host();
    return DeviceBuffer::from_host(Device::host(), bytes.data(), buffer.shape(), buffer.format());
  });
}

Source source_of(const DeviceBuffer& buffer) {
  without_gil([&](const Watch&) {
    buffer.synchronize();
    return true;
  });
  auto owner = std::make_shared<const DeviceBuffer>(buffer);
  ArrayView view = buffer.view();
  const bool on_host = view.space() == MemorySpace::host;
  auto description = on_host ? std::make_shared<const Description>(view) : nullptr;
  return {std::move(view), std::move(owner), buffer.device().name(), std::move(description),
          memory_of(buffer)};
}

Source source_of(const DeviceArray& array) {
  const std::optional<DeviceBuffer> shared = array.as_buffer();
  if (!shared) return source_of(dense_copy(array));
  Source source = source_of(*shared);
  const ArrayView& view = source.view;
  source.view = ArrayView(view.base(), view.format(), view.layout(), true, view.space());
  if (source.description) source.description = std::make_shared<const Description>(source.view);
  return source;
}

Source source_of_export(const Py_buffer& buffer) {
  auto description = std::make_shared<const Description>(buffer);
  ArrayView view = ArrayView::from_export(description->raw());
  if (std::optional<Format> format = format_by(describer_of(buffer), buffer))
    view = ArrayView(view.base(), *std::move(format), view.layout(), view.readonly());
  return {std::move(view), nullptr, "host", std::move(description)};
}

}  // namespace multibuffer::python
