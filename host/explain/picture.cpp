#include "host/explain/picture.hpp"

#include "host/support/text.hpp"

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <map>
#include <numeric>
#include <set>
#include <utility>

// From an array to what a picture shows of it:
//
//     shown indices ──► a walk to each ──► units: the cells behind one pointer ──► blocks: units
//                                          that overlap ──► lines of cells, and gaps between them

namespace multibuffer {
namespace {

using Index = std::vector<std::int64_t>;

/// How many leaves, cells of a line, and lines of cells a picture has room for.
constexpr std::int64_t most_leaves = 12;
constexpr std::int64_t most_slots = 8;
constexpr std::int64_t most_in_line = 12;
constexpr std::int64_t most_lines = 8;
constexpr std::int64_t most_lines_of_leaf = 3;

/// The axes of a level, those with the shortest steps first.
std::vector<std::size_t> by_stride(const Layout& layout, int level) {
  std::vector<std::size_t> axes;
  for (std::size_t i = 0; i < layout.axes().size(); ++i)
    if (layout.axes()[i].level == level) axes.push_back(i);
  std::ranges::stable_sort(axes, {},
                           [&](std::size_t i) { return std::abs(layout.axes()[i].stride); });
  return axes;
}

// ---- Which indices are shown

/// How many indices of each axis there is room for.
std::vector<std::int64_t> room_for(const Layout& layout) {
  const auto axes = layout.axes();
  std::vector<std::int64_t> room(axes.size(), 1);
  std::int64_t leaves = 1;
  // An index more of each table axis in turn, the outermost first, while there is room for leaves.
  for (bool grows = true; grows;) {
    grows = false;
    for (std::size_t i = 0; i < axes.size(); ++i) {
      if (axes[i].level == layout.levels() || room[i] >= std::min(axes[i].extent, most_slots))
        continue;
      const std::int64_t more = leaves / room[i] * (room[i] + 1);
      if (more > most_leaves) continue;
      leaves = more;
      ++room[i];
      grows = true;
    }
  }
  std::int64_t cells = 1;
  std::int64_t lines = layout.levels() == 0 ? most_lines : most_lines_of_leaf;
  bool in_line = true;
  for (const std::size_t i : by_stride(layout, layout.levels())) {
    const std::int64_t extent = axes[i].extent;
    if (in_line && extent <= most_in_line / cells) {
      room[i] = extent;
      cells *= extent;
    } else if (in_line && most_in_line / cells >= 3) {
      room[i] = cells == 1 ? most_slots : most_in_line / cells;
      in_line = false;
    } else {
      in_line = false;
      room[i] = std::min(extent, lines);
      lines = std::max<std::int64_t>(1, lines / std::max<std::int64_t>(room[i], 1));
    }
  }
  return room;
}

/// Picks up to `room` indices of an axis, and all of `wanted`. `fills`: an index that stands alone
/// between two that are picked is picked, too, since it takes no more room than words do.
Index picked(std::int64_t extent, std::int64_t room, const std::set<std::int64_t>& wanted,
             bool fills) {
  if (extent <= room) {
    Index all(static_cast<std::size_t>(extent));
    std::iota(all.begin(), all.end(), std::int64_t{0});
    return all;
  }
  std::set<std::int64_t> indices = wanted;
  for (std::int64_t i = 0; i < extent && static_cast<std::int64_t>(indices.size()) < room; ++i)
    indices.insert(i);
  for (const std::int64_t i : std::set<std::int64_t>(indices))
    if (fills && indices.contains(i + 2)) indices.insert(i + 1);
  return {indices.begin(), indices.end()};
}

}  // namespace

ShownIndices shown_indices(const Layout& layout, const ViewedIndices& viewed,
                           std::span<const std::int64_t> view_shape,
                           const std::optional<Index>& at) {
  if (layout.empty()) return ShownIndices(layout.axes().size());
  const std::vector<std::int64_t> room = room_for(layout);
  std::optional<Index> first, last;
  if (!viewed.empty()) {
    Index view(view_shape.size(), 0);
    first = viewed.whole_index(view);
    for (std::size_t i = 0; i < view.size(); ++i) view[i] = view_shape[i] - 1;
    last = viewed.whole_index(view);
  }
  ShownIndices shown;
  const auto axes = layout.axes();
  for (std::size_t i = 0; i < axes.size(); ++i) {
    const std::int64_t extent = axes[i].extent;
    std::set<std::int64_t> wanted;
    if (at) wanted.insert((*at)[i]);
    if (room[i] > 1 || wanted.empty()) wanted.insert(first ? (*first)[i] : 0);
    if (last && (room[i] > 2 || (room[i] > 1 && wanted.size() < 2))) wanted.insert((*last)[i]);
    if (room[i] > 2) wanted.insert({0, extent - 1});
    // Each leaf takes much room.
    const bool is_dear = axes[i].level < layout.levels() && layout.levels() > 1;
    shown.push_back(picked(extent, room[i], wanted, !is_dear));
  }
  return shown;
}

namespace {

// ---- Cells, by the pointer that leads to them

struct Unit {
  std::uint64_t target = 0;
  std::map<std::uint64_t, PictureCell> cells;

