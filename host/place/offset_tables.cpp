#include "host/place/offset_tables.hpp"

#include "host/place/exact_divisor.hpp"
#include "host/resolve/sequence_ops.hpp"
#include "host/support/index_of.hpp"
#include "host/support/parallel.hpp"
#include "host/support/threshold.hpp"

#include <algorithm>
#include <functional>
#include <numeric>

namespace multibuffer {
namespace {

std::uint64_t number(std::int64_t entry) { return static_cast<std::uint64_t>(entry); }

/// The number of entries in a piece of parallel work.
constexpr Threshold piece_entries{std::int64_t{1} << 14, 20};

/// Calls `work(piece, begin, end)` for pieces of the positions in `set`, in parallel, after
/// `pieces(count)` with their number.
void for_pieces(const SlotSet& set, const std::function<void(std::int64_t)>& pieces,
                const std::function<void(std::int64_t, std::int64_t, std::int64_t)>& work) {
  struct Piece {
    std::int64_t begin, end;
  };
  std::vector<Piece> all;
  const std::int64_t most = piece_entries;
  set.for_each_run([&](std::int64_t first, std::int64_t count) {
    for (std::int64_t begin = first; begin < first + count; begin += most)
      all.push_back({begin, std::min(first + count, begin + most)});
  });
  const auto count = static_cast<std::int64_t>(all.size());
  pieces(count);
  // Runs may be short and pieces many, so the bytes of a piece are an average.
  const std::int64_t bytes_each = count == 0 ? 1 : set.count() / count * 8 + 1;
  parallel_for(count, bytes_each, {}, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i)
      work(i, all[index_of(i)].begin, all[index_of(i)].end);
  });
}

template <class Entry>
CommonFactor common_of_piece(const Entry& entry, std::int64_t begin, std::int64_t end) {
  CommonFactor common{end - begin, entry(begin), entry(begin), entry(begin), 0};
  for (std::int64_t i = begin + 1; i < end; ++i) {
    common.least = std::min(common.least, entry(i));
    common.most = std::max(common.most, entry(i));
  }
  // After a few entries the factor mostly divides all further distances, which a multiplication
  // tests.
  const auto distance = [&](std::int64_t i) { return number(entry(i)) - number(common.least); };
  std::uint64_t factor = number(common.most) - number(common.least);
  for (std::int64_t i = begin; factor > 1 && i < end;) {
    const ExactDivisor divisor(factor);
    while (i < end && divisor.divides(distance(i))) ++i;
    if (i < end) factor = std::gcd(factor, distance(i));
  }
  common.factor = static_cast<std::int64_t>(factor);
  return common;
}

template <class Entry>
LargeVector<Entry> counted_as(const Sequence& entries, const SlotSet& reached, std::int64_t least,
                              std::int64_t unit) {
  LargeVector<Entry> result(index_of(entries.size()));
  if (!reached.is_full()) std::ranges::fill(result, Entry{0});
  const ExactDivisor divisor(number(unit));
  for_pieces(
      reached, [](std::int64_t) {},
      [&](std::int64_t, std::int64_t begin, std::int64_t end) {
        entries.visit([&](const auto& entry) {
          for (std::int64_t i = begin; i < end; ++i)
            result[index_of(i)] =
                static_cast<Entry>(divisor.divide(number(entry(i)) - number(least)));
        });
      });
  return result;
}

}  // namespace

OffsetTables::OffsetTables(const Layout& layout, std::vector<Sequence> tables)
    : axes_(layout.axes().begin(), layout.axes().end()),
      origins_(layout.origins().begin(), layout.origins().end()),
      tables_(std::move(tables)) {}

bool OffsetTables::flatten(std::size_t level) {
  const std::optional<std::vector<std::int64_t>> strides = affine_strides(level);
  if (!strides) return false;
  const Sequence& entries = tables_[level];
  if (level == 0) {
    origins_[1] += entries[origins_[0]];
    origins_[0] = 0;
  } else {
    // Entries that no index reaches are 0, which is a valid position.
    tables_[level - 1] = composed(entries, tables_[level - 1]);
  }
  for (std::size_t i = 0; i < axes_.size(); ++i) {
    if (axes_[i].level == static_cast<int>(level)) {
      axes_[i].stride = (*strides)[i];
    } else if (axes_[i].level > static_cast<int>(level)) {
      --axes_[i].level;
    }
  }
  origins_.erase(origins_.begin() + static_cast<std::ptrdiff_t>(level));
  tables_.erase(tables_.begin() + static_cast<std::ptrdiff_t>(level));
  return true;
}

/// Returns the positions of `level` at which its tables have their index 0.
SlotSet OffsetTables::starts(std::size_t level) const {
  SlotSet starts(tables_[level].size());
  if (level == 0) {
    starts.insert(origins_[0]);
  } else {
    const Sequence& previous = tables_[level - 1];
    reached(level - 1).for_each([&](std::int64_t position) { starts.insert(previous[position]); });
  }
  return starts;
}

bool OffsetTables::moves(const Axis& axis, std::size_t level) const {
  return axis.level == static_cast<int>(level) && axis.extent > 1 && axis.stride != 0;
}

