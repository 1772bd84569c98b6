#include <multibuffer/error.hpp>
#include <multibuffer/plan.hpp>

#include "host/gather/plan_explanation.hpp"
#include "host/gather/ready_gather.hpp"
#include "host/support/text.hpp"

#include <utility>
#include <vector>

namespace multibuffer {

struct Plan::State {
  DeviceArray array;  ///< whose storage stays
  /// Keep the stream, and index arrays on the device that are not in the library's memory.
  std::vector<std::shared_ptr<const void>> owners;
  DeviceBuffer result;
  std::shared_ptr<PreparedCopy> gather;  ///< null where there is nothing to do
  CopyPlan plan;
  StreamRef stream;
  ~State() {
    if (gather) gather->end_runs();
  }
};

Plan::Plan(const DeviceArray& array, const Selection& selection, const GatherOptions& options) {
  ReadyGather ready = make_ready(array, selection, options, true);
  if (ready.staged)
    throw Failure(Errc::invalid_argument,
                  text("a plan on ", array.device().name(), " cannot write to host memory"));
  std::shared_ptr<PreparedCopy> gather;
  if (ready.plan.rows > 0)
    gather = backend_of(array.device())
                 .prepare(ready.plan, ready.check_on_device, ready.uses, options.stream);
  if (ready.check_on_device || !ready.result.memory) ready.result.pending = gather;
  std::vector<std::shared_ptr<const void>> owners;
  for (const IndexGroup& group : selection.groups)
    for (const Indices& indices : group.indices)
      if (indices.buffer() && owner_of(*indices.buffer()))
        owners.push_back(owner_of(*indices.buffer()));
  if (options.stream_owner) owners.push_back(options.stream_owner);
  state_ = std::shared_ptr<State>(new State{array, std::move(owners),
                                            make_buffer(std::move(ready.result)), std::move(gather),
                                            std::move(ready.plan), options.stream});
}

const DeviceBuffer& Plan::run() const {
  if (state_->gather) state_->gather->run();
  return state_->result;
}

PlanExplanation Plan::explain(bool measure) const {
  Backend& backend = backend_of(state_->array.device());
  PlanExplanation explanation = explain_plan(state_->plan, backend);
  if (measure && state_->gather)
    explanation.measured = measured(explanation, *state_->gather, backend, state_->stream);
  return explanation;
}

const DeviceBuffer& Plan::result() const noexcept { return state_->result; }

const DeviceArray& Plan::array() const noexcept { return state_->array; }

}  // namespace multibuffer