  std::uint64_t low() const { return std::min(target, cells.begin()->first); }
  std::uint64_t high(std::int64_t size) const {
    return cells.rbegin()->first + static_cast<std::uint64_t>(size);
  }
};

/// Units of a level in the order in which they are reached.
class Units {
 public:
  Unit& behind(std::uint64_t target) {
    const auto [found, is_new] = numbers_.try_emplace(target, units_.size());
    if (is_new) units_.push_back({target, {}});
    return units_[found->second];
  }
  std::vector<Unit> take() { return std::move(units_); }

 private:
  std::map<std::uint64_t, std::size_t> numbers_;
  std::vector<Unit> units_;
};

/// Calls use(index) for every combination of the indices shown, in C order.
template <class Use>
void for_each_shown(const ShownIndices& shown, const Use& use) {
  for (const Index& axis : shown)
    if (axis.empty()) return;
  std::vector<std::size_t> at(shown.size(), 0);
  Index index(shown.size());
  for (;;) {
    for (std::size_t i = 0; i < shown.size(); ++i) index[i] = shown[i][at[i]];
    use(index);
    std::size_t axis = shown.size();
    while (axis > 0 && ++at[axis - 1] == shown[axis - 1].size()) at[--axis] = 0;
    if (axis == 0) return;
  }
}

std::uint64_t stepped(const Layout& layout, const Index& index, int level, std::uint64_t from) {
  std::uint64_t position =
      from + static_cast<std::uint64_t>(layout.origins()[static_cast<std::size_t>(level)]);
  for (std::size_t i = 0; i < index.size(); ++i)
    if (const Axis& axis = layout.axes()[i]; axis.level == level)
      position += static_cast<std::uint64_t>(index[i]) * static_cast<std::uint64_t>(axis.stride);
  return position;
}

std::vector<std::vector<Unit>> walk_all(const PictureSource& source, const ViewedIndices& viewed,
                                        const ShownIndices& shown) {
  const int levels = source.layout.levels();
  std::vector<Units> units(static_cast<std::size_t>(levels) + 1);
  for_each_shown(shown, [&](const Index& index) {
    const std::optional<Index> view = viewed.view_index(index);
    std::uint64_t target = source.start;
    for (int level = 0; level <= levels; ++level) {
      const std::uint64_t position = stepped(source.layout, index, level, target);
      auto& cells = units[static_cast<std::size_t>(level)].behind(target).cells;
      const auto [found, is_new] = cells.try_emplace(position);
      PictureCell& cell = found->second;
      if (is_new) {
        cell.position = position;
        cell.index = index;
        if (level < levels) cell.leads_to = source.follow(level, position);
        if (level == levels) cell.value = source.value(index, position);
      }
      if (!cell.view && view) cell.view = view;
      if (level == levels || !cell.leads_to) break;
      if (source.has && !source.has(index)) break;
      target = *cell.leads_to;
    }
  });
  std::vector<std::vector<Unit>> all;
  all.reserve(units.size());
  for (Units& each : units) all.push_back(each.take());
  return all;
}

// ---- Lines

/// Arranges the cells of a level in lines.
class Lines {
 public:
  Lines(const PictureSource& source, const ShownIndices& shown, int level)
      : layout_(source.layout),
        shown_(shown),
        size_(source.cell_size(level)),
        is_table_(level < layout_.levels()) {
    std::int64_t cells = 1;
    bool in_line = !is_table_;
    std::int64_t span = size_;  // bytes of a line
    for (const std::size_t i : by_stride(layout_, level)) {
      const auto count = static_cast<std::int64_t>(shown[i].size());
      const Axis& axis = layout_.axes()[i];
      const bool overlaps = count > 1 && std::abs(axis.stride) < span && !is_table_;
      in_line = in_line && (cells == 1 || cells * count <= most_in_line + 4);
      if (overlaps) {
        // Lines of their own would show some memory twice.
        in_line_.insert(in_line_.end(), across_.begin(), across_.end());
        across_.clear();
        overlaps_ = true;
      }
      (in_line || overlaps ? in_line_ : across_).push_back(i);
      if (in_line || overlaps) span += std::abs(axis.stride) * (axis.extent - 1);
      is_abridged_ = is_abridged_ || count < axis.extent;
      cells *= count;
    }
  }

