#include <multibuffer/resolve.hpp>

#include "checked.hpp"
#include "distinct.hpp"
#include "slot_set.hpp"
#include "text.hpp"

#include <algorithm>
#include <cstring>
#include <limits>
#include <numeric>
#include <optional>
#include <ranges>
#include <utility>

// Level by level: the starts of a level's tables (one in the first level, and behind each pointer
// one) become ranges of entries, the slots that indices reach are read once, and the pointers found
// there, each once, are the starts of the next level.
//
//     starts ──► Slots (where each table's entries go) ──► pointers ──► Distinct ──► next starts
//
// A level's axes have the same strides at every start, so the entries' strides are common as well;
// only where index 0 lies differs, and that is what the previous level's entries say.

namespace multibuffer {
namespace {

using Starts = std::vector<const std::byte*>;

/// An axis that moves: extent > 1 and a stride, in bytes, that is not 0.
struct Move {
  std::size_t axis = 0;  ///< in the view
  std::int64_t extent = 0;
  std::int64_t stride = 0;
  std::int64_t magnitude() const { return stride < 0 ? -stride : stride; }
  std::int64_t reach() const { return (extent - 1) * magnitude(); }
};

std::vector<Move> moves_of(const Layout& layout, int level) {
  std::vector<Move> moves;
  for (std::size_t i = 0; i < layout.axes().size(); ++i) {
    const Axis& axis = layout.axes()[i];
    if (axis.level == level && axis.extent > 1 && axis.stride != 0)
      moves.push_back({i, axis.extent, axis.stride});
  }
  return moves;
}

/// Sizes that decide between two forms may saturate: the larger one is not built. Both are >= 0.
std::int64_t saturating_multiply(std::int64_t a, std::int64_t b) {
  std::int64_t result = 0;
  return __builtin_mul_overflow(a, b, &result) ? INT64_MAX : result;
}
std::int64_t saturating_add(std::int64_t a, std::int64_t b) {
  std::int64_t result = 0;
  return __builtin_add_overflow(a, b, &result) ? INT64_MAX : result;
}

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
  std::int64_t far_count() const {
    std::int64_t count = 1;
    for (std::size_t d = 1; d < digits.size(); ++d)
      count = saturating_multiply(count, digits[d].count);
    return count;
  }
  std::int64_t far_bytes(std::int64_t far) const {
    std::int64_t bytes = 0;
    for (std::size_t d = 1; d < digits.size(); ++d) {
      bytes += far % digits[d].count * digits[d].unit;
      far /= digits[d].count;
    }
    return bytes;
  }
};

Numbering number_with(std::vector<Digit> digits, std::span<const Move> moves) {
  Numbering numbering;
  numbering.digits = std::move(digits);
  for (const Move& move : moves) {
    std::size_t at = numbering.digits.size() - 1;
    while (numbering.digits[at].unit > move.magnitude()) --at;
    numbering.digit_of.push_back(at);
    if (move.stride < 0) numbering.lead_bytes += move.reach();
  }
  return numbering;
}

/// The table as it lies: one digit, whose unit is the gcd of the strides.
Numbering mirrored(std::span<const Move> moves) {
  if (moves.empty()) return number_with({{}}, moves);
  std::int64_t unit = 0, reach = 0;
  for (const Move& move : moves) {
    unit = std::gcd(unit, move.magnitude());
    reach += move.reach();
  }
  return number_with({{unit, reach / unit + 1}}, moves);
}

/// The table with the gaps between separate pieces closed.
Numbering compact(std::span<const Move> moves) {
  std::vector<Move> ascending(moves.begin(), moves.end());
  std::ranges::sort(ascending, {}, &Move::magnitude);
  std::vector<Digit> digits;
  for (const Move& move : ascending) {
    std::int64_t below = 0;
    for (const Digit& digit : digits) below += digit.reach();
    Digit digit{move.magnitude(), move.extent};
    // Merge downwards until the digits below cannot reach a step of this one.
    while (digit.unit <= below) {
      const Digit top = digits.back();
      digits.pop_back();
      below -= top.reach();
      const std::int64_t reach = digit.reach() + top.reach();
      digit.unit = std::gcd(digit.unit, top.unit);
      digit.count = reach / digit.unit + 1;
    }
    digits.push_back(digit);
  }
  if (digits.empty()) digits.push_back({});
  return number_with(std::move(digits), moves);
}

/// Tables, as far as their nearest digit goes, that overlap in memory and share their entries.
struct Range {
  const std::byte* address = nullptr;  ///< of the lowest slot
  std::int64_t length = 0;             ///< entries
  std::int64_t first = 0;              ///< the first entry's position
  std::vector<std::int64_t> lows;      ///< where its starts' lowest slots are
};
struct Ranges {
  std::vector<Range> ranges;       ///< in order of their first start: allocation order says nothing
  std::vector<std::int64_t> lows;  ///< per start: the position of its lowest slot
  std::int64_t length = 0;         ///< entries of all; saturated
};

/// Joins the tables of one residue class mod the nearest unit that overlap.
Ranges merge_ranges(const Starts& starts, const Numbering& numbering) {
  struct Low {
    const std::byte* address;
    std::int64_t residue;
    std::size_t start;
  };
  struct Group {
    std::size_t begin, end;  ///< in `lows`
    std::size_t first_start;
    std::int64_t length;
  };
  const std::int64_t unit = numbering.near().unit;
  std::vector<Low> lows;
  lows.reserve(starts.size());
  for (std::size_t i = 0; i < starts.size(); ++i) {
    const std::byte* low = starts[i] - numbering.lead_bytes;
    const auto residue = static_cast<std::int64_t>(reinterpret_cast<std::uintptr_t>(low) %
                                                   static_cast<std::uint64_t>(unit));
    lows.push_back({low, residue, i});
  }
  std::ranges::sort(lows, [](const Low& a, const Low& b) {
    return std::pair(a.residue, a.address) < std::pair(b.residue, b.address);
  });

  std::vector<Group> groups;
  for (std::size_t i = 0; i < lows.size(); ++i) {
    const bool joins =
        i > 0 && lows[i].residue == lows[i - 1].residue &&
        (lows[i].address - lows[groups.back().begin].address) / unit < groups.back().length;
    if (!joins) groups.push_back({i, i, lows[i].start, 0});
    Group& group = groups.back();
    group.end = i + 1;
    group.first_start = std::min(group.first_start, lows[i].start);
    group.length = (lows[i].address - lows[group.begin].address) / unit + numbering.near().count;
  }
  std::ranges::sort(groups, {}, &Group::first_start);

  Ranges result;
  result.lows.resize(starts.size());
  for (const Group& group : groups) {
    Range range{lows[group.begin].address, group.length, result.length, {}};
    for (std::size_t i = group.begin; i < group.end; ++i) {
      const std::int64_t low = (lows[i].address - range.address) / unit;
      range.lows.push_back(low);
      result.lows[lows[i].start] = saturating_add(result.length, low);
    }
    result.ranges.push_back(std::move(range));
    result.length = saturating_add(result.length, group.length);
  }
  return result;
}

/// More than any memory holds, and far from where positions overflow.
constexpr std::int64_t max_entries = std::int64_t{1} << 48;

/// The slots of one level, and the entries that they become: all ranges one after the other, and
/// that once for each value of the far digits.
class Slots {
 public:
  Slots(Starts starts, std::vector<Move> moves)
      : starts_(std::move(starts)), moves_(std::move(moves)), numbering_(mirrored(moves_)) {
    near_ = merge_ranges(starts_, numbering_);
    length_ = near_.length;
    Numbering compacted = compact(moves_);
    if (compacted.digits.size() > 1) {
      Ranges ranges = merge_ranges(starts_, compacted);
      const std::int64_t length = saturating_multiply(ranges.length, compacted.far_count());
      if (length < length_) {
        numbering_ = std::move(compacted);
        near_ = std::move(ranges);
        length_ = length;
      }
    }
    if (length_ > max_entries)
      throw Error(Errc::size_overflow, text("a level's pointer tables span ", length_, " entries"));
    number_moves();
  }

