#include "host/gather/scaling.hpp"

#include <multibuffer/error.hpp>
#include <multibuffer/layout.hpp>

#include "host/support/text.hpp"
#include "host/upload/internals.hpp"

#include <span>
#include <utility>

namespace multibuffer {
namespace {

void check_length(const std::vector<float>& list, const char* name, std::size_t axis,
                  std::int64_t extent) {
  if (list.size() <= 1 || std::cmp_equal(list.size(), extent)) return;
  throw Failure(Errc::invalid_argument,
                text(list.size(), " ", name, " for axis ", axis, " of the result, whose extent is ",
                     extent, ": give ", extent, ", or one for all"));
}

/// Fills `table` with the numbers of `list`, again and again.
void repeat(const std::vector<float>& list, float otherwise, std::int64_t period,
            std::span<float> table) {
  const auto places = static_cast<std::size_t>(period);
  for (std::size_t i = 0; i < table.size(); ++i) {
    if (i >= places)
      table[i] = table[i - places];
    else if (list.empty())
      table[i] = otherwise;
    else
      table[i] = list[list.size() == 1 ? 0 : i];
  }
}

}  // namespace

ReadyScaling::ReadyScaling(const Scaling& scaling, const Shape& shape) {
  if (scaling.factors.size() > 1 || scaling.terms.size() > 1) {
    axis_ = static_cast<std::size_t>(normalize_axis(scaling.axis, static_cast<int>(shape.size())));
    period_ = shape[*axis_];
    check_length(scaling.factors, "factors", *axis_, period_);
    check_length(scaling.terms, "terms", *axis_, period_);
  }
  tables_.resize(2 * table_size());
  const std::span<float> tables(tables_);
  repeat(scaling.factors, 1, period_, tables.first(table_size()));
  // The only number that nothing changes by: +0 would make a +0 of -0.
  repeat(scaling.terms, -0.0F, period_, tables.last(table_size()));
}

PlanScaling ReadyScaling::of_plan(std::size_t axes, std::int64_t first) const {
  PlanScaling plan;
  plan.factors = tables_.data();
  plan.terms = tables_.data() + table_size();
  plan.period = period_;
  plan.first = axis_ ? first : 0;
  plan.steps.assign(axes, 0);
  if (axis_) plan.steps[*axis_] = 1;
  return plan;
}

std::shared_ptr<Memory> ReadyScaling::upload(PlanScaling& plan, const Device& device,
                                             StreamRef stream) const {
  const auto bytes = static_cast<std::int64_t>(tables_.size() * sizeof(float));
  std::shared_ptr<Memory> memory = backend_of(device).allocate(bytes, stream);
  backend_of(device).write(*memory, 0, tables_.data(), bytes, stream);
  plan.factors = reinterpret_cast<const float*>(memory->data());
  plan.terms = plan.factors + table_size();
  return memory;
}

Scaling part_of(const Scaling& scaling, std::int64_t begin, std::int64_t end) {
  Scaling part = scaling;
  for (std::vector<float>* list : {&part.factors, &part.terms})
    if (list->size() > 1) *list = std::vector<float>(list->begin() + begin, list->begin() + end);
  return part;
}

}  // namespace multibuffer
