#include <multibuffer/device.hpp>

#include "host/python/module.hpp"
#include "host/python/support/interrupt.hpp"
#include "host/support/text.hpp"

#include <cstddef>
#include <string>

namespace py = pybind11;

namespace multibuffer::python {

namespace {

std::string represent_device(const DeviceInfo& device) {
  const std::string free = device.free_bytes ? text(*device.free_bytes >> 20, " of ") : "";
  return text("DeviceInfo('", device.name, "', '", device.description, "', ", free,
              device.memory_bytes >> 20, device.free_bytes ? " MiB free)" : " MiB)");
}

py::object free_bytes(const DeviceInfo& device) {
  return device.free_bytes ? py::object(py::int_(*device.free_bytes)) : py::none();
}

py::list devices() {
  const DeviceList found = without_gil([](const Watch&) { return list_devices(); });
  py::list list;
  for (const DeviceInfo& device : found.devices) list.append(wrap(device));
  return list;
}

}  // namespace

void bind_devices(py::module_& module) {
  Class<DeviceInfo>("DeviceInfo", "A device that arrays can be placed on.")
      .property<&DeviceInfo::name>("name", "What upload() calls it: 'host', 'cuda:0', ...")
      .property<&DeviceInfo::description>("description", "The processor's own name.")
      .property<&DeviceInfo::memory_bytes>("memory_bytes", "Its memory, in all.")
      .property<free_bytes>(
          "free_bytes",
          "What was free when devices() asked; None for a GPU that this process does not use.")
      .repr<represent_device>()
      .add_to(module);
  add_function<devices>(module, "devices($module)",
                        "The devices of this machine, a list of DeviceInfo, the host last.");
}

}  // namespace multibuffer::python
