#include <multibuffer/device.hpp>

#include "host/text.hpp"
#include "interrupt.hpp"
#include "module.hpp"

#include <cstddef>

namespace py = pybind11;

namespace multibuffer::python {

void bind_devices(py::module_& module) {
  py::class_<DeviceInfo>(module, "DeviceInfo", "A device that arrays can be placed on.")
      .def_readonly("name", &DeviceInfo::name, "What upload() calls it: 'host', 'cuda:0', ...")
      .def_readonly("description", &DeviceInfo::description, "The processor's own name.")
      .def_readonly("memory_bytes", &DeviceInfo::memory_bytes, "Its memory, in all.")
      .def_readonly("free_bytes", &DeviceInfo::free_bytes, "What was free when devices() asked.")
      .def("__repr__", [](const DeviceInfo& self) {
        return text("DeviceInfo('", self.name, "', '", self.description, "', ",
                    self.free_bytes >> 20, " of ", self.memory_bytes >> 20, " MiB free)");
      });
  module.def(
      "devices",
      [] {
        const DeviceList found = without_gil([](const Watch&) { return list_devices(); });
        py::list list;
        for (const DeviceInfo& device : found.devices) list.append(py::cast(device));
        return list;
      },
      "The devices of this machine, a list of DeviceInfo, the host last.");
}

}  // namespace multibuffer::python
