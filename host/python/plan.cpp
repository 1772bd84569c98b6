#include <multibuffer/plan.hpp>

#include "host/python/module.hpp"
#include "host/python/properties.hpp"
#include "host/python/support/interrupt.hpp"
#include "host/support/text.hpp"

namespace py = pybind11;

namespace multibuffer::python {

namespace {

DeviceBuffer run(const Plan& plan) {
  return without_gil([&](const Watch&) { return plan.run(); });
}

DeviceBuffer result_of(const Plan& plan) { return plan.result(); }

std::string represent_plan(const Plan& plan) {
  const DeviceBuffer& result = plan.result();
  return text("Plan(", shape_text(result.shape(), result.format()), ", device='",
              result.device().name(), "')");
}

}  // namespace

void bind_plan(py::module_& module) {
  Class<Plan>(
      "Plan",
      "A gather decided once, to be run any number of times into the same memory: what\n"
      "DeviceArray.plan_copy(), plan_take() and plan_gather() return. It holds the array, the\n"
      "indices and the output; so does what run() returns hold an output of your own. Indices on\n"
      "the array's GPU are read again by every run, so that new ones may be written there, on the\n"
      "plan's stream or in an order that you see to; of all others it has a copy.\n\n"
      "On a GPU a run is one launch on the plan's stream: it allocates nothing, waits for "
      "nothing,\n"
      "and may be captured into a CUDA graph (torch.cuda.graph). Other work on an output of your\n"
      "own is for you to order: run it on the same stream, or synchronize() the result.")
      .method<run>("run($self)",
                   "Gather once more. Returns the result; on a GPU, without waiting for it.")
      .property<result_of>(
          "result",
          "What runs write: a DeviceBuffer, over out where that was given. Nothing is written "
          "before\n"
          "the first run(): until then it holds what out did, or whatever its memory did.")
      .repr<represent_plan>()
      .collected()
      .add_to(module);
}

}  // namespace multibuffer::python
