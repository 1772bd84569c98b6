#include "host/python/verbs.hpp"

#include "host/support/text.hpp"

#include <algorithm>

namespace py = pybind11;

namespace multibuffer::python {
namespace {

using Shape = std::vector<std::int64_t>;

}  // namespace

Asked ask_copy(Shape shape, Order order) {
  Asked asked;
  asked.order = order;
  asked.shape = std::move(shape);
  return asked;
}

Asked ask_take(Shape shape, py::handle indices, int axis, IndexMode mode, OnDevice on_device) {
  Asked asked;
  asked.mode = mode;
  asked.indices.push_back(index_array(indices, on_device));
  IndexArray& index = asked.indices[0];
  const int at = normalize_axis(axis, static_cast<int>(shape.size()));
  asked.axes = {at};
  index.settle(mode, static_cast<std::size_t>(at), shape[static_cast<std::size_t>(at)]);
  const Shape& inner = index.on_device ? index.on_device->shape() : index.shape;
  shape.erase(shape.begin() + at);
  shape.insert(shape.begin() + at, inner.begin(), inner.end());
  asked.shape = std::move(shape);
  return asked;
}

Asked ask_gather(const Shape& shape, py::handle coordinates, IndexMode mode, OnDevice on_device) {
  Asked asked;
  asked.mode = mode;
  std::vector<IndexArray>& indices = asked.indices;
  for (const py::handle index : coordinates) {
    if (indices.size() == max_axes)  // what is iterated may have no end
      throw py::index_error(text("more than ", max_axes, " coordinates"));
    indices.push_back(index_array(index, on_device));
    if (indices.back().on_device) indices.back().shape = indices.back().on_device->shape();
  }
  if (indices.size() > shape.size())
    throw py::index_error(
        text(indices.size(), " coordinates for an array with ", shape.size(), " axes"));
  asked.shape = broadcast_shape(indices);
  const bool are_read = std::ranges::find(asked.shape, 0) == asked.shape.end();
  for (std::size_t i = 0; i < indices.size(); ++i) {
    if (are_read) indices[i].settle(mode, i, shape[i]);
    asked.axes.push_back(static_cast<int>(i));
  }
  asked.shape.insert(asked.shape.end(), shape.begin() + std::ssize(indices), shape.end());
  return asked;
}

Asked converted(Asked asked, py::handle dtype, bool saturate, py::handle scale, py::handle bias,
                int channel_axis) {
  asked.elements = wanted_elements(dtype, saturate);
  asked.elements.scaling = scaling_argument(scale, bias, channel_axis);
  return asked;
}

}  // namespace multibuffer::python