/// Returns the positions that indices reach from `set`; along `shortened` without the last index.
SlotSet OffsetTables::reached(std::size_t level, SlotSet set, const Axis* shortened) const {
  struct Step {
    std::int64_t extent;
    std::int64_t stride;
  };
  std::vector<Step> steps;
  // An axis with a negative stride reaches what one with a positive stride reaches from its far
  // end.
  std::int64_t down = 0;
  for (const Axis& axis : axes_) {
    if (!moves(axis, level)) continue;
    const std::int64_t extent = axis.extent - (&axis == shortened ? 1 : 0);
    steps.push_back({extent, axis.stride < 0 ? -axis.stride : axis.stride});
    if (axis.stride < 0) down += -axis.stride * (extent - 1);
  }
  if (down != 0) set.shift_down(down);
  // Small steps first: they close gaps, which larger steps would have to repeat as bits.
  std::ranges::sort(steps, {}, &Step::stride);
  for (const Step& step : steps) set.spread(step.extent, step.stride);
  return set;
}

/// Returns, for each axis of the array, the step that one index makes in the entries, or nothing if
/// some axis has no constant step. Axes of other levels, and those that do not move, have step 0.
std::optional<std::vector<std::int64_t>> OffsetTables::affine_strides(std::size_t level) const {
  const Sequence& entries = tables_[level];
  std::optional<SlotSet> first;
  std::vector<std::int64_t> strides(axes_.size(), 0);
  for (std::size_t i = 0; i < axes_.size(); ++i) {
    const Axis& axis = axes_[i];
    if (!moves(axis, level)) continue;
    if (entries.is_affine()) {
      strides[i] = axis.stride * entries.step();
      continue;
    }
    if (!first) first = starts(level);
    const auto step = step_along(axis, reached(level, *first, &axis));
    if (!step) return std::nullopt;
    strides[i] = *step;
  }
  return strides;
}

/// Returns the step of the entries along `axis`, or nothing if it differs between `positions`.
std::optional<std::int64_t> OffsetTables::step_along(const Axis& axis,
                                                     const SlotSet& positions) const {
  constexpr Threshold chunk_entries{1024, 4};  // tables that are not affine mostly show it early
  const std::int64_t chunk = chunk_entries;
  std::optional<std::uint64_t> step;
  std::uint64_t deviation = 0;
  tables_[static_cast<std::size_t>(axis.level)].visit([&](const auto& entry) {
    const auto step_at = [&](std::int64_t position) {
      return number(entry(position + axis.stride)) - number(entry(position));
    };
    positions.for_each_run([&](std::int64_t first, std::int64_t count) {
      if (!step) step = step_at(first);
      for (std::int64_t begin = 0; deviation == 0 && begin < count; begin += chunk)
        for (std::int64_t i = begin; i < std::min(count, begin + chunk); ++i)
          deviation |= step_at(first + i) - *step;
    });
  });
  if (deviation != 0) return std::nullopt;
  return static_cast<std::int64_t>(step.value_or(0));
}

void CommonFactor::append(const CommonFactor& next) {
  if (next.count == 0) return;
  if (count == 0) {
    *this = next;
    return;
  }
  count += next.count;
  least = std::min(least, next.least);
  most = std::max(most, next.most);
  // Unsigned, because entries in place are addresses, which may lie anywhere.
  const std::uint64_t apart =
      first < next.first ? number(next.first) - number(first) : number(first) - number(next.first);
  factor =
      static_cast<std::int64_t>(std::gcd(std::gcd(number(factor), number(next.factor)), apart));
}

CommonFactor common_factor(const Sequence& entries, const SlotSet& reached) {
  std::vector<CommonFactor> pieces;
  for_pieces(
      reached, [&](std::int64_t count) { pieces.resize(index_of(count)); },
      [&](std::int64_t piece, std::int64_t begin, std::int64_t end) {
        pieces[index_of(piece)] =
            entries.visit([&](const auto& entry) { return common_of_piece(entry, begin, end); });
      });
  CommonFactor common;
  for (const CommonFactor& piece : pieces) common.append(piece);
  if (common.factor == 0) common.factor = 1;
  return common;
}

OffsetArray counted(const Sequence& entries, const SlotSet& reached, std::int64_t least,
                    std::int64_t unit, bool narrow) {
  if (narrow) return counted_as<std::uint32_t>(entries, reached, least, unit);
  return counted_as<std::int64_t>(entries, reached, least, unit);
}

ByteEntries byte_entries(const Sequence& bytes, const SlotSet& reached, bool narrow) {
  const CommonFactor found = common_factor(bytes, reached);
  ByteEntries entries;
  if (narrow) {
    entries.least = found.least;
    entries.unit = found.factor;
  }
  // Addresses may lie anywhere, and are told apart as unsigned numbers.
  const auto beyond_least = [&](std::int64_t byte) { return number(byte) - number(entries.least); };
  entries.narrow =
      narrow && beyond_least(found.most) / number(entries.unit) <= number(narrow_limit);
  const std::uint64_t apart = found.least == found.most ? 0 : number(found.factor);
  entries.alignment = alignment_of(static_cast<std::int64_t>(beyond_least(found.first) | apart));
  entries.table = counted(bytes, reached, entries.least, entries.unit, entries.narrow);
  return entries;
}

}  // namespace multibuffer
