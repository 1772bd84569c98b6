#include <multibuffer/pieces.hpp>

#include "host/python/arguments.hpp"
#include "host/python/elements/dtype.hpp"
#include "host/python/indexing/indexing.hpp"
#include "host/python/inputs/source.hpp"
#include "host/python/module.hpp"
#include "host/python/output.hpp"
#include "host/python/support/interrupt.hpp"
#include "host/support/text.hpp"

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace py = pybind11;

namespace multibuffer::python {
namespace {

/// Returns the shape of what groups of index arrays leave of a view.
std::vector<std::int64_t> result_shape(const ArrayView& view, const Selection& selection) {
  std::vector<std::int64_t> shape;
  const std::vector<std::int64_t> whole = view.shape();
  const auto insert = [&] {
    const std::vector<std::int64_t> common = broadcast_shape(selection.indices);
    shape.insert(shape.end(), common.begin(), common.end());
  };
  for (int axis = 0; axis < view.ndim(); ++axis) {
    if (selection.advanced() && axis == selection.position) insert();
    if (std::ranges::find(selection.axes, axis) == selection.axes.end())
      shape.push_back(whole[static_cast<std::size_t>(axis)]);
  }
  if (selection.advanced() && selection.position >= view.ndim()) insert();
  return shape;
}

py::object gather_in_pieces(const py::object& object, const py::object& key,
                            const std::string& device, std::int64_t memory_limit, IndexMode mode,
                            Order order, py::handle out, py::handle dtype, bool saturate,
                            py::handle scale, py::handle bias, int channel_axis, py::handle stream,
                            const Progress& progress) {
  if (memory_limit < 0)
    throw py::value_error(text("memory_limit is ", memory_limit, ", fewer bytes than none"));
  const Source source = source_of(object);
  if (PyUnicode_Check(key.ptr()) || is_list_of_names(key))
    throw py::type_error("a key of field names is for uploaded arrays");
  Selection selection = select(key, source.view.shape());
  ArrayView view = source.view;
  for (const ViewOperation& operation : selection.operations) view = view.apply(operation);

  const WantedElements wanted = wanted_elements(dtype, saturate);
  multibuffer::Selection elements;
  elements.mode = mode;
  PiecesOptions options{.memory_limit = memory_limit};
  options.gather.order = order;
  options.gather.format = wanted.format;
  options.gather.overflow = wanted.overflow;
  options.gather.scaling = scaling_argument(scale, bias, channel_axis);
  options.gather.stream = stream_argument(stream);
  for (std::size_t i = 0; i < selection.indices.size(); ++i)
    selection.indices[i].settle(mode, selection.indexed[i].axis, selection.indexed[i].extent);
  if (!out.is_none())
    options.gather.out =
        output_of(out, result_shape(view, selection), wanted.format.value_or(view.format()));
  if (selection.advanced()) {
    IndexGroup& group = elements.groups.emplace_back();
    group.axes = selection.axes;
    group.position = selection.position;
    for (IndexArray& index : selection.indices) group.indices.push_back(index.indices());
  }
  const std::string target = device == "auto" && source.device != "host" ? source.device : device;
  DeviceBuffer result = without_gil(
      [&](const Watch& watch) {
        options.gather.watch = watch;
        return multibuffer::gather_in_pieces(view, Device::open(target), elements, options);
      },
      progress);
  if (!out.is_none()) return py::reinterpret_borrow<py::object>(out);
  return wrap(std::move(result));
}

}  // namespace

void bind_pieces(py::module_& module) {
  add_function<gather_in_pieces>(
      module,
      "gather_in_pieces($module, obj, key, device, memory_limit, mode, order, out, dtype, "
      "saturate, scale, bias, channel_axis, stream, progress)",
      "As multibuffer.gather_in_pieces, which has the defaults.");
}

}  // namespace multibuffer::python