  std::int64_t length() const { return length_; }
  std::int64_t stride(std::size_t move) const { return strides_[move]; }
  const std::vector<Move>& moves() const { return moves_; }
  const Starts& starts() const { return starts_; }
  /// Where index 0 of a start's table lies among the entries.
  std::int64_t start_position(std::size_t start) const { return near_.lows[start] + lead_entries_; }

  /// Calls `visit(position, address, count, step)` for every stretch of slots that indices reach,
  /// in an order that never changes: `count` entries from `position` on, whose slots lie `step`
  /// bytes apart.
  template <class Visit>
  void for_each_run(Visit&& visit) const {
    const SlotSet far = far_reached();
    std::optional<SlotSet> pattern;  // of one table; the same for all that stand alone
    for (const Range& range : near_.ranges) {
      if (range.lows.size() > 1) {
        visit_slots(near_reached(range.length, range.lows), far, range, visit);
      } else {
        if (!pattern) pattern = near_reached(range.length, range.lows);
        visit_slots(*pattern, far, range, visit);
      }
    }
  }

 private:
  /// The moves' strides in entries: one entry a unit in the nearest digit, all ranges at each step
  /// of the next.
  void number_moves() {
    std::vector<std::int64_t> weights{1};
    for (std::size_t d = 1; d < numbering_.digits.size(); ++d)
      weights.push_back(d == 1 ? near_.length : weights[d - 1] * numbering_.digits[d - 1].count);
    for (std::size_t j = 0; j < moves_.size(); ++j) {
      const std::size_t digit = numbering_.digit_of[j];
      const std::int64_t steps =
          moves_[j].magnitude() / numbering_.digits[digit].unit * weights[digit];
      strides_.push_back(moves_[j].stride < 0 ? -steps : steps);
      if (moves_[j].stride < 0) lead_entries_ += steps * (moves_[j].extent - 1);
    }
  }

