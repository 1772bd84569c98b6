#include <multibuffer/byte_order.hpp>
#include <multibuffer/device_array.hpp>
#include <multibuffer/error.hpp>
#include <multibuffer/gather.hpp>

#include "arguments.hpp"
#include "elements.hpp"
#include "host/text.hpp"
#include "indexing.hpp"
#include "interrupt.hpp"
#include "module.hpp"
#include "output.hpp"
#include "properties.hpp"

#include <algorithm>
#include <cstddef>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace py = pybind11;

namespace multibuffer::python {
namespace {

using Shape = std::vector<std::int64_t>;

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
  return without_gil([&](const Watch& watch) {
    options.watch = watch;
    return upload(source.view, Device::open(target), options);
  });
}

// ---- Gathers

/// Index arrays for `axes`, as the library takes them; what they borrow lives in `arrays`.
IndexGroup group_of(const DeviceArray& array, std::vector<int> axes,
                    std::vector<IndexArray>& arrays) {
  IndexGroup group;
  group.axes = std::move(axes);
  for (IndexArray& index : arrays) {
    if (index.on_device && array.device().kind() == DeviceKind::host) {
      const std::vector<std::byte> bytes = index.on_device->to_host();
      const DeviceBuffer here = DeviceBuffer::from_host(
          Device::host(), bytes.data(), index.on_device->shape(), index.on_device->format());
      index.on_device = here;
    }
    group.indices.push_back(index.indices());
  }
  return group;
}

/// A gather as it was asked for. What its index arrays borrow lives as long as it.
struct Asked {
  Request request;
  Shape shape;  ///< of the result
  std::vector<IndexArray> arrays;
};

Asked ask_copy(const DeviceArray& array, const py::object& order) {
  Asked asked;
  asked.request.order = order_of(order);
  asked.shape = array.shape();
  return asked;
}

Asked ask_take(const DeviceArray& array, const py::object& indices, int axis,
               const py::object& mode) {
  Asked asked;
  asked.request.mode = mode_of(mode);
  asked.arrays.push_back(index_array(indices));
  const IndexArray& index = asked.arrays[0];
  const int at = normalize_axis(axis, array.ndim());
  asked.shape = array.shape();
  const Shape& inner = index.on_device ? index.on_device->shape() : index.shape;
  asked.shape.erase(asked.shape.begin() + at);
  asked.shape.insert(asked.shape.begin() + at, inner.begin(), inner.end());
  asked.request.groups.push_back(group_of(array, {at}, asked.arrays));
  return asked;
}

Asked ask_gather(const DeviceArray& array, const py::object& coordinates, const py::object& mode) {
  Asked asked;
  asked.request.mode = mode_of(mode);
  std::vector<IndexArray>& arrays = asked.arrays;
  for (const py::handle index : coordinates) {
    arrays.push_back(index_array(index));
    if (arrays.back().on_device) arrays.back().shape = arrays.back().on_device->shape();
  }
  if (static_cast<int>(arrays.size()) > array.ndim())
    throw py::index_error(
        text(arrays.size(), " coordinates for an array with ", array.ndim(), " axes"));
  asked.shape = broadcast_shape(arrays);
  const Shape whole = array.shape();
  asked.shape.insert(asked.shape.end(), whole.begin() + static_cast<std::ptrdiff_t>(arrays.size()),
                     whole.end());
  if (!arrays.empty()) {
    std::vector<int> axes;
    for (std::size_t i = 0; i < arrays.size(); ++i) axes.push_back(static_cast<int>(i));
    asked.request.groups.push_back(group_of(array, std::move(axes), arrays));
  }
  return asked;
}

/// The same for elements of `dtype`, or of the array's own where that is None.
Asked converted(Asked asked, const py::object& dtype, bool saturate) {
  WantedElements wanted = wanted_elements(dtype, saturate);
  asked.request.format = std::move(wanted.format);
  asked.request.overflow = wanted.overflow;
  return asked;
}

/// How many bytes a request moves, where that is known to be few; work on a device is always long.
std::int64_t bytes_moved(const DeviceArray& array, const Request& request) {
  constexpr std::int64_t many = std::numeric_limits<std::int64_t>::max();
  if (array.device().kind() != DeviceKind::host) return many;
  double bytes = static_cast<double>(array.itemsize());
  std::vector<bool> indexed(array.layout().axes().size());
  for (const IndexGroup& group : request.groups) {
    for (const int axis : group.axes) indexed[static_cast<std::size_t>(axis)] = true;
    for (const Indices& indices : group.indices)
      for (const std::int64_t extent : indices.shape()) bytes *= static_cast<double>(extent);
  }
  for (std::size_t i = 0; i < indexed.size(); ++i)
    if (!indexed[i]) bytes *= static_cast<double>(array.layout().axes()[i].extent);
  return bytes < 1e9 ? static_cast<std::int64_t>(bytes) : many;
}

/// Runs it; the result is `out`, if there is one.
py::object run(const DeviceArray& array, Asked asked, const py::object& out) {
  Request& request = asked.request;
  if (!out.is_none())
    request.out = output_of(out, asked.shape, request.format.value_or(array.format()));
  DeviceBuffer result = without_gil_for(bytes_moved(array, request), [&](const Watch& watch) {
    request.watch = watch;
    DeviceBuffer buffer = gather(array, request);
    // Nobody can wait for the caller's memory but who has the buffer.
    if (request.out) buffer.synchronize();
    return buffer;
  });
  if (!out.is_none()) return out;
  return py::cast(std::move(result));
}

/// Decides it once, for an object that runs it.
Plan plan(const DeviceArray& array, Asked asked, const py::object& out, const py::object& stream) {
  Request& request = asked.request;
  request.stream = stream_argument(stream);
  if (!out.is_none())
    request.out = output_of(out, asked.shape, request.format.value_or(array.format()));
  return without_gil([&](const Watch& watch) {
    request.watch = watch;
    return Plan(array, request);
  });
}

py::object get_item(const DeviceArray& array, const py::object& key) {
  if (PyUnicode_Check(key.ptr())) return py::cast(array.field(key.cast<std::string>()));
  if (is_list_of_names(key)) return py::cast(array.fields(key.cast<std::vector<std::string>>()));
  Selection selection = select(key, array.shape());
  DeviceArray view = array;
  for (const ViewOperation& operation : selection.operations) view = view.apply(operation);
  if (!selection.advanced()) return py::cast(std::move(view));
  Request request;
  request.groups.push_back(group_of(view, selection.axes, selection.indices));
  request.groups[0].position = selection.position;
  try {
    return run(view, {std::move(request), {}, {}}, py::none());
  } catch (const Error& error) {
    if (error.code() == Errc::index_out_of_range) check_bounds(selection);  // in NumPy's words
    throw;
  }
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
  const DeviceBuffer dense = without_gil([&](const Watch& watch) {
    Request request;
    request.watch = watch;
    return copy(array, Order::C, request);
  });
  return in_place(source_of(dense)).reshape(shape).value();
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

py::object as_numpy(const DeviceArray& array, const py::object& dtype, const py::object& copy) {
  if (array.device().kind() != DeviceKind::host)
    throw py::type_error("this array is on " + array.device().name() +
                         "; copy().to_host() brings its elements to the host");
  // Its elements are nowhere side by side.
  if (!copy.is_none() && !copy.cast<bool>())
    throw py::value_error("an array of pointers becomes a NumPy array only by a copy");
  return py::module_::import("numpy").attr("asarray")(
      run(array, ask_copy(array, py::str("C")), py::none()), dtype);
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
      module, "DeviceArray",
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

  cls.def("__getitem__", get_item, py::arg("key"),
          "NumPy's a[key]: a view for slices, integers, None and ...; a DeviceBuffer for index\n"
          "arrays and masks; a view of a field for its name, of several for a list of names.");
  cls.def("transpose", transpose,
          "The view whose axis i is axis axes[i] of this array; without axes, all in reverse.");
  cls.def(
      "reshape", reshape, py::arg("shape"), py::arg("copy") = py::none(),
      "The elements in C order under another shape, one extent of which may be -1. A view where\n"
      "there is one, unless copy is True; else a copy, unless copy is False: then ValueError.");
  cls.def(
      "take",
      [](const DeviceArray& self, const py::object& indices, int axis, const py::object& mode,
         const py::object& out, const py::object& dtype, bool saturate) {
        return run(self, converted(ask_take(self, indices, axis, mode), dtype, saturate), out);
      },
      py::arg("indices"), py::arg("axis") = 0, py::arg("mode") = "raise",
      py::arg("out") = py::none(), py::kw_only(), py::arg("dtype") = py::none(),
      py::arg("saturate") = false,
      "numpy.take: the elements, or sub-arrays, at indices of one axis. mode says what an index\n"
      "out of range means: 'raise', 'clip' or 'wrap'. dtype and saturate are those of astype.\n"
      "Returns a DeviceBuffer, or out, if given, which must not overlap the array.");
  cls.def(
      "gather",
      [](const DeviceArray& self, const py::object& coordinates, const py::object& mode,
         const py::object& out, const py::object& dtype, bool saturate) {
        return run(self, converted(ask_gather(self, coordinates, mode), dtype, saturate), out);
      },
      py::arg("coordinates"), py::arg("mode") = "raise", py::arg("out") = py::none(), py::kw_only(),
      py::arg("dtype") = py::none(), py::arg("saturate") = false,
      "One element, or sub-array, for each coordinate: coordinates[i] are indices of axis i, and\n"
      "they broadcast. dtype and saturate are those of astype. Returns a DeviceBuffer, or out, if\n"
      "given, which must not overlap the array.");
  cls.def(
      "copy",
      [](const DeviceArray& self, const py::object& order, const py::object& out,
         const py::object& dtype, bool saturate) {
        return run(self, converted(ask_copy(self, order), dtype, saturate), out);
      },
      py::arg("order") = "C", py::arg("out") = py::none(), py::kw_only(),
      py::arg("dtype") = py::none(), py::arg("saturate") = false,
      "All elements, dense in order 'C' or 'F'. dtype and saturate are those of astype. Returns\n"
      "a DeviceBuffer, or out, if given, which must not overlap the array.");
  cls.def(
      "astype",
      [](const DeviceArray& self, const py::object& dtype, const py::object& order, bool saturate,
         const py::object& out) {
        if (dtype.is_none()) throw py::type_error("astype(None): name the dtype");
        return run(self, converted(ask_copy(self, order), dtype, saturate), out);
      },
      py::arg("dtype"), py::kw_only(), py::arg("order") = "C", py::arg("saturate") = false,
      py::arg("out") = py::none(),
      "All elements as others, converted as they are gathered: bool, integers of 8 to 64 bits,\n"
      "float16, bfloat16, float32, float64, complex64 and complex128, in either byte order\n"
      "('>f4'). As numpy.astype where that is defined: integers that do not fit wrap or, if\n"
      "saturate, become the nearest that do; reals are rounded once, to nearest; reals become\n"
      "integers towards zero, the nearest there is for those beyond, and 0 for a NaN. Complex\n"
      "numbers become complex alone. Returns a DeviceBuffer, or out, if given, which must not\n"
      "overlap the array.");
  cls.def(
      "plan_take",
      [](const DeviceArray& self, const py::object& indices, int axis, const py::object& mode,
         const py::object& out, const py::object& stream, const py::object& dtype, bool saturate) {
        return plan(self, converted(ask_take(self, indices, axis, mode), dtype, saturate), out,
                    stream);
      },
      py::arg("indices"), py::arg("axis") = 0, py::arg("mode") = "raise",
      py::arg("out") = py::none(), py::arg("stream") = py::none(), py::kw_only(),
      py::arg("dtype") = py::none(), py::arg("saturate") = false,
      "take() decided once: a Plan. The indices are copied, also those on a GPU: what is written\n"
      "there later is not seen. out must not overlap the array.");
  cls.def(
      "plan_gather",
      [](const DeviceArray& self, const py::object& coordinates, const py::object& mode,
         const py::object& out, const py::object& stream, const py::object& dtype, bool saturate) {
        return plan(self, converted(ask_gather(self, coordinates, mode), dtype, saturate), out,
                    stream);
      },
      py::arg("coordinates"), py::arg("mode") = "raise", py::arg("out") = py::none(),
      py::arg("stream") = py::none(), py::kw_only(), py::arg("dtype") = py::none(),
      py::arg("saturate") = false,
      "gather() decided once: a Plan. The coordinates are copied, also those on a GPU: what is\n"
      "written there later is not seen. out must not overlap the array.");
  cls.def(
      "plan_copy",
      [](const DeviceArray& self, const py::object& order, const py::object& out,
         const py::object& stream, const py::object& dtype, bool saturate) {
        return plan(self, converted(ask_copy(self, order), dtype, saturate), out, stream);
      },
      py::arg("order") = "C", py::arg("out") = py::none(), py::arg("stream") = py::none(),
      py::kw_only(), py::arg("dtype") = py::none(), py::arg("saturate") = false,
      "copy() decided once: a Plan. out must not overlap the array.");
  cls.def(
      "native",
      [](const DeviceArray& self) {
        return without_gil([&](const Watch& watch) { return to_native(self, nullptr, watch); });
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
