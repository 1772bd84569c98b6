#include <multibuffer/ragged_plan.hpp>

#include "host/python/module.hpp"
#include "host/python/properties.hpp"
#include "host/python/ragged/packed.hpp"
#include "host/python/ragged/ragged_requests.hpp"
#include "host/python/support/interrupt.hpp"
#include "host/support/text.hpp"

#include <memory>
#include <string>
#include <utility>

namespace py = pybind11;

namespace multibuffer::python {
namespace {

/// A plan, and what it shares with the array that it reads.
template <class Plan>
struct PlanObject {
  Plan plan;
  std::weak_ptr<const void> storage;
  std::weak_ptr<const Storage> elements;
  std::weak_ptr<const void> owner;
};

const DeviceBuffer& written_by(const PackPlan& plan) { return plan.result().values; }
const DeviceBuffer& written_by(const PadPlan& plan) { return plan.result(); }

}  // namespace

template <class Plan>
struct Shares<PlanObject<Plan>> {
  template <class Use>
  static void each_of_array(const PlanObject<Plan>& object, const Use& use) {
    if (const Owner owner = object.owner.lock()) use(Share{owner, object.storage.lock()});
  }
  template <class Use>
  static void each(const PlanObject<Plan>& object, const Use& use) {
    each_of_array(object, use);
    Shares<DeviceBuffer>::each(written_by(object.plan), use);
  }
};

namespace {

/// As `visit_ragged`, and the output's owner.
template <class Plan>
int visit_plan(const PlanObject<Plan>& object, visitproc visit, void* arg) {
  int stop = 0;
  if (object.elements.use_count() == 1)
    Shares<PlanObject<Plan>>::each_of_array(
        object, [&](const Share& share) { stop = visit_rows(share, visit, arg); });
  if (stop != 0) return stop;
  Shares<DeviceBuffer>::each(written_by(object.plan), [&](const Share& share) {
    if (stop == 0) stop = traverse(share, visit, arg);
  });
  return stop;
}

template <class Plan, class Request>
PlanObject<Plan> planned(const RaggedObject& object, Request& request, py::handle stream) {
  auto& options = request.options;
  if (!options.stream.is_own()) options.stream_owner = keep(stream);
  if (options.out) options.out->owner = shared(std::move(options.out->owner));
  const RowSelection selection = request.rows.selection();
  const RaggedArray copy = object.array;  // as owner.hpp asks for
  Plan plan = without_gil([&](const Watch& watch) {
    options.watch = watch;
    return Plan(copy, selection, options);
  });
  return {std::move(plan), object.storage, object.elements(), object.owner()};
}

PlanObject<PackPlan> plan_pack(const RaggedObject& object, py::handle rows, IndexMode mode,
                               py::handle out, py::handle dtype, bool saturate,
                               py::handle offsets_dtype, py::handle items, py::handle stream) {
  PackRequest request =
      ask_pack(object.array, AskedRows(rows, object.array.rows(), mode, OnDevice::borrowed), out,
               dtype, saturate, offsets_dtype, items, stream);
  return planned<PackPlan>(object, request, stream);
}

PlanObject<PadPlan> plan_pad(const RaggedObject& object, py::handle rows, py::handle length,
                             py::handle fill, py::handle side, py::handle truncate, IndexMode mode,
                             py::handle out, py::handle dtype, bool saturate, py::handle stream) {
  PadRequest request =
      ask_pad(object.array, AskedRows(rows, object.array.rows(), mode, OnDevice::borrowed), length,
              fill, side, truncate, out, dtype, saturate, stream);
  return planned<PadPlan>(object, request, stream);
}

py::object packed_rows(const PackedRows& rows) {
  return packed(wrap(DeviceBuffer(rows.values)), wrap(DeviceBuffer(rows.offsets)));
}

py::object run_pack(const PlanObject<PackPlan>& object) {
  return packed_rows(without_gil([&](const Watch&) { return object.plan.run(); }));
}
DeviceBuffer run_pad(const PlanObject<PadPlan>& object) {
  return without_gil([&](const Watch&) { return object.plan.run(); });
}
py::object pack_result(const PlanObject<PackPlan>& object) {
  return packed_rows(object.plan.result());
}
DeviceBuffer pad_result(const PlanObject<PadPlan>& object) { return object.plan.result(); }

template <class Plan>
PlanExplanation explain_ragged_plan(const PlanObject<Plan>& object, bool measure) {
  return without_gil([&](const Watch&) { return object.plan.explain(measure); });
}

constexpr const char* explain_signature = "explain($self, *, measure=False)";
constexpr const char* explain_help =
    "What Plan.explain() says, a PlanExplanation. Of rows that indices on a GPU name, whose\n"
    "lengths are not known before a run, the average length of the array's rows is assumed.";

template <class Plan>
std::string represent_plan(const char* name, const PlanObject<Plan>& object) {
  const DeviceBuffer& result = written_by(object.plan);
  return text(name, "(", shape_text(result.shape(), result.format()), ", device='",
              result.device().name(), "')");
}
std::string represent_pack(const PlanObject<PackPlan>& object) {
  return represent_plan("PackPlan", object);
}
std::string represent_pad(const PlanObject<PadPlan>& object) {
  return represent_plan("PadPlan", object);
}

}  // namespace

void bind_ragged_plan(py::module_& module) {
  Class<PlanObject<PackPlan>>(
      "PackPlan",
      "A pack() decided once, to be run any number of times into the same memory: what\n"
      "RaggedArray.plan_pack() returns. What Plan says of memory, indices on a GPU, streams and\n"
      "CUDA graphs holds here.")
      .method<run_pack>("run($self)",
                        "Pack once more. Returns the result; on a GPU, without waiting for it.")
      .method<explain_ragged_plan<PackPlan>>(explain_signature, explain_help)
      .property<pack_result>("result",
                             "What runs write: a Packed. Its values are not written before the "
                             "first run().")
      .repr<represent_pack>()
      .collected<visit_plan<PackPlan>>()
      .add_to(module);
  Class<PlanObject<PadPlan>>(
      "PadPlan",
      "A pad() decided once, to be run any number of times into the same memory: what\n"
      "RaggedArray.plan_pad() returns. What Plan says of memory, indices on a GPU, streams and\n"
      "CUDA graphs holds here.")
      .method<run_pad>("run($self)",
                       "Pad once more. Returns the result; on a GPU, without waiting for it.")
      .method<explain_ragged_plan<PadPlan>>(explain_signature, explain_help)
      .property<pad_result>("result",
                            "What runs write: a DeviceBuffer, not written before the first run().")
      .repr<represent_pad>()
      .collected<visit_plan<PadPlan>>()
      .add_to(module);
}

void bind_ragged_plans(Class<RaggedObject>& cls) {
  cls.method<plan_pack>(
         "plan_pack($self, rows=None, *, mode='raise', out=None, dtype=None, saturate=False, "
         "offsets_dtype='int64', items=None, stream=None)",
         "pack() decided once: a PackPlan. Indices on the array's GPU, dense integers of 32 or 64\n"
         "bits, stay where they are, and every run reads what is there then; they need items. All\n"
         "others are copied. out must not overlap the array.")
      .method<plan_pad>(
          "plan_pad($self, rows=None, *, length=None, fill=0, side='right', truncate=False, "
          "mode='raise', out=None, dtype=None, saturate=False, stream=None)",
          "pad() decided once: a PadPlan. Indices on the array's GPU, dense integers of 32 or 64\n"
          "bits, stay where they are, and every run reads what is there then; all others are\n"
          "copied. out must not overlap the array.");
}

}  // namespace multibuffer::python
