#include <multibuffer/explain.hpp>
#include <multibuffer/plan.hpp>

#include "host/python/module.hpp"
#include "host/python/properties.hpp"
#include "host/python/support/interrupt.hpp"
#include "host/support/text.hpp"

#include <optional>
#include <string>

namespace py = pybind11;

namespace multibuffer::python {

namespace {

DeviceBuffer run(const Plan& plan) {
  return without_gil([&](const Watch&) { return plan.run(); });
}

DeviceBuffer result_of(const Plan& plan) { return plan.result(); }

PlanExplanation explain_plan_of(const Plan& plan, bool measure) {
  return without_gil([&](const Watch&) { return plan.explain(measure); });
}

std::string text_of_plan(const PlanExplanation& explanation) {
  std::string lines = describe(explanation);
  lines.pop_back();  // print() ends the last line
  return lines;
}

std::string json_of_plan(const PlanExplanation& explanation) { return to_json(explanation); }

py::object dict_of_plan(const PlanExplanation& explanation) {
  return py::module_::import("json").attr("loads")(to_json(explanation));
}

const std::string& taken_way(const PlanExplanation& explanation) { return explanation.taken.name; }

const std::string& needs_of_way(const PlanExplanation& explanation) {
  return explanation.taken.needs;
}

std::optional<double> reached_of(const PlanExplanation& explanation) {
  if (!explanation.measured) return std::nullopt;
  return explanation.measured->reached;
}

std::string represent_plan(const Plan& plan) {
  const DeviceBuffer& result = plan.result();
  return text("Plan(", shape_text(result.shape(), result.format()), ", device='",
              result.device().name(), "')");
}

}  // namespace

void bind_plan(py::module_& module) {
  Class<PlanExplanation>(
      "PlanExplanation",
      "What a plan does, and why: what Plan.explain() returns. It prints as text.")
      .property<&PlanExplanation::device>("device", "Where it runs.")
      .property<taken_way>("way", "The family of its kernel or, on the host, its way to copy rows.")
      .property<needs_of_way>("because", "What that way asks of a plan, which this one meets.")
      .property<&PlanExplanation::rows>("rows", "How many runs of contiguous bytes are copied.")
      .property<&PlanExplanation::run_bytes>("run_bytes", "The bytes that are read of each.")
      .property<&PlanExplanation::bytes_read>("bytes_read", "The bytes of elements that are read.")
      .property<&PlanExplanation::bytes_written>("bytes_written", "The bytes that are written.")
      .property<&PlanExplanation::bytes_of_tables>("bytes_of_tables",
                                                   "The bytes of offsets that are looked up.")
      .property<&PlanExplanation::bytes_of_indices>("bytes_of_indices",
                                                    "The bytes of index arrays that are read.")
      .property<&PlanExplanation::expected>(
          "expected",
          "The part of a plain copy's speed that these bytes allow, in whole cache lines.")
      .property<reached_of>("reached", "The part that was measured, or None.")
      .method<json_of_plan>("json($self)", "All of it as JSON: a str.")
      .method<dict_of_plan>("dict($self)", "All of it as a dict.")
      .repr<text_of_plan>()
      .add_to(module);

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
      .method<explain_plan_of>(
          "explain($self, *, measure=False)",
          "Which kernel, or way of the host, runs it and why, how many bytes it moves, and what "
          "part "
          "of\n"
          "a plain copy's speed to expect: a PlanExplanation. measure=True times a plain copy of "
          "as\n"
          "many bytes and the plan, which it runs, and waits for; it takes as much memory again.")
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
