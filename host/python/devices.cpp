#include <multibuffer/device.hpp>

#include "host/text.hpp"
#include "interrupt.hpp"
#include "module.hpp"

#include <cstddef>
#include <string>

namespace py = pybind11;

namespace multibuffer::python {

void bind_devices(py::module_& module) {
  py::class_<DeviceInfo>(module, "DeviceInfo", "A device that arrays can be placed on.")
      .def_readonly("name", &DeviceInfo::name, "What upload() calls it: 'host', 'cuda:0', ...")
      .def_readonly("description", &DeviceInfo::description, "The processor's own name.")
      .def_readonly("memory_bytes", &DeviceInfo::memory_bytes, "Its memory, in all.")
      .def_property_readonly(
          "free_bytes",
          [](const DeviceInfo& self) {
            return self.free_bytes ? py::object(py::int_(*self.free_bytes)) : py::none();
          },
          "What was free when devices() asked; None for a GPU that this process does not use.")
      .def("__repr__", [](const DeviceInfo& self) {
        const std::string free = self.free_bytes ? text(*self.free_bytes >> 20, " of ") : "";
        return text("DeviceInfo('", self.name, "', '", self.description, "', ", free,
                    self.memory_bytes >> 20, self.free_bytes ? " MiB free)" : " MiB)");
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
