#include <multibuffer/device.hpp>

#include "host/text.hpp"
#include "interrupt.hpp"
#include "module.hpp"

#include <cstddef>

namespace py = pybind11;

namespace multibuffer::python {

namespace {

std::string represent(const DeviceInfo& device) {
  return text("DeviceInfo('", device.name, "', '", device.description, "', ",
              device.free_bytes >> 20, " of ", device.memory_bytes >> 20, " MiB free)");
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
      .property<&DeviceInfo::free_bytes>("free_bytes", "What was free when devices() asked.")
      .repr<represent>()
      .add_to(module);
  add_function<devices>(module, "devices($module)",
                        "The devices of this machine, a list of DeviceInfo, the host last.");
}

}  // namespace multibuffer::python
