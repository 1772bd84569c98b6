#pragma once

#include <multibuffer/device.hpp>
#include <multibuffer/gather_modes.hpp>

#include "host/backend/backend.hpp"
#include "host/backend/copy_plan.hpp"
#include "host/gather/result_axes.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

namespace multibuffer {

/// A scaling that has been checked against the shape of a result, with a factor and a term for each
/// place.
class ReadyScaling {
 public:
  /// Throws `invalid_argument` for an axis that is not there, and for lists of another length.
  ReadyScaling(const Scaling& scaling, const Shape& shape);

  /// Returns the scaling of a plan whose axes are, in order, those of the result, or of a part of
  /// it that begins at `first` along the scaled axis. Its tables are here.
  PlanScaling of_plan(std::size_t axes, std::int64_t first = 0) const;

  /// Copies the tables to `device`, and points `plan` there.
  std::shared_ptr<Memory> upload(PlanScaling& plan, const Device& device, StreamRef stream) const;

  /// The axis of the result along which numbers differ, if they do.
  std::optional<std::size_t> axis() const { return axis_; }

 private:
  std::size_t table_size() const { return static_cast<std::size_t>(period_ + scaling_spare); }

  std::optional<std::size_t> axis_;
  std::int64_t period_ = 1;
  std::vector<float> tables_;  ///< the factors, then the terms
};

/// Returns the scaling of a part of the result, with indices [begin, end) of the scaled axis.
Scaling part_of(const Scaling& scaling, std::int64_t begin, std::int64_t end);

}  // namespace multibuffer
