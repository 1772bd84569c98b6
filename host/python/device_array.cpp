#include "host/python/device_array.hpp"

#include <multibuffer/byte_order.hpp>
#include <multibuffer/device_array.hpp>
#include <multibuffer/error.hpp>
#include <multibuffer/gather.hpp>

#include "host/python/elements/elements.hpp"
#include "host/python/elements/numpy_array.hpp"
#include "host/python/hand_on.hpp"
#include "host/python/inputs/source.hpp"
#include "host/python/module.hpp"
#include "host/python/support/interrupt.hpp"
#include "host/python/support/owner.hpp"
#include "host/python/support/values.hpp"
#include "host/support/text.hpp"
#include "host/upload/storage.hpp"

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

// ---- Words

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

DeviceArray upload_object(const py::object& object, const std::string& device,
                          const std::string& placement, py::handle stream, bool keep_sources,
                          bool checked, const Progress& progress) {
  const PlacementKind kind = placement_of(placement);
  Source source = source_of(object, checked ? Route::checked : Route::shortest);
  // Memory of a GPU stays on it unless the caller names the host.
  if (source.device != "host" && device == "host") source = source_of(fetched(dense_copy(source)));
  const std::string target = device == "auto" && source.device != "host" ? source.device : device;
  UploadOptions options;
  options.placement = kind;
  options.keep_sources = keep_sources;
  options.checked = checked;
  // Rows are known by their address, which is theirs alone for as long as they are kept.
  const bool is_kept = kind == PlacementKind::in_place || keep_sources;
  options.owner = is_kept ? shared(source.owner) : source.owner;
  options.memory = source.memory;
  options.stream = stream_argument(stream);
  try {
    DeviceArray array = without_gil(
        [&](const Watch& watch) {
          options.watch = watch;
          return upload(source.view, Device::open(target), options);
        },
        progress);
    if (array.placement() == PlacementKind::in_place && array.device().kind() == DeviceKind::host)
      progress.tell_all(array.itemsize(), array.shape());
    return array;
  } catch (const Error& error) {
    // Where the shape is not what was meant, this is mostly how it shows.
    if (error.code() != Errc::out_of_device_memory) throw;
    const std::string said =
        text(error.what(), ", for an array of shape ", tuple_text(source.view.shape()),
             " and format '", source.view.format().text(), "'");
    set_python_error(PyExc_MemoryError, said.c_str());
    throw py::error_already_set();
  }
}

std::string represent_array(const DeviceArray& array) {
  const int levels = array.layout().levels();
  std::string result =
      text("DeviceArray(", shape_text(array.shape(), array.format()), ", device='",
           array.device().name(), "', placement='", name_of(array.placement()), "')");
  int number = 0;
  for (const Axis& axis : array.layout().axes()) {
    result += text("\n  axis ", number++, ": extent ", axis.extent, ", stride ", axis.stride);
    result += axis.level < levels ? text(" entries of offset array ", axis.level) : " bytes";
  }
  if (levels == 0) result += "\n  no offset arrays";
  return result;
}

std::string picture_of_array(const DeviceArray& array) { return svg_of(array); }

std::string represent_axis(const Axis& axis) {
  return text("Axis(extent=", axis.extent, ", stride=", axis.stride, ", level=", axis.level, ")");
}

// ---- What an array says of itself

std::string device_of_array(const DeviceArray& array) { return array.device().name(); }
const char* name_of_placement(const DeviceArray& array) { return name_of(array.placement()); }
int levels_of(const DeviceArray& array) { return array.layout().levels(); }
py::tuple origins_of(const DeviceArray& array) { return to_tuple(array.layout().origins()); }

py::tuple axes_of(const DeviceArray& array) {
  const auto axes = array.layout().axes();
  py::tuple tuple(axes.size());
  for (std::size_t i = 0; i < axes.size(); ++i)
    PyTuple_SET_ITEM(tuple.ptr(), static_cast<Py_ssize_t>(i), wrap(axes[i]).release().ptr());
  return tuple;
}

DeviceBuffer native(const DeviceArray& array, py::handle stream, const Progress& progress) {
  const StreamRef handle = stream_argument(stream);
  const DeviceArray shared = array;  // as owner.hpp asks for
  return without_gil(
      [&](const Watch& watch) {
        return to_native(shared, {handle, watch});
      },
      progress);
}

}  // namespace

PlacementKind placement_of(std::string_view name) {
  if (name == "auto") return PlacementKind::automatic;
  if (name == "packed") return PlacementKind::packed;
  if (name == "preserved") return PlacementKind::preserved;
  if (name == "in_place") return PlacementKind::in_place;
  throw py::value_error(
      text("placement '", name, "': there are auto, packed, preserved and in_place"));
}

DeviceArray Verbs<DeviceArray>::reshape(const DeviceArray& array, const Shape& shape,
                                        std::optional<bool> copy) {
  if (!copy.value_or(false))
    if (auto view = array.reshape(shape)) return *view;
  if (!copy.value_or(true))
    throw py::value_error(text("an array of shape ", tuple_text(array.shape()),
                               " has no view of shape ", tuple_text(shape)));
  return in_place(source_of(dense_copy(array))).reshape(shape).value();
}

void bind_device_array(py::module_& module) {
  Class<Axis>("Axis", "One axis: how its index leads to an element.")
      .property<&Axis::extent>("extent", "How many indices there are.")
      .property<&Axis::stride>(
          "stride", "What one index adds: entries of an offset array or, in the last level, bytes.")
      .property<&Axis::level>("level", "How many offset arrays are read before this index counts.")
      .repr<represent_axis>()
      .add_to(module);

  Class<DeviceArray> cls(
      "DeviceArray",
      "An array of pointers on a device: its memory, offset arrays where the pointer tables were,\n"
      "and a view of them.\n\n"
      "Basic indices, NumPy's slices and integers, give views, which move no data; index arrays "
      "and\n"
      "masks gather into a DeviceBuffer.");
  bind_verbs(cls);
  cls.property<device_of_array>("device", "Where it is: 'host', 'cuda:0', ...")
      .property<name_of_placement>(
          "placement", "How its memory was placed: 'packed', 'preserved' or 'in_place'.")
      .property<&DeviceArray::storage_bytes>("storage_bytes",
                                             "What its memory and tables take on the device.")
      .property<levels_of>("levels",
                           "How many offset arrays an index goes through; those that strides could "
                           "replace are gone.")
      .property<axes_of>("axes", "How each index leads to an element: a tuple of Axis.")
      .property<origins_of>("origins",
                            "Where index 0 is in each level: entries of its offset array or, in "
                            "the last one, bytes.");
  cls.method<native>(
         "native($self, *, stream=None, progress=None)",
         "All elements, dense, in this machine's byte order: a DeviceBuffer. stream and\n"
         "progress are those of take().")
      .method<picture_of_array>("_repr_svg_($self)",
                                "For notebooks: the picture that draw() makes.")
      .repr<represent_array>()
      .collected();
  bind_plans(cls);
  bind_update(cls);
  bind_element_access(cls);
  bind_hand_on(cls);
  bind_dlpack(cls);
  add_exchange_table(cls.add_to(module));

  add_function<upload_object>(
      module, "upload($module, obj, device, placement, stream, keep_sources, checked, progress)",
      "As multibuffer.upload, which has the defaults.");
}

}  // namespace multibuffer::python
