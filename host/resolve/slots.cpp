#include "host/resolve/slots.hpp"

#include <multibuffer/error.hpp>

#include "host/resolve/sequence_ops.hpp"
#include "host/support/text.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

namespace multibuffer {
namespace {

/// More than any memory holds, and far from where positions overflow.
constexpr std::int64_t max_entries = std::int64_t{1} << 48;

/// Sizes that decide between two forms may saturate: the larger one is not built. Both are >= 0.
std::int64_t saturating_multiply(std::int64_t a, std::int64_t b) {
  std::int64_t result = 0;
  return __builtin_mul_overflow(a, b, &result) ? INT64_MAX : result;
}
std::int64_t saturating_add(std::int64_t a, std::int64_t b) {
  std::int64_t result = 0;
  return __builtin_add_overflow(a, b, &result) ? INT64_MAX : result;
}

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

/// Where a start's table has its lowest slot.
struct Low {
  std::int64_t address;
  std::int64_t residue;  ///< of the address, modulo the nearest unit
  std::size_t start;

  bool operator<(const Low& other) const {
    return residue != other.residue ? residue < other.residue : address < other.address;
  }
};

std::vector<Low> sorted_lows(const Sequence& starts, const Numbering& numbering) {
  const auto unit = static_cast<std::uint64_t>(numbering.near().unit);
  std::vector<Low> lows;
  lows.reserve(static_cast<std::size_t>(starts.size()));
  for (std::int64_t i = 0; i < starts.size(); ++i) {
    const std::int64_t low = starts[i] - numbering.lead_bytes;
    lows.push_back({low, static_cast<std::int64_t>(static_cast<std::uint64_t>(low) % unit),
                    static_cast<std::size_t>(i)});
  }
  if (!std::ranges::is_sorted(lows, std::less{})) std::ranges::sort(lows, std::less{});
  return lows;
}

/// Joins the tables of one residue class mod the nearest unit that overlap.
TableRanges merge_ranges(const Sequence& starts, const Numbering& numbering) {
  struct Group {
    std::size_t begin, end;  ///< in `lows`
    std::size_t first_start;
    std::int64_t length;
  };
  const std::int64_t unit = numbering.near().unit;
  const std::vector<Low> lows = sorted_lows(starts, numbering);
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
  if (!std::ranges::is_sorted(groups, {}, &Group::first_start))
    std::ranges::sort(groups, {}, &Group::first_start);

  TableRanges result;
  result.of_start.resize(lows.size());
  result.ranges.reserve(groups.size());
  result.lows.reserve(lows.size());
  for (const Group& group : groups) {
    const TableRange range{lows[group.begin].address, group.length, result.length,
                           result.lows.size(), result.lows.size() + (group.end - group.begin)};
    for (std::size_t i = group.begin; i < group.end; ++i) {
      const std::int64_t low = (lows[i].address - range.address) / unit;
      result.lows.push_back(low);
      result.of_start[lows[i].start] = saturating_add(result.length, low);
    }
    result.ranges.push_back(range);
    result.length = saturating_add(result.length, group.length);
  }
  return result;
}

}  // namespace

std::vector<Move> moves_of(const Layout& layout, int level) {
  std::vector<Move> moves;
  for (std::size_t i = 0; i < layout.axes().size(); ++i) {
    const Axis& axis = layout.axes()[i];
    if (axis.level == level && axis.extent > 1 && axis.stride != 0)
      moves.push_back({i, axis.extent, axis.stride});
  }
  return moves;
}

std::int64_t Numbering::far_count() const {
  std::int64_t count = 1;
  for (std::size_t d = 1; d < digits.size(); ++d)
    count = saturating_multiply(count, digits[d].count);
  return count;
}

std::int64_t Numbering::far_bytes(std::int64_t far) const {
  std::int64_t bytes = 0;
  for (std::size_t d = 1; d < digits.size(); ++d) {
    bytes += far % digits[d].count * digits[d].unit;
    far /= digits[d].count;
  }
  return bytes;
}

Slots::Slots(Sequence starts, std::vector<Move> moves)
    : starts_(std::move(starts)), moves_(std::move(moves)), numbering_(mirrored(moves_)) {
  near_ = merge_ranges(starts_, numbering_);
  length_ = near_.length;
  Numbering compacted = compact(moves_);
  if (compacted.digits.size() > 1) {
    TableRanges ranges = merge_ranges(starts_, compacted);
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
  find_runs();
  find_start_positions();
}

/// The moves' strides in entries: one entry a unit in the nearest digit, all ranges at each step of
/// the next.
void Slots::number_moves() {
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

void Slots::find_start_positions() {
  LargeVector<std::int64_t> positions = std::move(near_.of_start);
  for (std::int64_t& position : positions) position += lead_entries_;
  start_positions_ = sequence_of(std::move(positions));
}

SlotSet Slots::near_reached(const TableRange& range) const {
  SlotSet set(range.length);
  for (std::size_t i = range.lows_begin; i < range.lows_end; ++i) set.insert(near_.lows[i]);
  // Small steps first: they close the gaps that larger ones would have to carry along as bits.
  std::vector<std::size_t> order(moves_.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::sort(order, {}, [&](std::size_t j) { return moves_[j].magnitude(); });
  for (const std::size_t j : order)
    if (numbering_.digit_of[j] == 0)
      set.spread(moves_[j].extent, moves_[j].magnitude() / numbering_.near().unit);
  return set;
}

/// The values that the far digits take together.
SlotSet Slots::far_reached() const {
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

void Slots::find_runs() {
  const SlotSet far = far_reached();
  std::int64_t index = 0;
  const auto add_range = [&](const TableRange& range, const SlotSet& near) {
    far.for_each([&](std::int64_t value) {
      const std::int64_t position = range.first + value * near_.length;
      const std::int64_t address = range.address + numbering_.far_bytes(value);
      near.for_each_run([&](std::int64_t first, std::int64_t count) {
        // NOLINTNEXTLINE(performance-no-int-to-ptr): an address found in a table
        runs_.push_back({reinterpret_cast<const std::byte*>(address + first * step()), count,
                         position + first, index});
        index += count;
      });
    });
  };
  // Tables that stand alone all have the same slots.
  std::vector<SlotSet> alone;
  for (const TableRange& range : near_.ranges) {
    if (range.lows_end - range.lows_begin > 1) {
      add_range(range, near_reached(range));
    } else {
      if (alone.empty()) alone.push_back(near_reached(range));
      add_range(range, alone[0]);
    }
  }
}

}  // namespace multibuffer
