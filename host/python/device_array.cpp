#include <multibuffer/byte_order.hpp>
#include <multibuffer/device_array.hpp>
#include <multibuffer/gather.hpp>

#include "arguments.hpp"
#include "elements.hpp"
#include "host/storage.hpp"
#include "host/text.hpp"
#include "interrupt.hpp"
#include "module.hpp"
#include "owner.hpp"
#include "properties.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace py = pybind11;

namespace multibuffer::python {
namespace {

using Shape = std::vector<std::int64_t>;

int traverse_array(const DeviceArray& array, visitproc visit, void* arg) {
  const std::shared_ptr<const Storage>& storage = array.storage();
  return storage.use_count() == 1 ? traverse(storage->owner, visit, arg) : 0;
}

// ---- Words

PlacementKind placement_of(std::string_view name) {
  if (name == "auto") return PlacementKind::automatic;
  if (name == "packed") return PlacementKind::packed;
  if (name == "preserved") return PlacementKind::preserved;
  if (name == "in_place") return PlacementKind::in_place;
  throw py::value_error(
      text("placement '", name, "': there are auto, packed, preserved and in_place"));
}

const char* name_of(PlacementKind kind) {
  switch (kind) {
    case PlacementKind::automatic:
      return "auto";
    case PlacementKind::packed:
      return "packed";
    case PlacementKind::preserved:
      return "preserved";
    case PlacementKind::in_place:
      return "in_place";
  }
  return "";
}

// ---- Into the library

DeviceArray upload_object(const py::object& object, const py::object& device_name,
                          const py::object& placement) {
  const std::string device = text_argument(device_name, "device");
  const PlacementKind kind = placement_of(text_argument(placement, "placement"));
  Source source = source_of(object);
  // What is on a GPU stays on it unless somebody says otherwise.
  if (source.device != "host" && device == "host") {
    const DeviceBuffer there = dense_copy(source);
    source = source_of(without_gil([&](const Watch&) {
      const std::vector<std::byte> bytes = there.to_host();
      return DeviceBuffer::from_host(Device::host(), bytes.data(), there.shape(), there.format());
    }));
  }
  const std::string target = device == "auto" && source.device != "host" ? source.device : device;
  UploadOptions options;
  options.placement = kind;
  options.owner = source.owner;
  options.memory = source.memory;
  return without_gil([&](const Watch& watch) {
    options.watch = watch;
    return upload(source.view, Device::open(target), options);
  });
}

// ---- Views

DeviceArray transpose(const DeviceArray& array, const py::args& axes) {
  return array.permute(axes_argument(axes, array.ndim()));
}

DeviceArray reshape(const DeviceArray& array, const py::object& wanted,
                    std::optional<bool> may_copy) {
  const Shape shape = shape_argument(wanted, array.layout().size());
  if (!may_copy.value_or(false))
    if (auto view = array.reshape(shape)) return *view;
  if (!may_copy.value_or(true))
    throw py::value_error(text("an array of shape ", tuple_text(array.shape()),
                               " has no view of shape ", tuple_text(shape)));
  return in_place(source_of(dense_copy(array))).reshape(shape).value();
}

// ---- Out of the library

py::bytes to_bytes(const DeviceArray& array) {
  auto bytes = py::reinterpret_steal<py::bytes>(
      PyBytes_FromStringAndSize(nullptr, static_cast<Py_ssize_t>(array.nbytes())));
  if (!bytes) throw py::error_already_set();
  Request request;
  request.out = Output{PyBytes_AS_STRING(bytes.ptr()), array.nbytes(), MemorySpace::host, {}};
  without_gil([&](const Watch& watch) {
    request.watch = watch;
    return gather(array, request);
  });
  return bytes;
}

py::object to_lists(const DeviceArray& array) {
  array.format().type();  // refuses before anything moves
  const std::vector<std::byte> bytes = without_gil([&](const Watch& watch) {
    Request request;
    request.watch = watch;
    return copy(array, Order::C, request).to_host();
  });
  return to_list(array.format(), array.shape(), bytes.data());
}

bool contains(const DeviceArray& array, py::handle item) {
  if (is_compared_by_numpy(array.format(), item))  // refuses before anything moves
    return numpy_has(py::cast(dense_copy(array)).attr("to_host")(), item);
  const std::vector<std::byte> bytes = without_gil([&](const Watch& watch) {
    Request request;
    request.watch = watch;
    return copy(array, Order::C, request).to_host();
  });
  return any_equal(array.format(), array.shape(), bytes.data(), item);
}

py::object as_numpy(const DeviceArray& array, const py::object& dtype, const py::object& copy) {
  if (array.device().kind() != DeviceKind::host)
    throw py::type_error("this array is on " + array.device().name() +
                         "; copy().to_host() brings its elements to the host");
  // Its elements are nowhere side by side.
  if (!copy.is_none() && !copy.cast<bool>())
    throw py::value_error("an array of pointers becomes a NumPy array only by a copy");
  return py::module_::import("numpy").attr("asarray")(dense_copy(array), dtype);
}

std::string represent(const DeviceArray& array) {
  const int levels = array.layout().levels();
  std::string result =
      text("DeviceArray(", shape_text(array.shape(), array.format()), ", device='",
           array.device().name(), "', placement='", name_of(array.placement()), "')");
  int number = 0;
  for (const Axis& axis : array.layout().axes()) {
    result += text("\n  axis ", number++, ": extent ", axis.extent, ", stride ", axis.stride);
    result += axis.level < levels ? text(" in pointer table ", axis.level) : " bytes";
  }
  if (levels == 0) result += "\n  no pointer tables";
  return result;
}

}  // namespace

void bind_device_array(py::module_& module) {
  py::class_<Axis>(module, "Axis", "One axis: how its index leads to an element.")
      .def_readonly("extent", &Axis::extent, "How many indices there are.")
      .def_readonly("stride", &Axis::stride,
                    "What one index adds: entries of a pointer table or, in the last level, bytes.")
      .def_readonly("level", &Axis::level,
                    "How many pointers are followed before this index counts.")
      .def("__repr__", [](const Axis& axis) {
        return text("Axis(extent=", axis.extent, ", stride=", axis.stride, ", level=", axis.level,
                    ")");
      });

  py::class_<DeviceArray> cls(
      module, "DeviceArray", py::custom_type_setup(set_up_collection<DeviceArray, traverse_array>),
      "An array of pointers on a device: its memory, tables of offsets where the pointer tables\n"
      "were, and a view of them.\n\n"
      "Basic indices, NumPy's slices and integers, give views, which move no data; index arrays "
      "and\n"
      "masks gather into a DeviceBuffer.");
  bind_properties(
      cls, [](const DeviceArray& self) { return self.shape(); },
      [](const DeviceArray& self) -> const Format& { return self.format(); });
  cls.def_property_readonly(
      "device", [](const DeviceArray& self) { return self.device().name(); },
      "Where it is: 'host', 'cuda:0', ...");
  cls.def_property_readonly(
      "placement", [](const DeviceArray& self) { return name_of(self.placement()); },
      "How its memory was placed: 'packed', 'preserved' or 'in_place'.");
  cls.def_property_readonly("storage_bytes", &DeviceArray::storage_bytes,
                            "What its memory and tables take on the device.");
  cls.def_property_readonly(
      "levels", [](const DeviceArray& self) { return self.layout().levels(); },
      "How many pointer tables an index goes through; those that turned out regular are gone.");
  cls.def_property_readonly(
      "axes",
      [](const DeviceArray& self) {
        const auto axes = self.layout().axes();
        py::tuple tuple(axes.size());
        for (std::size_t i = 0; i < axes.size(); ++i) tuple[i] = py::cast(axes[i]);
        return tuple;
      },
      "How each index leads to an element: a tuple of Axis.");
  cls.def_property_readonly(
      "origins", [](const DeviceArray& self) { return to_tuple(self.layout().origins()); },
      "Where index 0 is in each level: entries of its pointer table or, in the last one, bytes.");
  cls.def_property_readonly(
      "T", [](const DeviceArray& self) { return self.transpose(); },
      "The view with its axes in reverse order.");

  cls.def("transpose", transpose,
          "The view whose axis i is axis axes[i] of this array; without axes, all in reverse.");
  cls.def(
      "reshape", reshape, py::arg("shape"), py::arg("copy") = py::none(),
      "The elements in C order under another shape, one extent of which may be -1. A view where\n"
      "there is one, unless copy is True; else a copy, unless copy is False: then ValueError.");
  bind_gathers(cls);
  bind_sequence(cls, contains);
  cls.def(
      "native",
      [](const DeviceArray& self) {
        const DeviceArray shared = self;  // as owner.hpp asks for
        return without_gil([&](const Watch& watch) { return to_native(shared, nullptr, watch); });
      },
      "All elements, dense, in this machine's byte order: a DeviceBuffer.");
  cls.def("tobytes", to_bytes, "The elements in C order, as bytes.");
  cls.def("tolist", to_lists,
          "The elements as nested lists; structs are tuples. TypeError where the format has no\n"
          "meaning.");
  cls.def("__array__", as_numpy, py::arg("dtype") = py::none(), py::arg("copy") = py::none(),
          "For NumPy, by a copy. TypeError for an array on a GPU: nothing is fetched unasked.");
  cls.def("__repr__", represent);
  bind_update(cls);

  module.def("upload", upload_object);
}

}  // namespace multibuffer::python
