#include <multibuffer/error.hpp>
#include <multibuffer/ragged_plan.hpp>

#include "host/backend/backend.hpp"
#include "host/gather/plan_explanation.hpp"
#include "host/ragged/ragged_explanation.hpp"
#include "host/ragged/ready_ragged.hpp"
#include "host/support/text.hpp"
#include "host/upload/internals.hpp"

#include <utility>
#include <vector>

namespace multibuffer {
namespace {

/// What both kinds of plans keep.
struct Planned {
  RaggedArray array;  ///< whose storage stays
  std::vector<std::shared_ptr<const void>> owners;
  std::shared_ptr<PreparedCopy> copy;  ///< null where there is nothing to do
  RaggedPlan plan;
  std::shared_ptr<Memory> entries;  ///< of the rows, where a list selects them
  StreamRef stream;

  Planned(const RaggedArray& from, const RowSelection& rows, ReadyRagged& ready, StreamRef on,
          const std::shared_ptr<const void>& stream_owner)
      : array(from), plan(ready.plan), stream(on) {
    if (ready.staged)
      throw Failure(Errc::invalid_argument,
                    text("a plan on ", array.device().name(), " cannot write to host memory"));
    if (ready.plan.items > 0 || ready.plan.indices)
      copy = backend_of(array.device())
                 .prepare_ragged(ready.plan, ready.check_on_device, ready.uses, stream);
    if (ready.check_on_device || !ready.values.memory) ready.values.pending = copy;
    if (ready.check_on_device && ready.offsets) ready.offsets->pending = copy;
    if (rows.indices && rows.indices->buffer() && owner_of(*rows.indices->buffer()))
      owners.push_back(owner_of(*rows.indices->buffer()));
    if (stream_owner) owners.push_back(stream_owner);
    for (const UsedMemory& used : ready.uses)
      if (plan.rows.entries && used.memory->contains(plan.rows.entries)) entries = used.memory;
  }
  ~Planned() {
    if (copy) copy->end_runs();
  }
  Planned(const Planned&) = delete;
  Planned& operator=(const Planned&) = delete;

  PlanExplanation explain(bool measure) const {
    PlanExplanation explanation = explain_plan(plan, array, entries.get());
    if (measure && copy && explanation.rows > 0)
      explanation.measured = measured(explanation, *copy, backend_of(array.device()), stream);
    return explanation;
  }
};

}  // namespace

struct PackPlan::State {
  Planned planned;
  PackedRows result;
};

PackPlan::PackPlan(const RaggedArray& array, const RowSelection& rows, const PackOptions& options) {
  ReadyRagged ready = ready_pack(array, rows, options, true);
  // The buffers are made after the copy that they ask about.
  state_ = std::shared_ptr<State>(
      new State{{array, rows, ready, options.stream, options.stream_owner},
                {make_buffer(std::move(ready.values)), make_buffer(std::move(*ready.offsets))}});
}

const PackedRows& PackPlan::run() const {
  if (state_->planned.copy) state_->planned.copy->run();
  return state_->result;
}

const PackedRows& PackPlan::result() const noexcept { return state_->result; }

PlanExplanation PackPlan::explain(bool measure) const { return state_->planned.explain(measure); }

struct PadPlan::State {
  Planned planned;
  DeviceBuffer result;
};

PadPlan::PadPlan(const RaggedArray& array, const RowSelection& rows, const PadOptions& options) {
  ReadyRagged ready = ready_pad(array, rows, options);
  state_ =
      std::shared_ptr<State>(new State{{array, rows, ready, options.stream, options.stream_owner},
                                       make_buffer(std::move(ready.values))});
}

const DeviceBuffer& PadPlan::run() const {
  if (state_->planned.copy) state_->planned.copy->run();
  return state_->result;
}

const DeviceBuffer& PadPlan::result() const noexcept { return state_->result; }

PlanExplanation PadPlan::explain(bool measure) const { return state_->planned.explain(measure); }

}  // namespace multibuffer
