#include "host_gather.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <vector>

// A range of rows is walked line by line: a line is the innermost axis (or part of it), and what
// the outer axes contribute is worked out once a line, by an odometer. No row costs a division.

namespace multibuffer {
namespace {

/// Copies one run; the common small sizes are known when this is compiled.
template <int Bytes>
void copy_run(std::byte* to, const std::byte* from, std::int64_t run_bytes) {
  if constexpr (Bytes > 0) {
    std::memcpy(to, from, Bytes);
  } else {
    std::memcpy(to, from, static_cast<std::size_t>(run_bytes));
  }
}

std::int64_t entry_of(const PlanTable& table, std::int64_t position) {
  if (table.wide) return static_cast<const std::int64_t*>(table.data)[position];
  return static_cast<const std::uint32_t*>(table.data)[position];
}

std::int64_t index_at(const PlanIndices& indices, std::int64_t place, IndexMode mode) {
  const std::int64_t value = indices.bytes_each == 4
                                 ? static_cast<const std::int32_t*>(indices.data)[place]
                                 : static_cast<const std::int64_t*>(indices.data)[place];
  return resolve_index(value, indices.extent, mode);
}

/// Where a walk over the plan's axes stands: what each level's position starts from, and where each
/// index array is read.
class Walk {
 public:
  Walk(const GatherPlan& plan, std::int64_t row)
      : plan_(plan),
        index_(plan.axes.size()),
        positions_(plan.origins),
        places_(plan.indices.size()),
        line_positions_(plan.origins.size()) {
    for (std::size_t i = plan.axes.size(); i-- > 0;) {
      index_[i] = row % plan.axes[i].extent;
      row /= plan.axes[i].extent;
      move(i, index_[i]);
    }
  }

  std::int64_t out() const { return out_; }
  /// Rows from here to the end of the line.
  std::int64_t left_in_line() const {
    return plan_.axes.empty() ? 1 : plan_.axes.back().extent - index_.back();
  }

  /// Moves on by `rows`, which do not go beyond the line's end.
  void advance(std::int64_t rows) {
    std::size_t i = plan_.axes.size();
    if (i == 0) return;
    move(--i, rows);
    index_[i] += rows;
    while (index_[i] == plan_.axes[i].extent && i > 0) {
      move(i, -index_[i]);
      index_[i] = 0;
      move(--i, 1);
      ++index_[i];
    }
  }

  /// The source of the row `step` rows further along the line.
  const std::byte* source(std::int64_t step) {
    std::copy(positions_.begin(), positions_.end(), line_positions_.begin());
    if (!plan_.axes.empty()) {
      const PlanAxis& line = plan_.axes.back();
      line_positions_[static_cast<std::size_t>(line.level)] += step * line.stride;
    }
    for (std::size_t j = 0; j < plan_.indices.size(); ++j) {
      const PlanIndices& indices = plan_.indices[j];
      const std::int64_t along = plan_.axes.empty() ? 0 : step * indices.steps.back();
      line_positions_[static_cast<std::size_t>(indices.level)] +=
          index_at(indices, places_[j] + along, plan_.mode) * indices.stride;
    }
    std::int64_t position = line_positions_[0];
    for (std::size_t k = 0; k < plan_.tables.size(); ++k) {
      const std::int64_t scale = k + 1 == plan_.tables.size() ? plan_.unit : 1;
      position = entry_of(plan_.tables[k], position) * scale + line_positions_[k + 1];
    }
    // Arrays in place have no base: their offsets are addresses.
    return plan_.base ? plan_.base + position : reinterpret_cast<const std::byte*>(position);
  }

  /// Whether all rows of a line lie a fixed stride apart.
  static bool lines_are_strided(const GatherPlan& plan) {
    if (plan.axes.empty()) return true;
    const bool indexed = std::ranges::any_of(
        plan.indices, [](const PlanIndices& indices) { return indices.steps.back() != 0; });
    const PlanAxis& line = plan.axes.back();
    return !indexed && (line.stride == 0 || line.level == static_cast<int>(plan.tables.size()));
  }

 private:
  void move(std::size_t axis, std::int64_t steps) {
    const PlanAxis& moved = plan_.axes[axis];
    positions_[static_cast<std::size_t>(moved.level)] += steps * moved.stride;
    out_ += steps * moved.out_stride;
    for (std::size_t j = 0; j < places_.size(); ++j)
      places_[j] += steps * plan_.indices[j].steps[axis];
  }

  const GatherPlan& plan_;
  std::vector<std::int64_t> index_;
  std::vector<std::int64_t> positions_;  ///< per level
  std::vector<std::int64_t> places_;     ///< per index array
  std::vector<std::int64_t> line_positions_;
  std::int64_t out_ = 0;
};

template <int Bytes>
void gather_rows(const GatherPlan& plan, std::int64_t begin, std::int64_t end) {
  const bool strided = Walk::lines_are_strided(plan);
  const std::int64_t out_stride = plan.axes.empty() ? 0 : plan.axes.back().out_stride;
  const std::int64_t stride = plan.axes.empty() ? 0 : plan.axes.back().stride;
  for (Walk walk(plan, begin); begin < end;) {
    const std::int64_t rows = std::min(end - begin, walk.left_in_line());
    std::byte* to = plan.out + walk.out();
    if (strided) {
      const std::byte* from = walk.source(0);
      for (std::int64_t i = 0; i < rows; ++i)
        copy_run<Bytes>(to + i * out_stride, from + i * stride, plan.run_bytes);
    } else {
      for (std::int64_t i = 0; i < rows; ++i)
        copy_run<Bytes>(to + i * out_stride, walk.source(i), plan.run_bytes);
    }
    walk.advance(rows);
    begin += rows;
  }
}

}  // namespace

void host_gather(const GatherPlan& plan, std::int64_t begin, std::int64_t end) {
  switch (plan.run_bytes) {
    case 1:
      return gather_rows<1>(plan, begin, end);
    case 2:
      return gather_rows<2>(plan, begin, end);
    case 4:
      return gather_rows<4>(plan, begin, end);
    case 8:
      return gather_rows<8>(plan, begin, end);
    case 16:
      return gather_rows<16>(plan, begin, end);
    case 32:
      return gather_rows<32>(plan, begin, end);
    case 64:
      return gather_rows<64>(plan, begin, end);
    default:
      return gather_rows<0>(plan, begin, end);
  }
}

}  // namespace multibuffer
