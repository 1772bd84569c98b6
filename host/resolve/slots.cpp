#include "host/resolve/slots.hpp"

#include <multibuffer/error.hpp>

#include "host/resolve/sequence_ops.hpp"
#include "host/support/text.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

namespace multibuffer {
namespace {

/// More entries than any memory holds, and far fewer than positions could count.
constexpr std::int64_t max_entries = std::int64_t{1} << 48;

/// Multiplies sizes >= 0 that decide between two forms. They may saturate, since the larger form is
/// not built.
std::int64_t saturating_multiply(std::int64_t a, std::int64_t b) {
  std::int64_t result = 0;
  return __builtin_mul_overflow(a, b, &result) ? INT64_MAX : result;
}
std::int64_t saturating_add(std::int64_t a, std::int64_t b) {
  std::int64_t result = 0;
  return __builtin_add_overflow(a, b, &result) ? INT64_MAX : result;
}

MixedRadix with_digits(std::vector<Digit> digits, std::span<const MovingAxis> axes) {
  MixedRadix radix;
  radix.digits = std::move(digits);
  for (const MovingAxis& axis : axes) {
    std::size_t at = radix.digits.size() - 1;
    while (radix.digits[at].unit > axis.magnitude()) --at;
    radix.digit_of.push_back(at);
    if (axis.stride < 0) radix.lead_bytes += axis.reach();
  }
  return radix;
}

/// Codes the table as it lies: one digit, whose unit is the gcd of the strides.
MixedRadix mirrored(std::span<const MovingAxis> axes) {
  if (axes.empty()) return with_digits({{}}, axes);
  std::int64_t unit = 0, reach = 0;
  for (const MovingAxis& axis : axes) {
    unit = std::gcd(unit, axis.magnitude());
    reach += axis.reach();
  }
  return with_digits({{unit, reach / unit + 1}}, axes);
}

/// Codes the table with the gaps between separate pieces closed.
MixedRadix compact(std::span<const MovingAxis> axes) {
  std::vector<MovingAxis> ascending(axes.begin(), axes.end());
  std::ranges::sort(ascending, {}, &MovingAxis::magnitude);
  std::vector<Digit> digits;
  for (const MovingAxis& axis : ascending) {
    std::int64_t below = 0;
    for (const Digit& digit : digits) below += digit.reach();
    Digit digit{axis.magnitude(), axis.extent};
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
  return with_digits(std::move(digits), axes);
}

/// The lowest slot of a start's table.
struct Low {
  std::int64_t address;
  std::int64_t residue;  ///< of the address, modulo the nearest unit
  std::size_t start;

  bool operator<(const Low& other) const {
    return residue != other.residue ? residue < other.residue : address < other.address;
  }
};

std::vector<Low> sorted_lows(const Sequence& starts, const MixedRadix& radix) {
  const auto unit = static_cast<std::uint64_t>(radix.near().unit);
  std::vector<Low> lows;
  lows.reserve(static_cast<std::size_t>(starts.size()));
  for (std::int64_t i = 0; i < starts.size(); ++i) {
    const std::int64_t low = starts[i] - radix.lead_bytes;
    lows.push_back({low, static_cast<std::int64_t>(static_cast<std::uint64_t>(low) % unit),
                    static_cast<std::size_t>(i)});
  }
  if (!std::ranges::is_sorted(lows, std::less{})) std::ranges::sort(lows, std::less{});
  return lows;
}

/// Joins the tables of one residue class mod the nearest unit that overlap.
TableRanges merge_ranges(const Sequence& starts, const MixedRadix& radix) {
  struct Group {
    std::size_t begin, end;  ///< in `lows`
    std::size_t first_start;
    std::int64_t length;
  };
  const std::int64_t unit = radix.near().unit;
  const std::vector<Low> lows = sorted_lows(starts, radix);
  std::vector<Group> groups;
  for (std::size_t i = 0; i < lows.size(); ++i) {
    const bool joins =
        i > 0 && lows[i].residue == lows[i - 1].residue &&
        (lows[i].address - lows[groups.back().begin].address) / unit < groups.back().length;
    if (!joins) groups.push_back({i, i, lows[i].start, 0});
    Group& group = groups.back();
    group.end = i + 1;
    group.first_start = std::min(group.first_start, lows[i].start);
    group.length = (lows[i].address - lows[group.begin].address) / unit + radix.near().count;
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

std::vector<MovingAxis> moving_axes(const Layout& layout, int level) {
  std::vector<MovingAxis> axes;
  for (std::size_t i = 0; i < layout.axes().size(); ++i) {
    const Axis& axis = layout.axes()[i];
    if (axis.level == level && axis.extent > 1 && axis.stride != 0)
      axes.push_back({i, axis.extent, axis.stride});
  }
  return axes;
}

std::int64_t MixedRadix::far_count() const {
  std::int64_t count = 1;
  for (std::size_t d = 1; d < digits.size(); ++d)
    count = saturating_multiply(count, digits[d].count);
  return count;
}

std::int64_t MixedRadix::far_bytes(std::int64_t far) const {
  std::int64_t bytes = 0;
  for (std::size_t d = 1; d < digits.size(); ++d) {
    bytes += far % digits[d].count * digits[d].unit;
    far /= digits[d].count;
  }
  return bytes;
}

Slots::Slots(Sequence starts, std::vector<MovingAxis> axes)
    : starts_(std::move(starts)), axes_(std::move(axes)), radix_(mirrored(axes_)) {
  near_ = merge_ranges(starts_, radix_);
  length_ = near_.length;
  MixedRadix compacted = compact(axes_);
  if (compacted.digits.size() > 1) {
    TableRanges ranges = merge_ranges(starts_, compacted);
    const std::int64_t length = saturating_multiply(ranges.length, compacted.far_count());
    if (length < length_) {
      radix_ = std::move(compacted);
      near_ = std::move(ranges);
      length_ = length;
    }
  }
  if (length_ > max_entries)
    throw Failure(Errc::size_overflow, text("a level's pointer tables span ", length_, " entries"));
  assign_strides();
  find_runs();
  find_start_positions();
}

/// Sets the axes' strides in entries: one entry a unit in the lowest digit, all ranges at each step
/// of the next digit.
void Slots::assign_strides() {
  std::vector<std::int64_t> weights{1};
  for (std::size_t d = 1; d < radix_.digits.size(); ++d)
    weights.push_back(d == 1 ? near_.length : weights[d - 1] * radix_.digits[d - 1].count);
  for (std::size_t j = 0; j < axes_.size(); ++j) {
    const std::size_t digit = radix_.digit_of[j];
    const std::int64_t steps = axes_[j].magnitude() / radix_.digits[digit].unit * weights[digit];
    strides_.push_back(axes_[j].stride < 0 ? -steps : steps);
    if (axes_[j].stride < 0) lead_entries_ += steps * (axes_[j].extent - 1);
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
  // Small steps first: they close gaps, which larger steps would have to repeat as bits.
  std::vector<std::size_t> order(axes_.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::sort(order, {}, [&](std::size_t j) { return axes_[j].magnitude(); });
  for (const std::size_t j : order)
    if (radix_.digit_of[j] == 0)
      set.spread(axes_[j].extent, axes_[j].magnitude() / radix_.near().unit);
  return set;
}

/// Returns the combined values that the far digits take.
SlotSet Slots::far_reached() const {
  SlotSet set(radix_.far_count());
  set.insert(0);
  std::int64_t weight = 1;
  for (std::size_t d = 1; d < radix_.digits.size(); ++d) {
    for (std::size_t j = 0; j < axes_.size(); ++j)
      if (radix_.digit_of[j] == d)
        set.spread(axes_[j].extent, axes_[j].magnitude() / radix_.digits[d].unit * weight);
    weight *= radix_.digits[d].count;
  }
  return set;
}

void Slots::find_runs() {
  const SlotSet far = far_reached();
  std::int64_t index = 0;
  const auto add_range = [&](const TableRange& range, const SlotSet& near) {
    far.for_each([&](std::int64_t value) {
      const std::int64_t position = range.first + value * near_.length;
      const std::int64_t address = range.address + radix_.far_bytes(value);
      near.for_each_run([&](std::int64_t first, std::int64_t count) {
        // NOLINTNEXTLINE(performance-no-int-to-ptr): an address found in a table
        runs_.push_back({reinterpret_cast<const std::byte*>(address + first * step()), count,
                         position + first, index});
        index += count;
      });
    });
  };
  // Tables that share no range all have slots at equal offsets.
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