  SlotSet near_reached(std::int64_t length, std::span<const std::int64_t> lows) const {
    SlotSet set(length);
    for (const std::int64_t low : lows) set.insert(low);
    for (std::size_t j = 0; j < moves_.size(); ++j)
      if (numbering_.digit_of[j] == 0)
        set.spread(moves_[j].extent, moves_[j].magnitude() / numbering_.near().unit);
    return set;
  }

  /// The values that the far digits take together.
  SlotSet far_reached() const {
    SlotSet set(numbering_.far_count());
    set.insert(0);
    std::int64_t weight = 1;
    for (std::size_t d = 1; d < numbering_.digits.size(); ++d) {
      for (std::size_t j = 0; j < moves_.size(); ++j)
        if (numbering_.digit_of[j] == d)
          set.spread(moves_[j].extent, moves_[j].magnitude() / numbering_.digits[d].unit * weight);
      weight *= numbering_.digits[d].count;
    }
    return set;
  }

  template <class Visit>
  void visit_slots(const SlotSet& near, const SlotSet& far, const Range& range,
                   Visit& visit) const {
    const std::int64_t step = numbering_.near().unit;
    far.for_each([&](std::int64_t value) {
      const std::int64_t position = range.first + value * near_.length;
      const std::byte* address = range.address + numbering_.far_bytes(value);
      near.for_each_run([&](std::int64_t first, std::int64_t count) {
        visit(position + first, address + first * step, count, step);
      });
    });
  }

  Starts starts_;
  std::vector<Move> moves_;
  Numbering numbering_;
  Ranges near_;
  std::vector<std::int64_t> strides_;  ///< in entries, one per move
  std::int64_t lead_entries_ = 0;      ///< from the lowest slot's position to that of index 0
  std::int64_t length_ = 0;
};

const std::byte* load_pointer(const std::byte* slot) {
  const std::byte* pointer = nullptr;
  std::memcpy(&pointer, slot, sizeof pointer);  // slots may lie at any address
  return pointer;
}

/// The indices along `moves` that lead `offset` bytes from index 0, if there are any.
class IndexSearch {
 public:
  /// Takes its steps out of `patience`: odd strides over many axes could take for ever.
  IndexSearch(std::span<const Move> moves, std::int64_t offset, int& patience)
      : moves_(moves), order_(moves.size()), patience_(patience) {
    std::iota(order_.begin(), order_.end(), std::size_t{0});
    std::ranges::sort(order_, std::greater{}, [&](std::size_t i) { return moves_[i].magnitude(); });
    for (const Move& move : moves_) {
      reach_ += move.reach();
      if (move.stride < 0) offset += move.reach();
    }
    indices_.resize(moves.size());
    found_ = search(0, offset, reach_);
  }
  bool found() const { return found_; }
  std::int64_t index(std::size_t move) const { return indices_[move]; }

