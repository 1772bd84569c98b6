#include <multibuffer/error.hpp>
#include <multibuffer/reference.hpp>

#include "elements.hpp"
#include "host/text.hpp"
#include "indexing.hpp"
#include "interrupt.hpp"
#include "module.hpp"
#include "properties.hpp"

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace py = pybind11;

namespace multibuffer::python {
namespace {

using Shape = std::vector<std::int64_t>;

/// An exporter and the view operations on it: nothing has been read.
struct ReferenceArray {
  std::shared_ptr<const Description> description;
  std::shared_ptr<const void> owner;
  Format format;
  std::vector<ViewOperation> operations;
  Layout shape;  ///< the extents alone

  ReferenceArray after(ViewOperation operation) const {
    ReferenceArray result = *this;
    result.shape = shape.apply(operation);
    result.operations.push_back(std::move(operation));
    return result;
  }
};

ReferenceArray reference_of(const py::object& object) {
  Source source = source_of(object);
  if (!source.description)
    throw py::buffer_error(source.device == "host"
                               ? "no buffer export can say what this array is"
                               : "the reference reads host memory; this is on " + source.device);
  std::vector<Axis> axes;
  for (const std::int64_t extent : source.view.shape()) axes.push_back({extent, 0, 0});
  return {std::move(source.description),
          std::move(source.owner),
          source.view.format(),
          {},
          Layout(std::move(axes), {0})};
}

reference::Index index_of(IndexArray array) {
  if (!array.on_device) return {std::move(array.values), std::move(array.shape)};
  const py::object host = py::cast(*array.on_device).attr("to_host")();
  IndexArray here = index_array(host);
  return {std::move(here.values), std::move(here.shape)};
}

DeviceBuffer gather(const ReferenceArray& array, const std::vector<reference::Group>& groups,
                    IndexMode mode) {
  return without_gil([&](const Watch&) {
    const reference::Result result =
        reference::gather(array.description->raw(), array.operations, groups, mode);
    return DeviceBuffer::from_host(Device::host(), result.bytes.data(), result.shape, array.format);
  });
}

IndexMode mode_of(std::string_view name) {
  if (name == "raise") return IndexMode::raise;
  if (name == "clip") return IndexMode::clip;
  if (name == "wrap") return IndexMode::wrap;
  throw py::value_error(text("mode '", name, "': there are raise, clip and wrap"));
}

py::object get_item(const ReferenceArray& array, const py::object& key) {
  Selection selection = select(key, array.shape.shape());
  ReferenceArray view = array;
  for (ViewOperation& operation : selection.operations) view = view.after(std::move(operation));
  if (!selection.advanced()) return py::cast(std::move(view));
  reference::Group group{selection.axes, {}, selection.position};
  for (IndexArray& index : selection.indices) group.indices.push_back(index_of(std::move(index)));
  return py::cast(gather(view, {group}, IndexMode::raise));
}

DeviceBuffer take_axis(const ReferenceArray& array, const py::object& indices, int axis,
                       const std::string& mode) {
  return gather(array, {{{axis}, {index_of(index_array(indices))}, {}}}, mode_of(mode));
}

DeviceBuffer gather_coordinates(const ReferenceArray& array, const py::object& coordinates,
                                const std::string& mode) {
  reference::Group group;
  for (const py::handle index : coordinates) {
    group.axes.push_back(static_cast<int>(group.axes.size()));
    group.indices.push_back(index_of(index_array(index)));
  }
  if (group.axes.empty()) return gather(array, {}, mode_of(mode));
  return gather(array, {group}, mode_of(mode));
}

ReferenceArray transpose(const ReferenceArray& array, const py::args& axes) {
  Permute permute;
  if (axes.empty() || (axes.size() == 1 && axes[0].is_none())) {
    for (int axis = array.shape.ndim(); axis-- > 0;) permute.axes.push_back(axis);
  } else {
    const bool is_one_sequence = axes.size() == 1 && PySequence_Check(axes[0].ptr());
    permute.axes = is_one_sequence ? axes[0].cast<std::vector<int>>()
                                   : py::object(axes).cast<std::vector<int>>();
  }
  return array.after(std::move(permute));
}

DeviceBuffer copy(const ReferenceArray& array) { return gather(array, {}, IndexMode::raise); }

py::bytes to_bytes(const ReferenceArray& array) {
  const DeviceBuffer dense = copy(array);
  return {reinterpret_cast<const char*>(dense.data()), static_cast<std::size_t>(dense.nbytes())};
}

}  // namespace

void bind_reference(py::module_& module) {
  py::class_<ReferenceArray> cls(
      module, "Reference",
      "An exporter read by its own pointers, one element at a time: what results are checked\n"
      "against. It has the verbs of DeviceArray, and holds the exporter. It is not fast.");
  bind_properties(
      cls, [](const ReferenceArray& self) { return self.shape.shape(); },
      [](const ReferenceArray& self) -> const Format& { return self.format; });
  cls.def_property_readonly(
      "T", [](const ReferenceArray& self) { return transpose(self, py::args()); },
      "The view with its axes in reverse order.");
  cls.def("__getitem__", get_item, py::arg("key"), "As DeviceArray.__getitem__, without fields.");
  cls.def("transpose", transpose, "As DeviceArray.transpose.");
  cls.def("take", take_axis, py::arg("indices"), py::arg("axis") = 0, py::arg("mode") = "raise",
          "As DeviceArray.take.");
  cls.def("gather", gather_coordinates, py::arg("coordinates"), py::arg("mode") = "raise",
          "As DeviceArray.gather.");
  cls.def("copy", copy, "As DeviceArray.copy, in C order.");
  cls.def("tobytes", to_bytes, "The elements in C order, as bytes.");
  cls.def(
      "tolist",
      [](const ReferenceArray& self) {
        const DeviceBuffer dense = copy(self);
        return to_list(dense.format(), dense.shape(), dense.data());
      },
      "The elements as nested lists.");
  cls.def("__repr__", [](const ReferenceArray& self) {
    return text("Reference(", shape_text(self.shape.shape(), self.format), ")");
  });

  module.def("reference", reference_of, py::arg("obj"),
             "An array of host memory, as upload() takes them, to be read by its own pointers.");
}

}  // namespace multibuffer::python
