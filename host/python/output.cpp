#include "output.hpp"

#include "dtype.hpp"
#include "host/text.hpp"
#include "numpy_array.hpp"

#include <algorithm>
#include <cstddef>
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
  const bool is_ours = py::isinstance<DeviceBuffer>(object);
  if (is_ours || !PyObject_CheckBuffer(object.ptr())) return source_of(object);
  // A plain FULL_RO may be answered with read-only memory by an exporter that has both.
  const auto held = std::make_shared<const HeldBuffer>(object, PyBUF_FULL);
  const Description description(held->buffer());
  return {ArrayView::from_export(description.raw()), held, "host", nullptr};
}

/// The array that `out` mostly is. Nothing if there is something to be said against it, or to be
/// asked.
std::optional<OutputTarget> output_of_array(py::handle object, std::span<const std::int64_t> shape,
                                            const Format& format) {
  const auto array = NumpyArray::of(object);
  if (!array || !array->is_writeable() || !std::ranges::equal(array->shape(), shape)) return {};
  if (std::ranges::find(shape, 0) != shape.end()) return {};
  const auto type = array->native_type();
  if (!type || format.opaque() || !same_meaning(*type, format.type())) return {};
  OutputTarget target{{array->data(), type->size, MemorySpace::host, {}}, keep(object)};
  for (std::size_t i = 0; i < shape.size(); ++i) {
    const std::int64_t stride = array->strides()[i];
    target.output.bytes += std::max<std::int64_t>(stride, 0) * (shape[i] - 1);
    target.output.strides.push_back(stride);
  }
  return target;
}

}  // namespace

OutputTarget output_of(py::handle object, std::span<const std::int64_t> shape,
                       const Format& format) {
  if (auto target = output_of_array(object, shape, format)) return *std::move(target);
  const Source source = writable_source(object);
  const ArrayView& view = source.view;
  if (!std::ranges::equal(view.shape(), shape))
    throw py::value_error(
        text("out has shape ", tuple_text(view.shape()), ", the result ", tuple_text(shape)));
  if (!same_meaning(view.format(), format))
    throw py::value_error(
        text("out has format '", view.format().text(), "', the result '", format.text(), "'"));
  if (view.readonly()) throw py::buffer_error("out is read-only");
  if (view.layout().levels() > 0)
    throw py::buffer_error("out is made of pointers; it must be one block of memory");
  OutputTarget target;
  const std::byte* start = view.base() + (view.layout().empty() ? 0 : view.layout().origins()[0]);
  target.output.data = const_cast<std::byte*>(start);
  target.output.bytes = reach_of(view);
  target.output.space = view.space();
  for (const Axis& axis : view.layout().axes()) {
    // Strides of axes that are not walked may be anything.
    target.output.strides.push_back(axis.extent > 1 ? axis.stride : view.nbytes());
  }
  // Later work on an earlier result waits for this.
  if (py::isinstance<DeviceBuffer>(object))
    target.output.memory = object.cast<const DeviceBuffer&>().memory();
  target.owner = source.owner;
  return target;
}

}  // namespace multibuffer::python
