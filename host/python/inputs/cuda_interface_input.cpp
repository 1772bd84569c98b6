#include <multibuffer/error.hpp>

#include "host/python/elements/dtype.hpp"
#include "host/python/inputs/interfaces.hpp"
#include "host/python/support/gil.hpp"
#include "host/python/support/values.hpp"
#include "host/support/text.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace py = pybind11;

namespace multibuffer::python {
namespace {

constexpr const char* interface_name = "__cuda_array_interface__";

py::dict interface_of(py::handle object) {
  py::object interface = object.attr(interface_name);
  if (!PyDict_Check(interface.ptr()))
    throw py::type_error(
        text(interface_name, " must be a dict, not ", Py_TYPE(interface.ptr())->tp_name));
  return py::reinterpret_steal<py::dict>(interface.release());
}

/// None for what the interface does not have.
py::object entry(const py::dict& interface, const char* name) {
  const auto key = py::reinterpret_steal<py::object>(PyUnicode_FromString(name));
  PyObject* const value = key ? PyDict_GetItemWithError(interface.ptr(), key.ptr()) : nullptr;
  if (!value && PyErr_Occurred()) throw py::error_already_set();
  return value ? py::reinterpret_borrow<py::object>(value) : py::none();
}

/// "data": the address, and whether the memory is read-only.
std::pair<std::uintptr_t, bool> pointer_in(const py::dict& interface) {
  const py::object data = entry(interface, "data");
  constexpr const char* what = "__cuda_array_interface__: data";
  if (!PyTuple_Check(data.ptr()) || PyTuple_GET_SIZE(data.ptr()) != 2)
    throw py::type_error(text(what, " must be a tuple of an address and a bool, not ",
                              Py_TYPE(data.ptr())->tp_name));
  return {address_argument(PyTuple_GET_ITEM(data.ptr(), 0), what),
          flag_argument(PyTuple_GET_ITEM(data.ptr(), 1), what)};
}

/// The interface does not say on which device the memory is, but CUDA does.
Device device_of(const void* base) {
  if (!base) return Device::open("cuda");  // no elements
  Device device = Device::of_memory(base);
  if (device.kind() == DeviceKind::cuda) return device;
  Device::open("cuda");  // which says why there is none
  throw py::buffer_error("__cuda_array_interface__ of memory that is not a CUDA device's");
}

/// Waits for the stream that the interface names: 1 and 2 are CUDA's own handles of the default
/// streams, everything else is a `cudaStream_t`, and no stream is no work.
void wait_for(const py::object& stream, const Device& device) {
  if (stream.is_none()) return;
  const std::uintptr_t handle = address_argument(stream, "__cuda_array_interface__: stream");
  if (handle == 0) throw py::value_error("__cuda_array_interface__: stream 0 is ambiguous");
  const GilReleased released;
  device.synchronize(StreamRef::from_number(handle));
}

}  // namespace

bool cuda_interface_is_readonly(py::handle object) {
  return pointer_in(interface_of(object)).second;
}

Source source_from_cuda_interface(py::handle object) {
  const py::dict interface = interface_of(object);
  const int version =
      integer_argument(entry(interface, "version"), "__cuda_array_interface__: version");
  if (version < 2 || version > 3)
    throw py::buffer_error(text(interface_name, " of version ", version, ", not 2 or 3"));
  if (!entry(interface, "mask").is_none())
    throw py::buffer_error("__cuda_array_interface__ with a mask");

  const std::vector<std::int64_t> shape =
      integers_argument(entry(interface, "shape"), "__cuda_array_interface__: shape");
  const auto [pointer, readonly] = pointer_in(interface);
  const void* base = reinterpret_cast<const void*>(pointer);
  Format format = format_of_type_string(
      text_argument(entry(interface, "typestr"), "__cuda_array_interface__: typestr"));
  const py::object strides = entry(interface, "strides");

  const Device owner_device = device_of(base);
  const std::string device = owner_device.name();
  wait_for(entry(interface, "stream"), owner_device);

  const std::shared_ptr<const void> owner = keep(object);  // the object owns the memory
  if (strides.is_none())
    return {ArrayView::dense(base, shape, std::move(format), readonly, MemorySpace::device), owner,
            device, nullptr};
  const std::vector<std::int64_t> steps =
      integers_argument(strides, "__cuda_array_interface__: strides");
  if (steps.size() != shape.size())
    throw py::buffer_error(
        text("__cuda_array_interface__: ", steps.size(), " strides for ", shape.size(), " axes"));
  std::vector<Axis> axes;
  for (std::size_t i = 0; i < shape.size(); ++i) axes.push_back({shape[i], steps[i], 0});
  return {ArrayView(base, std::move(format), Layout(std::move(axes), {0}), readonly,
                    MemorySpace::device),
          owner, device, nullptr};
}

}  // namespace multibuffer::python
