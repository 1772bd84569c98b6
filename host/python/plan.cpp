#include <multibuffer/gather.hpp>

#include "host/text.hpp"
#include "interrupt.hpp"
#include "module.hpp"
#include "properties.hpp"

namespace py = pybind11;

namespace multibuffer::python {

void bind_plan(py::module_& module) {
  py::class_<Plan>(
      module, "Plan",
      "A gather decided once, to be run any number of times into the same memory: what\n"
      "DeviceArray.plan_copy(), plan_take() and plan_gather() return. It holds the array, the\n"
      "indices and the output; so does what run() returns hold an output of your own. Indices on\n"
      "the array's GPU are read again by every run, so that new ones may be written there, on the\n"
      "plan's stream or in an order that you see to; of all others it has a copy.\n\n"
      "On a GPU a run is one launch on the plan's stream: it allocates nothing, waits for "
      "nothing,\n"
      "and may be captured into a CUDA graph (torch.cuda.graph). Other work on an output of your\n"
      "own is for you to order: run it on the same stream, or synchronize() the result.")
      .def(
          "run",
          [](const Plan& self) { return without_gil([&](const Watch&) { return self.run(); }); },
          "Gather once more. Returns the result; on a GPU, without waiting for it.")
      .def_property_readonly(
          "result", [](const Plan& self) { return self.result(); },
          "What runs write: a DeviceBuffer, over out where that was given. Nothing is written "
          "before\n"
          "the first run(): until then it holds what out did, or whatever its memory did.")
      .def("__repr__", [](const Plan& self) {
        const DeviceBuffer& result = self.result();
        return text("Plan(", shape_text(result.shape(), result.format()), ", device='",
                    result.device().name(), "')");
      });
}

}  // namespace multibuffer::python