 private:
  /// `rest` is counted from the lowest slot; `reach` is what the moves from `depth` on cover.
  bool search(std::size_t depth, std::int64_t rest, std::int64_t reach) {
    if (rest < 0 || rest > reach || --patience_ < 0) return false;
    if (depth == order_.size()) return rest == 0;
    const Move& move = moves_[order_[depth]];
    const std::int64_t below = reach - move.reach();
    const std::int64_t most = std::min(move.extent - 1, rest / move.magnitude());
    const std::int64_t least = rest > below ? (rest - below - 1) / move.magnitude() + 1 : 0;
    for (std::int64_t steps = most; steps >= least; --steps) {
      if (!search(depth + 1, rest - steps * move.magnitude(), below)) continue;
      indices_[order_[depth]] = move.stride < 0 ? move.extent - 1 - steps : steps;
      return true;
    }
    return false;
  }

  std::span<const Move> moves_;
  std::vector<std::size_t> order_;
  std::vector<std::int64_t> indices_;
  std::int64_t reach_ = 0;
  int& patience_;
  bool found_ = false;
};

/// One level's slots, and the pointers found in those that are reached, in order.
struct Level {
  Slots slots;
  Distinct pointers;
};

/// Writes the indices that lead to `slot` in the last of `levels` into `path`, from there back to
/// the first level. Returns whether they were found.
bool trace(std::span<const Level> levels, const std::byte* slot, int& patience,
           std::vector<std::optional<std::int64_t>>& path) {
  const Slots& slots = levels.back().slots;
  for (std::size_t start = 0; start < slots.starts().size(); ++start) {
    const IndexSearch search(slots.moves(), slot - slots.starts()[start], patience);
    if (!search.found()) continue;
    for (std::size_t j = 0; j < slots.moves().size(); ++j)
      path[slots.moves()[j].axis] = search.index(j);
    if (levels.size() == 1) return true;
    const Level& previous = levels[levels.size() - 2];
    const std::byte* leading_here = nullptr;
    std::size_t seen = 0;
    previous.slots.for_each_run(
        [&](std::int64_t, const std::byte* address, std::int64_t count, std::int64_t step) {
          for (std::int64_t i = 0; i < count; ++i)
            if (previous.pointers.id(seen++) == static_cast<std::int64_t>(start) && !leading_here)
              leading_here = address + i * step;
        });
    return trace(levels.first(levels.size() - 1), leading_here, patience, path);
  }
  return false;
}

[[noreturn]] void throw_null(const ArrayView& view, std::span<const Level> levels,
                             const std::byte* slot) {
  const int level = static_cast<int>(levels.size()) - 1;
  std::vector<std::optional<std::int64_t>> path(static_cast<std::size_t>(view.ndim()));
  int patience = 10'000'000;
  if (!trace(levels, slot, patience, path))
    throw Error(Errc::null_pointer, text("level ", level, " of ", view.layout().levels(),
                                         ", in the slot at ", static_cast<const void*>(slot)));
  std::string indices;
  for (std::size_t i = 0; i < path.size(); ++i) {
    const Axis& axis = view.layout().axes()[i];
    indices += i == 0 ? "" : ", ";
    // What comes after the pointer has no say in it; an axis that does not move is at 0.
    indices += axis.level > level ? ":" : text(path[i].value_or(0));
  }
  throw Error(Errc::null_pointer,
              text("level ", level, " of ", view.layout().levels(), " at index [", indices,
                   "] of shape ", tuple_text(view.shape())));
}

/// The pointers in the slots that are reached, in order of position, moved on by the level's
/// origin.
Starts read_slots(const ArrayView& view, std::span<const Level> levels, std::int64_t origin,
                  const Watch& watch) {
  constexpr std::int64_t between_stops = std::int64_t{1} << 20;
  Starts pointers;
  const std::byte* null_slot = nullptr;
  levels.back().slots.for_each_run(
      [&](std::int64_t, const std::byte* address, std::int64_t count, std::int64_t step) {
        for (std::int64_t begin = 0; begin < count; begin += between_stops) {
          if (watch.stop.stop_requested())
            throw Error(Errc::cancelled, "while reading pointer tables");
          const std::int64_t end = std::min(count, begin + between_stops);
          const std::size_t size = pointers.size();
          pointers.resize(size + static_cast<std::size_t>(end - begin));
          const std::byte** out = pointers.data() + size;
          bool any_null = false;
          for (std::int64_t i = begin; i < end; ++i) {
            const std::byte* pointer = load_pointer(address + i * step);
            any_null = any_null || pointer == nullptr;
            *out++ = pointer + origin;
          }
          for (std::int64_t i = begin; any_null && !null_slot && i < end; ++i)
            if (!load_pointer(address + i * step)) null_slot = address + i * step;
        }
      });
  if (null_slot) throw_null(view, levels, null_slot);
  return pointers;
}

/// Nothing may be dereferenced, and nothing needs to be.
Resolution resolve_empty(const ArrayView& view) {
  std::vector<Axis> axes;
  for (const Axis& axis : view.layout().axes()) axes.push_back({axis.extent, 0, 0});
  Resolution resolution;
  resolution.format = view.format();
  resolution.space = view.space();
  resolution.layout = Layout(std::move(axes), {0});
  return resolution;
}

}  // namespace