  /// Each unit by itself: lines by the axes that are not in a line.
  void add(const Unit& unit, std::vector<PictureLine>& lines) const {
    std::map<Index, std::vector<PictureCell>> by_line;
    for (const auto& [position, cell] : unit.cells) {
      Index key;
      if (is_table_) key.push_back(static_cast<std::int64_t>(position));
      for (const std::size_t i : across_) key.push_back(cell.index[i]);
      by_line[key].push_back(cell);
    }
    std::vector<PictureLine> own;
    own.reserve(by_line.size());
    for (auto& [key, cells] : by_line) own.push_back(line_of(std::move(cells)));
    std::ranges::sort(own, {}, &PictureLine::begin);
    for (std::size_t i = 1; i < own.size(); ++i) {
      own[i].before = gap(own[i - 1].cells.back(), own[i].cells.front(), across_);
      // The end of a line may be left out, too.
      if (own[i].before.kind == PictureGap::Kind::hole && is_abridged_ && !is_table_)
        own[i].before.kind = PictureGap::Kind::skipped;
    }
    lead_in(own.front(), unit.target);
    lines.insert(lines.end(), own.begin(), own.end());
  }

  /// Units that overlap: one line of all leaves, or all slots of the tables.
  void add_merged(const std::vector<const Unit*>& units, std::vector<PictureLine>& lines) const {
    Unit all{units.front()->target, {}};
    for (const Unit* const unit : units) {
      all.target = std::min(all.target, unit->target);
      for (const auto& [position, cell] : unit->cells) {
        const auto [found, is_new] = all.cells.try_emplace(position, cell);
        if (!is_new && !found->second.view) found->second.view = cell.view;
      }
    }
    if (is_table_) return add(all, lines);
    std::vector<PictureCell> cells;
    for (auto& [position, cell] : all.cells) cells.push_back(std::move(cell));
    Lines merged = *this;
    merged.overlaps_ = true;
    lines.push_back(merged.line_of(std::move(cells)));
    lead_in(lines.back(), all.target);
  }

 private:
  PictureLine line_of(std::vector<PictureCell> cells) const {
    PictureLine line;
    line.gaps.resize(cells.size());
    for (std::size_t i = 1; i < cells.size(); ++i)
      line.gaps[i] = gap(cells[i - 1], cells[i], in_line_);
    line.begin = cells.front().position;
    line.end = cells.back().position + static_cast<std::uint64_t>(size_);
    line.cells = std::move(cells);
    return line;
  }

  /// Shows the bytes that a pointer leads to, where they lie before the first element.
  void lead_in(PictureLine& line, std::uint64_t target) const {
    if (target >= line.begin) return;
    line.gaps.front() = {PictureGap::Kind::hole, static_cast<std::int64_t>(line.begin - target)};
    line.begin = target;
  }

  /// What is between two cells that follow each other: cells that are not shown, or a hole.
  PictureGap gap(const PictureCell& a, const PictureCell& b,
                 const std::vector<std::size_t>& axes) const {
    std::int64_t inner = 1;
    const std::uint64_t end = a.position + static_cast<std::uint64_t>(size_);
    if (overlaps_ && is_abridged_ && b.position > end)
      return {PictureGap::Kind::skipped, static_cast<std::int64_t>(b.position - end)};
    for (const std::size_t i : axes) {
      const std::int64_t distance = std::abs(a.index[i] - b.index[i]);
      if (distance > 1 && is_next(i, a.index[i], b.index[i]))
        return {PictureGap::Kind::more, (distance - 1) * inner};
      inner *= layout_.axes()[i].extent;
    }
    if (b.position <= end) return {};
    return {PictureGap::Kind::hole, static_cast<std::int64_t>(b.position - end)};
  }

  /// Tells whether two indices of an axis are next to each other among those that are shown.
  bool is_next(std::size_t axis, std::int64_t a, std::int64_t b) const {
    const Index& indices = shown_[axis];
    const auto rank = [&](std::int64_t index) {
      return std::ranges::lower_bound(indices, index) - indices.begin();
    };
    return std::abs(rank(a) - rank(b)) == 1;
  }

