#include <multibuffer/gather.hpp>

#include "interrupt.hpp"
#include "module.hpp"

namespace py = pybind11;

namespace multibuffer::python {

void bind_plan(py::module_& module) {
  py::class_<PlanObject>(
      module, "Plan",
      "A gather decided once, to be run any number of times into the same memory: what\n"
      "DeviceArray.plan_copy(), plan_take() and plan_gather() return. It holds the array, the\n"
      "indices and the output.\n\n"
      "On a GPU a run is one launch on the plan's stream: it allocates nothing, waits for "
      "nothing,\n"
      "and may be captured into a CUDA graph (torch.cuda.graph). Other work on an output of your\n"
      "own is for you to order: run it on the same stream, or synchronize() the result.")
      .def(
          "run",
          [](const PlanObject& self) {
            return without_gil([&](const Watch&) { return self.plan.run(); });
          },
          "Gather once more. Returns the result; on a GPU, without waiting for it.")
      .def_property_readonly(
          "result", [](const PlanObject& self) { return self.plan.result(); },
          "What runs write: a DeviceBuffer, over out where that was given.");
}

}  // namespace multibuffer::python