Resolution resolve(const ArrayView& view, const Watch& watch) {
  const Layout& layout = view.layout();
  if (layout.empty()) return resolve_empty(view);

  Resolution resolution;
  resolution.format = view.format();
  resolution.space = view.space();
  const auto level_count = static_cast<std::size_t>(layout.levels());
  resolution.tables.resize(level_count);
  std::vector<Axis> axes(layout.axes().begin(), layout.axes().end());
  std::vector<std::int64_t> origins(level_count + 1, 0);

  std::vector<Level> levels;
  Starts starts{view.base() + layout.origins()[0]};
  for (std::size_t k = 0; k < level_count; ++k) {
    levels.push_back({Slots(std::move(starts), moves_of(layout, static_cast<int>(k))), {}});
    const Slots& slots = levels.back().slots;
    Starts pointers = read_slots(view, levels, layout.origins()[k + 1], watch);
    resolution.pointers_read += static_cast<std::int64_t>(pointers.size());
    levels.back().pointers = number_distinct(std::move(pointers));
    starts = std::move(levels.back().pointers.addresses);

    for (Axis& axis : axes)
      if (axis.level == static_cast<int>(k)) axis.stride = 0;
    for (std::size_t j = 0; j < slots.moves().size(); ++j)
      axes[slots.moves()[j].axis].stride = slots.stride(j);
    if (k == 0) origins[0] = slots.start_position(0);
  }

  // An entry names the next level's start by position, which is known now; in the last, a leaf.
  for (std::size_t k = 0; k < level_count; ++k) {
    const Slots* next = k + 1 < level_count ? &levels[k + 1].slots : nullptr;
    std::vector<std::int64_t>& table = resolution.tables[k];
    table.resize(static_cast<std::size_t>(levels[k].slots.length()));
    std::size_t seen = 0;
    levels[k].slots.for_each_run(
        [&](std::int64_t position, const std::byte*, std::int64_t count, std::int64_t) {
          for (std::int64_t i = position; i < position + count; ++i) {
            const std::int64_t id = levels[k].pointers.id(seen++);
            table[static_cast<std::size_t>(i)] =
                next ? next->start_position(static_cast<std::size_t>(id)) : id;
          }
        });
  }
  resolution.leaves = std::move(starts);
  resolution.layout = Layout(std::move(axes), std::move(origins));
  return resolution;
}

}  // namespace multibuffer