  const Layout& layout_;
  const ShownIndices& shown_;
  std::int64_t size_;
  bool is_table_;                     // a slot is a line
  bool overlaps_ = false;             // several indices lead to some cells
  bool is_abridged_ = false;          // some indices are not shown
  std::vector<std::size_t> in_line_;  // the shortest steps first
  std::vector<std::size_t> across_;
};

// ---- Blocks

/// A, B, ..., Z, AA, ...
std::string letters(std::size_t number) {
  std::string name;
  for (++number; number > 0; number = (number - 1) / 26)
    name.insert(name.begin(), static_cast<char>('A' + (number - 1) % 26));
  return name;
}

/// `number` counts the leaves or, through all levels behind the first, the tables.
std::string name_of_block(const PictureSource& source, int level, std::size_t number) {
  if (level == 0) return source.layout.levels() == 0 ? "memory" : "table";
  return level == source.layout.levels() ? letters(number) : text("table ", number + 1);
}

/// Groups units whose bytes overlap, in the order of the first of each.
std::vector<std::vector<const Unit*>> overlapping(const std::vector<Unit>& units,
                                                  std::int64_t size) {
  std::vector<const Unit*> sorted;
  sorted.reserve(units.size());
  for (const Unit& unit : units) sorted.push_back(&unit);
  std::ranges::stable_sort(sorted, {}, [](const Unit* unit) { return unit->low(); });
  std::vector<std::vector<const Unit*>> groups;
  std::uint64_t end = 0;
  for (const Unit* const unit : sorted) {
    if (groups.empty() || unit->low() >= end) groups.emplace_back();
    groups.back().push_back(unit);
    end = std::max(end, unit->high(size));
  }
  const auto first = [](const std::vector<const Unit*>& group) {
    return *std::ranges::min_element(
        group);  // units lie in a list, in the order of their discovery
  };
  std::ranges::sort(groups, {}, first);
  return groups;
}

/// Notes what lies between the lines of different units.
void note_skipped(std::vector<PictureLine>& lines) {
  for (std::size_t i = 1; i < lines.size(); ++i)
    if (lines[i].before.kind == PictureGap::Kind::none && lines[i].begin > lines[i - 1].end)
      lines[i].before = {PictureGap::Kind::skipped,
                         static_cast<std::int64_t>(lines[i].begin - lines[i - 1].end)};
}

std::vector<PictureBlock> blocks_of(const PictureSource& source, const ShownIndices& shown,
                                    const std::vector<Unit>& units, int level, bool one_block,
                                    std::size_t& tables) {
  const Lines arrange(source, shown, level);
  std::vector<PictureBlock> blocks;
  if (units.empty()) return blocks;
  if (one_block) {
    PictureBlock block{level, name_of_block(source, level, 0), 0, {}};
    for (const Unit& unit : units) arrange.add(unit, block.lines);
    std::ranges::stable_sort(block.lines, {}, &PictureLine::begin);
    note_skipped(block.lines);
    return {std::move(block)};
  }
  for (const auto& group : overlapping(units, source.cell_size(level))) {
    const bool is_inner_table = level > 0 && level < source.layout.levels();
    const std::size_t number = is_inner_table ? tables++ : blocks.size();
    PictureBlock block{level, name_of_block(source, level, number), group.front()->low(), {}};
    if (group.size() == 1) {
      arrange.add(*group.front(), block.lines);
    } else {
      arrange.add_merged(group, block.lines);
    }
    blocks.push_back(std::move(block));
  }
  return blocks;
}

}  // namespace

std::optional<PictureSpot> PictureModel::find(int level, std::uint64_t position) const {
  const auto& all = blocks[static_cast<std::size_t>(level)];
  for (std::size_t block = 0; block < all.size(); ++block)
    for (std::size_t line = 0; line < all[block].lines.size(); ++line) {
      const PictureLine& here = all[block].lines[line];
      if (position >= here.begin && position < here.end) return PictureSpot{block, line};
    }
  return {};
}

PictureModel make_picture(const PictureSource& source, const ViewedIndices& viewed,
                          const ShownIndices& shown, Blocks blocks) {
  PictureModel model{.levels = source.layout.levels(), .blocks = {}};
  const std::vector<std::vector<Unit>> units = walk_all(source, viewed, shown);
  std::size_t tables = 0;
  for (int level = 0; level <= model.levels; ++level) {
    const bool is_one =
        blocks == Blocks::one || (blocks == Blocks::leaves_apart && level < model.levels);
    model.blocks.push_back(
        blocks_of(source, shown, units[static_cast<std::size_t>(level)], level, is_one, tables));
  }
  return model;
}

}  // namespace multibuffer
