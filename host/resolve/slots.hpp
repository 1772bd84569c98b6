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

/// An axis that moves: extent > 1 and a stride, in bytes, that is not 0.
struct Move {
  std::size_t axis = 0;  ///< in the view
  std::int64_t extent = 0;
  std::int64_t stride = 0;
  std::int64_t magnitude() const { return stride < 0 ? -stride : stride; }
  std::int64_t reach() const { return (extent - 1) * magnitude(); }
};
std::vector<Move> moves_of(const Layout& layout, int level);

/// How the slots of one table are numbered: offsets in bytes from its lowest slot are written with
/// digits of rising unit, each unit larger than all that the lower digits reach. Axes whose slots
/// may coincide share a digit.
struct Digit {
  std::int64_t unit = 1;   ///< bytes
  std::int64_t count = 1;  ///< values that the digit takes
  std::int64_t reach() const { return unit * (count - 1); }
};
struct Numbering {
  std::vector<Digit> digits;          ///< at least one
  std::vector<std::size_t> digit_of;  ///< per move: the one that it counts in
  std::int64_t lead_bytes = 0;        ///< from the lowest slot to index 0

  const Digit& near() const { return digits[0]; }
  /// Values that the digits behind the first take together; saturated.
  std::int64_t far_count() const;
  std::int64_t far_bytes(std::int64_t far) const;
};

/// Tables, as far as their nearest digit goes, that overlap in memory and share their entries.
struct TableRange {
  std::int64_t address = 0;    ///< of the lowest slot
  std::int64_t length = 0;     ///< entries
  std::int64_t first = 0;      ///< the first entry's position
  std::size_t lows_begin = 0;  ///< in `TableRanges::lows`: where its starts' lowest slots are
  std::size_t lows_end = 0;
};
struct TableRanges {
  std::vector<TableRange> ranges;  ///< in order of their first start: allocation order says nothing
  std::vector<std::int64_t> lows;  ///< positions within the ranges
  LargeVector<std::int64_t> of_start;  ///< per start: the position of its lowest slot
  std::int64_t length = 0;             ///< entries of all; saturated
};

/// Slots that indices reach, one behind the other, and their entries.
struct SlotRun {
  const std::byte* address = nullptr;  ///< of the first slot
  std::int64_t count = 0;
  std::int64_t position = 0;  ///< of the first entry
  std::int64_t index = 0;     ///< slots in the runs before this one
};

class Slots {
 public:
  /// `starts`: the addresses at which the level's tables have their index 0.
  Slots(Sequence starts, std::vector<Move> moves);

  /// Entries: all ranges one after the other, and that once for each value of the far digits.
  std::int64_t length() const { return length_; }
  const std::vector<Move>& moves() const { return moves_; }
  /// The stride of a move in entries.
  std::int64_t stride(std::size_t move) const { return strides_[move]; }
  const Sequence& starts() const { return starts_; }
  /// Per start: where index 0 of its table lies among the entries.
  const Sequence& start_positions() const { return start_positions_; }

  /// What is to be read. The slots of a run lie `step()` bytes apart.
  const LargeVector<SlotRun>& runs() const { return runs_; }
  std::int64_t step() const { return numbering_.near().unit; }
  std::int64_t slot_count() const {
    return runs_.empty() ? 0 : runs_.back().index + runs_.back().count;
  }

 private:
  void number_moves();
  void find_runs();
  void find_start_positions();
  SlotSet near_reached(const TableRange& range) const;
  SlotSet far_reached() const;

  Sequence starts_;
  std::vector<Move> moves_;
  Numbering numbering_;
  TableRanges near_;
  std::vector<std::int64_t> strides_;
  std::int64_t lead_entries_ = 0;  ///< from the lowest slot's position to that of index 0
  std::int64_t length_ = 0;
  LargeVector<SlotRun> runs_;
  Sequence start_positions_;
};

}  // namespace multibuffer
