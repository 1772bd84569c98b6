#pragma once

#include "gather_plan.hpp"
#include "small_vector.hpp"

#include <cstddef>
#include <cstdint>
#include <span>

namespace multibuffer {

/// Where a row is read and where it is written.
struct RowCopy {
  const std::byte* from = nullptr;
  std::byte* to = nullptr;
};

/// A walk over the rows of a plan in host memory, in the order of its axes. Rows come line by line,
/// a line being the innermost axis; what the other axes contribute is carried along by an odometer,
/// so that no row costs a division. The second cache is asked for the line that each row begins in.
class RowWalk {
 public:
  RowWalk(const GatherPlan& plan, std::int64_t first_row);

  /// Rows from here to the end of the line.
  std::int64_t left_in_line() const;

  /// Lines from here to the end of the second axis from the end; 1 if there is none.
  std::int64_t left_in_plane() const;

  /// The copies of the next `copies.size()` rows, which may be on several lines; moves on.
  void next(std::span<RowCopy> copies);

  /// The copy of the row here, without moving.
  RowCopy here() const;

  /// Moves on by whole rows, not beyond the line's end.
  void advance(std::int64_t rows);

  /// Moves on by whole lines, from the begin of one and not beyond the plane's end.
  void advance_lines(std::int64_t lines);

 private:
  void advance(std::size_t axis, std::int64_t steps);
  void move(std::size_t axis, std::int64_t steps);
  PlanAxis line() const;

  /// What rows of a line add to their positions, each its own: by an index array or by a stride.
  struct LineTerm {
    const PlanIndices* indices = nullptr;
    std::int64_t stride = 0;
    bool is_none() const { return !indices && stride == 0; }
  };

  // Ways to fill in copies of rows on one line; see row_walk.cpp.
  using Fill = void (RowWalk::*)(std::span<RowCopy> copies) const;
  void choose_fill();
  template <class Before, class Entry, class After>
  void fill_row_by_row(std::span<RowCopy> copies) const;
  void fill_by_levels(std::span<RowCopy> copies) const;
  template <class Value>
  auto term_of(const LineTerm& term) const;
  void add_level(int level, std::span<std::int64_t> positions) const;

  const GatherPlan& plan_;
  Fill fill_;
  LineTerm before_, after_;  ///< the only table, or the sides of the only sum
  SmallVector<std::int64_t, 4> index_;
  SmallVector<std::int64_t, 4> origins_;  ///< per level: what all but the line's axis contribute
  SmallVector<std::int64_t, 4> places_;   ///< per index array: where it is read
  std::int64_t out_ = 0;
};

}  // namespace multibuffer
