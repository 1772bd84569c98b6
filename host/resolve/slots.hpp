#pragma once

#include <multibuffer/layout.hpp>
#include <multibuffer/stages/sequence.hpp>

#include "host/resolve/slot_set.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

// A level's slots, and the entries that they become. A level's axes have the same strides at every
// start, so the entries' strides are common as well; only where index 0 lies differs.

namespace multibuffer {

/// An axis along which slots differ: its extent is above 1 and its stride, in bytes, is not 0.
struct MovingAxis {
  std::size_t axis = 0;  ///< in the view
  std::int64_t extent = 0;
  std::int64_t stride = 0;
  std::int64_t magnitude() const { return stride < 0 ? -stride : stride; }
  std::int64_t reach() const { return (extent - 1) * magnitude(); }
};
/// Returns the moving axes of a level, in index order.
std::vector<MovingAxis> moving_axes(const Layout& layout, int level);

/// One digit of a mixed radix.
struct Digit {
  std::int64_t unit = 1;   ///< bytes
  std::int64_t count = 1;  ///< the number of its values
  std::int64_t reach() const { return unit * (count - 1); }
};
/// A mixed-radix code for the slots of one table: an offset in bytes from the lowest slot is a sum
/// of digits of rising unit, where each unit exceeds the reach of all lower digits. Axes whose
/// slots may coincide share a digit.
struct MixedRadix {
  std::vector<Digit> digits;          ///< at least one
  std::vector<std::size_t> digit_of;  ///< for each moving axis, its digit
  std::int64_t lead_bytes = 0;        ///< from the lowest slot to index 0

  const Digit& near() const { return digits[0]; }
  /// Returns the number of values of all digits after the first; saturated.
  std::int64_t far_count() const;
  std::int64_t far_bytes(std::int64_t far) const;
};

/// Tables that overlap in memory within their lowest digit, and share their entries.
struct TableRange {
  std::int64_t address = 0;    ///< of the lowest slot
  std::int64_t length = 0;     ///< entries
  std::int64_t first = 0;      ///< the first entry's position
  std::size_t lows_begin = 0;  ///< its starts' lowest slots, as a range of `TableRanges::lows`
  std::size_t lows_end = 0;
};
struct TableRanges {
  std::vector<TableRange> ranges;      ///< in order of their first start, not of their addresses
  std::vector<std::int64_t> lows;      ///< positions within the ranges
  LargeVector<std::int64_t> of_start;  ///< per start: the position of its lowest slot
  std::int64_t length = 0;             ///< entries of all ranges; saturated
};

/// Slots that indices reach, at equal distances, and their consecutive entries.
struct SlotRun {
  const std::byte* address = nullptr;  ///< of the first slot
  std::int64_t count = 0;
  std::int64_t position = 0;  ///< of the first entry
  std::int64_t index = 0;     ///< the number of slots in the runs before this one
};

/// The slots of a level, which of them indices reach, and where the entries of each go.
class Slots {
 public:
  /// `starts`: the addresses at which the level's tables have their index 0.
  Slots(Sequence starts, std::vector<MovingAxis> axes);

  /// The number of entries: those of all ranges, once for each value of the far digits.
  std::int64_t length() const { return length_; }
  const std::vector<MovingAxis>& axes() const { return axes_; }
  /// The stride of a moving axis in entries.
  std::int64_t stride(std::size_t axis) const { return strides_[axis]; }
  const Sequence& starts() const { return starts_; }
  /// For each start, the position of its table's index 0 among the entries.
  const Sequence& start_positions() const { return start_positions_; }

  /// The runs of slots to read. Slots of a run lie `step()` bytes apart.
  const LargeVector<SlotRun>& runs() const { return runs_; }
  std::int64_t step() const { return radix_.near().unit; }
  std::int64_t slot_count() const {
    return runs_.empty() ? 0 : runs_.back().index + runs_.back().count;
  }

 private:
  void assign_strides();
  void find_runs();
  void find_start_positions();
  SlotSet near_reached(const TableRange& range) const;
  SlotSet far_reached() const;

  Sequence starts_;
  std::vector<MovingAxis> axes_;
  MixedRadix radix_;
  TableRanges near_;
  std::vector<std::int64_t> strides_;
  std::int64_t lead_entries_ = 0;  ///< from the lowest slot's position to that of index 0
  std::int64_t length_ = 0;
  LargeVector<SlotRun> runs_;
  Sequence start_positions_;
};

}  // namespace multibuffer
