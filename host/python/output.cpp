#include "host/python/output.hpp"

#include "host/python/elements/dtype.hpp"
#include "host/python/elements/numpy_array.hpp"
#include "host/python/inputs/interfaces.hpp"
#include "host/python/support/attributes.hpp"
#include "host/python/support/instance.hpp"
#include "host/support/text.hpp"
#include "host/upload/internals.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>

namespace py = pybind11;

namespace multibuffer::python {
namespace {

/// From the lowest byte of an element to the end of the highest.
std::int64_t reach_of(const ArrayView& view) {
  if (view.layout().empty()) return 0;
  std::int64_t reach = view.itemsize();
  for (const Axis& axis : view.layout().axes())
    reach += std::max<std::int64_t>(axis.stride, 0) * (axis.extent - 1);
  return reach;
}

Source writable_source(py::handle object) {
  if (object_in<DeviceBuffer>(object) || !PyObject_CheckBuffer(object.ptr()))
    return source_of(object);
  // A plain request may be answered with read-only memory by an exporter that has both.
  return source_from_interfaces(object, Access::write, Route::shortest);
}

/// DLPack before 1.0 has no word for read-only memory. JAX's arrays on a GPU are, and say it here;
/// they have a buffer slot, unlike torch's tensors, which take long to answer.
bool says_readonly(py::handle object) {
  if (!PyObject_CheckBuffer(object.ptr()) || object_in<DeviceBuffer>(object)) return false;
  return has_attribute(object, "__cuda_array_interface__") && cuda_interface_is_readonly(object);
}

/// The array that `out` mostly is. Nothing if there is something to be said against it, or to be
/// asked.
std::optional<Output> output_of_array(py::handle object, std::span<const std::int64_t> shape,
                                      const Format& format) {
  const auto array = NumpyArray::of(object);
  if (!array || !array->is_writeable() || !std::ranges::equal(array->shape(), shape)) return {};
  if (std::ranges::find(shape, 0) != shape.end()) return {};
  const auto type = array->native_type();
  if (!type || format.opaque() || !same_meaning(*type, format.type())) return {};
  Output output{array->data(), type->size, MemorySpace::host, {}, nullptr, keep(object)};
  for (std::size_t i = 0; i < shape.size(); ++i) {
    const std::int64_t stride = array->strides()[i];
    output.bytes += std::max<std::int64_t>(stride, 0) * (shape[i] - 1);
    output.strides.push_back(stride);
  }
  return output;
}

}  // namespace

Output output_of(py::handle object, std::span<const std::int64_t> shape, const Format& format) {
  if (auto output = output_of_array(object, shape, format)) return *std::move(output);
  if (object_in<DeviceArray>(object))
    throw py::type_error(
        "out is a DeviceArray, whose memory is its own; give memory that can be written, a "
        "DeviceBuffer for instance, as copy() returns it, or update() the array");
  const Source source = writable_source(object);
  if (source.is_copy)
    throw py::buffer_error("out was given as a copy of its memory, which nobody would see written");
  const ArrayView& view = source.view;
  if (!std::ranges::equal(view.shape(), shape))
    throw py::value_error(
        text("out has shape ", tuple_text(view.shape()), ", the result ", tuple_text(shape)));
  if (!same_meaning(view.format(), format))
    throw py::value_error(
        text("out has format '", view.format().text(), "', the result '", format.text(), "'"));
  if (view.readonly() || (view.space() == MemorySpace::device && says_readonly(object)))
    throw py::buffer_error("out is read-only");
  if (view.layout().levels() > 0)
    throw py::buffer_error("out is made of pointers; it must be one block of memory");
  Output output;
  output.data = const_cast<std::byte*>(start_of(view));
  output.bytes = reach_of(view);
  output.space = view.space();
  for (const Axis& axis : view.layout().axes()) {
    // Strides of axes that are not walked may be anything.
    output.strides.push_back(axis.extent > 1 ? axis.stride : view.nbytes());
  }
  output.owner = source.owner;
  if (const auto* const earlier = object_in<DeviceBuffer>(object)) {
    // Later work on an earlier result waits for this. What it keeps is kept, not the result itself:
    // a plan's result may be the output of the next plan, and so on.
    output.memory = memory_of(*earlier);
    output.owner = owner_of(*earlier);
  }
  return output;
}

}  // namespace multibuffer::python
