#include <multibuffer/error.hpp>

#include "dtype.hpp"
#include "host/text.hpp"
#include "interfaces.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace py = pybind11;

namespace multibuffer::python {
namespace {

py::object entry(const py::dict& interface, const char* name) {
  return interface.contains(name) ? py::object(interface[name]) : py::none();
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
  const auto handle = stream.cast<std::uintptr_t>();
  if (handle == 0) throw py::value_error("__cuda_array_interface__: stream 0 is ambiguous");
  const py::gil_scoped_release release;
  device.synchronize(reinterpret_cast<StreamHandle>(handle));
}

}  // namespace

Source source_from_cuda_interface(py::handle object) {
  const auto interface = object.attr("__cuda_array_interface__").cast<py::dict>();
  const auto version = entry(interface, "version");
  if (version.is_none() || version.cast<int>() < 2 || version.cast<int>() > 3)
    throw py::buffer_error(text("__cuda_array_interface__ of version ",
                                py::str(version).cast<std::string>(), ", not 2 or 3"));
  if (!entry(interface, "mask").is_none())
    throw py::buffer_error("__cuda_array_interface__ with a mask");

  const auto shape = interface["shape"].cast<std::vector<std::int64_t>>();
  const auto [pointer, readonly] = interface["data"].cast<std::pair<std::uintptr_t, bool>>();
  const void* base = reinterpret_cast<const void*>(pointer);
  Format format = format_of_type_string(interface["typestr"].cast<std::string>());
  const py::object strides = entry(interface, "strides");

  const Device owner_device = device_of(base);
  const std::string device = owner_device.name();
  wait_for(entry(interface, "stream"), owner_device);

  const std::shared_ptr<const void> owner = keep(object);  // the object owns the memory
  if (strides.is_none())
    return {ArrayView::dense(base, shape, std::move(format), readonly, MemorySpace::device), owner,
            device, nullptr};
  const auto steps = strides.cast<std::vector<std::int64_t>>();
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
