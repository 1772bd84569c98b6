#include "host/explain/panel.hpp"

#include "host/explain/words.hpp"
#include "host/support/text.hpp"

#include <algorithm>
#include <utility>

namespace multibuffer {
namespace {

constexpr double cell_height = 24;
constexpr double label_room = 15;   // above the cells of leaves: indices
constexpr double offset_room = 13;  // below them: where they begin, in bytes
constexpr double lane_room = 19;    // of a hop below a line
constexpr double side_lane = 14;    // of a hop beside a block, its words apart
constexpr double side_words = 29;   // of the badge of such words, and the space around
constexpr double badge_room = 18;
constexpr double arrow_room = 58;  // between columns
constexpr double block_space = 14;
constexpr double gap_line = 20;  // of what is left out between lines

constexpr std::size_t most_characters = 16;

std::string shortened_value(std::string_view value) {
  if (text_width(value, 1) <= text_width(std::string(most_characters, 'x'), 1))
    return std::string(value);
  std::string_view rest = value;
  std::size_t end = 0;
  // Cuts before the first byte of a character.
  for (std::size_t i = 0; i < rest.size() && i < most_characters; ++i)
    if ((static_cast<unsigned char>(rest[i]) & 0xc0) != 0x80) end = i;
  return text(value.substr(0, end), "...");
}

std::string gap_words(const PictureGap& gap, bool in_bytes) {
  if (gap.kind == PictureGap::Kind::more) return text("… ", grouped_text(gap.amount), " more");
  const std::string amount = in_bytes ? count_text(gap.amount, "byte", "bytes")
                                      : count_text(gap.amount, "entry", "entries");
  return gap.kind == PictureGap::Kind::skipped ? text("… ", amount) : amount;
}

double gap_width(const PictureGap& gap) {
  if (gap.kind == PictureGap::Kind::none) return 0;
  return text_width(gap_words(gap, true), small_size) + 10;
}

}  // namespace

Panel::Panel(const PictureModel& model, const PictureSource& source, PanelWords words,
             const WayToElement* way, std::optional<WrongRead> wrong)
    : model_(model),
      source_(source),
      words_(std::move(words)),
      on_the_way_(model.blocks.size()),
      follow_numbers_(model.blocks.size(), 0),
      wrong_(wrong) {
  if (way) find_hops(*way);
}

void Panel::find_hops(const WayToElement& way) {
  std::uint64_t position = 0;
  for (std::size_t i = 0; i < way.steps.size(); ++i) {
    const Step& step = way.steps[i];
    const int number = static_cast<int>(i) + 1;
    if (step.kind == StepKind::follow)
      follow_numbers_[static_cast<std::size_t>(step.level)] = number;
    if (step.kind != StepKind::follow) {
      on_the_way_[static_cast<std::size_t>(step.level)] = step.position;
      if (step.kind != StepKind::start) {
        const std::string moved = step.kind == StepKind::stride
                                      ? text("+ ", step.index, " × ", step.stride)
                                      : signed_text(step.added);
        hops_.push_back({number, step.level, position, step.position,
                         step.kind == StepKind::suboffset ? moved + " suboffset" : moved});
      }
    }
    position = step.position;
  }
  std::vector<int> sides(model_.blocks.size(), 0);
  for (Hop& hop : hops_) {
    const auto from = model_.find(hop.level, hop.from);
    const auto to = model_.find(hop.level, hop.to);
    hop.in_line =
        from && to && from->block == to->block && from->line == to->line && !is_table(hop.level);
    if (hop.in_line) {
      // The last one is next to the cells: then no hop goes through the words of another.
      hop.lane = static_cast<int>(std::ranges::count_if(hops_, [&](const Hop& other) {
        const auto there = model_.find(other.level, other.to);
        return &other > &hop && other.level == hop.level && there && there->line == to->line;
      }));
    } else {
      hop.lane = sides[static_cast<std::size_t>(hop.level)]++;
    }
  }
}

// ---- Words and sizes

bool Panel::is_here(int level, const PictureCell& cell) const {
  return on_the_way_[static_cast<std::size_t>(level)] == cell.position;
}

/// The view's indices of the axes of a level.
std::string Panel::label_of(int level, const PictureCell& cell) const {
  if (!cell.view) return {};
  // Where several indices lead to one cell, it has the one that is marked.
  const std::vector<std::int64_t>& index =
      is_here(level, cell) && !words_.at.empty() ? words_.at : *cell.view;
  std::string label;
  for (std::size_t i = 0; i < words_.levels.size(); ++i)
    if (words_.levels[i] == level) label += text(label.empty() ? "" : ",", index[i]);
  return label;
}

std::string Panel::words_of(int level, const PictureCell& cell) const {
  if (!is_table(level)) return shortened_value(cell.value);
  if (!cell.leads_to) return "NULL";
  return words_.slot(level, cell);
}

double Panel::cell_width(int level, const PictureBlock& block) const {
  double width = 34;
  for (const PictureLine& line : block.lines)
    for (const PictureCell& cell : line.cells) {
      const double words = text_width(words_of(level, cell)) + 12;
      const double label = text_width(label_of(level, cell), small_size) + 8;
      const double offset =
          text_width(text(cell.position - block.low), small_size - 1) + 5;  // at its left edge
      width = std::max(width, is_table(level) ? words + label : std::max({words, label, offset}));
    }
  return width;
}

/// The room to the left of a line for its name.
double Panel::name_width(int level) const {
  if (is_table(level) || (model_.levels == 0 && !words_.names_lines)) return 4;
  double width = 0;
  for (const PictureBlock& each : model_.blocks[static_cast<std::size_t>(level)]) {
    width = std::max(width, text_width(each.name));
    for (const PictureLine& line : each.lines)
      if (words_.names_lines)
        width = std::max(width, text_width(words_.name(level, line.begin), small_size));
  }
  return width + 10;
}

double Panel::x_of(int level, PictureSpot spot, std::uint64_t position) const {
  const PictureLine& line = block(level, spot.block).lines[spot.line];
  const LineBox& here = box(level, spot);
  const double width = boxes_[static_cast<std::size_t>(level)][spot.block].cell_width;
  const auto size = static_cast<std::uint64_t>(source_.cell_size(level));
  for (std::size_t i = 0; i < line.cells.size(); ++i) {
    const std::uint64_t begin = line.cells[i].position;
    if (position < begin) {  // in the gap before it
      const std::uint64_t before = i == 0 ? line.begin : line.cells[i - 1].position + size;
      const double part =
          static_cast<double>(position - before) / static_cast<double>(begin - before);
      return here.cells[i] - here.gaps[i] * (1 - part);
    }
    if (position < begin + size)
      return here.cells[i] +
             width * static_cast<double>(position - begin) / static_cast<double>(size);
  }
  return here.end;
}

/// Where a hop from or to a position is: in the middle of a cell.
double Panel::hop_x(int level, PictureSpot spot, std::uint64_t position) const {
  const PictureLine& line = block(level, spot.block).lines[spot.line];
  const auto cell = std::ranges::find(line.cells, position, &PictureCell::position);
  if (cell == line.cells.end()) return x_of(level, spot, position) + 8;
  const double width = boxes_[static_cast<std::size_t>(level)][spot.block].cell_width;
  return box(level, spot).cells[static_cast<std::size_t>(cell - line.cells.begin())] + width / 2;
}

/// Tells whether some pointer leads into a line behind its beginning: its arrow comes from above.
bool Panel::is_reached_from_above(int level, PictureSpot spot) const {
  if (level == 0 || is_table(level)) return level == 0 && source_.start > block(0, 0).low;
  const PictureLine& line = block(level, spot.block).lines[spot.line];
  for (const PictureBlock& table : model_.blocks[static_cast<std::size_t>(level) - 1])
    for (const PictureLine& slots : table.lines)
      for (const PictureCell& slot : slots.cells)
        if (slot.leads_to && *slot.leads_to > line.begin && *slot.leads_to < line.end) return true;
  return false;
}

int Panel::lanes_below(int level, std::size_t number, std::size_t line) const {
  return static_cast<int>(std::ranges::count_if(hops_, [&](const Hop& hop) {
    if (!hop.in_line || hop.level != level) return false;
    const auto spot = model_.find(level, hop.to);
    return spot->block == number && spot->line == line;
  }));
}

/// The room that the hops beside a block take.
double Panel::side_room(int level) const {
  double room = 0;
  for (const Hop& hop : hops_)
    if (!hop.in_line && hop.level == level) room += side_width(hop);
  if (wrong_ && wrong_->level == level) room += side_lane + text_width("✗ read here") + 8;
  return room;
}

// ---- Layout

void Panel::lay_out(double x, double y) {
  left_ = x;
  top_ = y;
  bottom_ = y;
  double column = x;
  if (!words_.base.empty()) column += text_width(words_.base) + 14 + arrow_room - 18;
  boxes_.assign(model_.blocks.size(), {});
  for (int level = 0; level <= model_.levels; ++level) {
    column = lay_out_column(level, column, y + 44) + arrow_room;
    const auto& boxes = boxes_[static_cast<std::size_t>(level)];
    const std::string& heading = words_.columns[static_cast<std::size_t>(level)];
    if (!boxes.empty())
      column = std::max(column, boxes[0].x + text_width(heading, small_size) + 12);
  }
  right_ = std::max(column - arrow_room, x + text_width(words_.title, 13));
}

double Panel::lay_out_column(int level, double x, double y) {
  const auto& blocks = model_.blocks[static_cast<std::size_t>(level)];
  const double side = side_room(level);
  const double begin = x + side + name_width(level);
  double right = begin;
  for (std::size_t number = 0; number < blocks.size(); ++number) {
    BlockBox box{begin, y, begin, cell_width(level, blocks[number]), {}};
    if (is_table(level) && level > 0) y += label_room;  // its name
    for (std::size_t line = 0; line < blocks[number].lines.size(); ++line)
      lay_out_line(level, number, line, box, y);
    right = std::max(right, box.right);
    boxes_[static_cast<std::size_t>(level)].push_back(std::move(box));
    y += block_space;
  }
  bottom_ = std::max(bottom_, y - block_space);
  if (is_table(level)) return right;
  double words = right;  // of hops within a line
  for (const Hop& hop : hops_)
    if (hop.in_line && hop.level == level) {
      const PictureSpot spot = *model_.find(level, hop.to);
      const double end = std::max(x_of(level, spot, hop.from), x_of(level, spot, hop.to));
      words = std::max(words, end + 60 + text_width(hop.words));
    }
  return words;
}

void Panel::lay_out_line(int level, std::size_t number, std::size_t line, BlockBox& box,
                         double& y) {
  const PictureLine& cells = block(level, number).lines[line];
  if (cells.before.kind != PictureGap::Kind::none) y += gap_line;
  const bool is_leaf = !is_table(level);
  if (is_leaf) y += label_room;
  if (is_leaf && is_reached_from_above(level, {number, line})) y += 10;
  LineBox here;
  here.top = y;
  here.bottom = y + cell_height;
  double x = box.x;
  here.begin = x;
  for (std::size_t i = 0; i < cells.cells.size(); ++i) {
    here.gaps.push_back(is_leaf ? gap_width(cells.gaps[i]) : 0);
    x += here.gaps.back();
    here.cells.push_back(x);
    x += box.cell_width;
  }
  here.end = x;
  box.right = std::max(box.right, x + gap_width(cells.after));
  y = here.bottom;
  if (is_leaf) {
    const int lanes = lanes_below(level, number, line);
    y += offset_room + lane_room * lanes + (lanes > 0 ? 4 : 0);
  }
  here.lanes_bottom = y;
  box.lines.push_back(std::move(here));
}

// ---- Drawing

void Panel::draw(Svg& svg) const {
  svg.text(left_, top_ + 12, words_.title, "heading", Anchor::start, 13);
  for (int level = 0; level <= model_.levels; ++level) {
    const auto& boxes = boxes_[static_cast<std::size_t>(level)];
    if (!boxes.empty())
      svg.text(boxes[0].x, top_ + 34, words_.columns[static_cast<std::size_t>(level)], "prose soft",
               Anchor::start, small_size);
  }
  draw_pointers(svg, false);
  for (int level = 0; level <= model_.levels; ++level)
    for (std::size_t number = 0; number < boxes_[static_cast<std::size_t>(level)].size(); ++number)
      draw_block(svg, level, number);
  draw_base(svg);
  draw_pointers(svg, true);
  for (const Hop& hop : hops_) draw_hop(svg, hop);
  for (const Hop& hop : hops_) draw_hop_words(svg, hop);
  if (wrong_) draw_wrong(svg);
}

void Panel::draw_block(Svg& svg, int level, std::size_t number) const {
  const PictureBlock& memory = block(level, number);
  const BlockBox& here = boxes_[static_cast<std::size_t>(level)][number];
  if (is_table(level) && level > 0)
    svg.text(here.x, here.y + 11, memory.name, "name", Anchor::start, small_size);
  for (std::size_t line = 0; line < memory.lines.size(); ++line)
    draw_line(svg, level, number, line);
}

void Panel::draw_line(Svg& svg, int level, std::size_t number, std::size_t line) const {
  const PictureBlock& memory = block(level, number);
  const PictureLine& cells = memory.lines[line];
  const BlockBox& outer = boxes_[static_cast<std::size_t>(level)][number];
  const LineBox& here = outer.lines[line];
  draw_gaps(svg, level, cells, here);
  for (std::size_t i = 0; i < cells.cells.size(); ++i)
    draw_cell(svg, level, cells.cells[i], here.cells[i], here.top, outer.cell_width);
  if (is_table(level)) return;
  if (words_.names_lines)
    svg.text(here.begin - 7, here.top + 16, words_.name(level, cells.begin), "soft", Anchor::end,
             small_size);
  else if (line == 0 && model_.levels > 0)
    svg.text(here.begin - 7, here.top + 16, memory.name, "name", Anchor::end);
  // Where cells begin, in bytes: what strides and suboffsets count.
  for (std::size_t i = 0; i < cells.cells.size(); ++i)
    svg.text(here.cells[i] + 1, here.bottom + 10, text(cells.cells[i].position - memory.low),
             "soft", Anchor::start, small_size - 1);
}

void Panel::draw_gaps(Svg& svg, int level, const PictureLine& line, const LineBox& here) const {
  const bool in_bytes = !source_.in_entries || !is_table(level);
  if (line.before.kind != PictureGap::Kind::none) {
    const double y = here.top - (is_table(level) ? 6 : label_room + 6);
    svg.text(here.begin + 6, y, gap_words(line.before, in_bytes), "soft", Anchor::start,
             small_size);
  }
  if (line.after.kind != PictureGap::Kind::none)
    svg.text(here.end + 6, here.top + 16, gap_words(line.after, in_bytes), "soft", Anchor::start,
             small_size);
  for (std::size_t i = 0; i < line.gaps.size(); ++i) {
    if (line.gaps[i].kind == PictureGap::Kind::none || here.gaps[i] == 0) continue;
    const double begin = here.cells[i] - here.gaps[i];
    const bool is_hole = line.gaps[i].kind == PictureGap::Kind::hole;
    if (is_hole)
      svg.rect(begin, here.top, here.gaps[i], cell_height, "hole", "bytes that no index leads to");
    svg.text(begin + here.gaps[i] / 2, is_hole ? here.bottom + 10 : here.top + 16,
             gap_words(line.gaps[i], in_bytes), "soft", Anchor::middle,
             is_hole ? small_size - 1 : small_size);
  }
}

void Panel::draw_cell(Svg& svg, int level, const PictureCell& cell, double x, double y,
                      double width) const {
  const bool here = is_here(level, cell);
  const bool viewed = cell.view.has_value();
  const std::string words = words_of(level, cell);
  svg.rect(x, y, width, cell_height,
           here              ? "here"
           : !viewed         ? "out"
           : is_table(level) ? "table"
                             : "leaf",
           viewed ? std::string_view{} : "the view leaves this out");
  const bool is_null = is_table(level) && !cell.leads_to;
  const std::string_view style = is_null ? "bad-text" : !viewed ? "out-text" : here ? "name" : "";
  const std::string label = label_of(level, cell);
  if (is_table(level)) {
    svg.text(x + 5, y + 15.5, label, here ? "way-text" : "soft", Anchor::start, small_size);
    svg.text(x + width - 6, y + 16, words, style, Anchor::end);
  } else {
    svg.text(x + width / 2, y + 16, words, style, Anchor::middle);
    if (!label.empty())
      svg.text(x + width / 2, y - 4, label, here ? "way-text" : "soft", Anchor::middle, small_size);
  }
}

void Panel::draw_pointers(Svg& svg, bool on_the_way) const {
  for (int level = 0; level < model_.levels; ++level)
    for (std::size_t number = 0; number < boxes_[static_cast<std::size_t>(level)].size();
         ++number) {
      const PictureBlock& table = block(level, number);
      const BlockBox& outer = boxes_[static_cast<std::size_t>(level)][number];
      for (std::size_t line = 0; line < table.lines.size(); ++line) {
        const PictureCell& slot = table.lines[line].cells.front();
        if (!slot.leads_to || !slot.has_target || is_here(level, slot) != on_the_way) continue;
        const double y = outer.lines[line].top + cell_height / 2;
        draw_pointer(svg, outer.lines[line].end, y, level + 1, *slot.leads_to,
                     on_the_way ? "way" : "arrow");
        if (on_the_way)
          svg.badge(outer.lines[line].end + 13, y,
                    text(follow_numbers_[static_cast<std::size_t>(level)]), "way");
      }
    }
}

/// Draws from (x, y) to what a pointer leads to in `level`.
void Panel::draw_pointer(Svg& svg, double x, double y, int level, std::uint64_t target,
                         std::string_view style) const {
  const std::optional<PictureSpot> spot = model_.find(level, target);
  if (!spot) return;
  const LineBox& line = box(level, *spot);
  const double to = x_of(level, *spot, target);
  const double gate = line.begin - name_width(level);
  if (to <= line.begin + 0.5) {
    const double middle = line.top + cell_height / 2;
    const double bend = std::max(18.0, (gate - x) / 2);
    svg.arrow(path_to('M', x, y) + path_curve(x + bend, y, gate - bend, middle, gate, middle),
              style);
    return;
  }
  // Above the indices of the line, and down into it.
  const double lane = line.top - label_room - 4;
  const double bend = std::max(18.0, (gate - x) / 2);
  svg.arrow(path_to('M', x, y) + path_curve(x + bend, y, gate - bend, lane, gate, lane) +
                path_to('L', to + 0.5, lane) + path_to('L', to + 0.5, line.top),
            style);
}

/// Draws where level 0 is reached from.
void Panel::draw_base(Svg& svg) const {
  if (words_.base.empty() || boxes_[0].empty()) return;
  const std::optional<PictureSpot> spot = model_.find(0, source_.start);
  if (!spot) return;
  const bool marked = on_the_way_[0].has_value();
  const double y = box(0, *spot).top + cell_height / 2;
  const double end = left_ + text_width(words_.base) + 14;
  svg.text(left_ + 4, y + 4, words_.base, marked ? "way-text" : "name");
  draw_pointer(svg, end, y, 0, source_.start, marked ? "way" : "arrow");
  if (marked) svg.badge(end + 9, y, "1", "way");
}

double Panel::side_width(const Hop& hop) const {
  return hop.stays() ? badge_room : side_lane + text_width(hop.words) + side_words;
}

double Panel::lane_x(int level, int lane) const {
  double x = boxes_[static_cast<std::size_t>(level)][0].x - name_width(level) - side_lane;
  for (const Hop& other : hops_)
    // The numbers of those that stay where they are come between the others and the block.
    if (!other.in_line && other.level == level && (other.stays() || other.lane < lane))
      x -= side_width(other);
  return x;
}

double Panel::edge_x(int level, PictureSpot spot) const {
  const bool has_name =
      !is_table(level) && (words_.names_lines || (spot.line == 0 && model_.levels > 0));
  return boxes_[static_cast<std::size_t>(level)][spot.block].x - (has_name ? name_width(level) : 1);
}

double Panel::beside_arrows(const Hop& hop) const {
  const auto meets = [&](const Hop& other) {
    return !other.stays() && other.level == hop.level &&
           (other.to == hop.to || other.from == hop.to);
  };
  const auto first = std::ranges::find_if(hops_, meets);
  if (first == hops_.end()) return 0;
  if (first->to == hop.to) return first->to > first->from ? 12 : -12;
  return first->to > first->from ? 4 : -4;
}

std::optional<Panel::HopPath> Panel::path_of(const Hop& hop) const {
  const auto from = model_.find(hop.level, hop.from);
  const auto to = model_.find(hop.level, hop.to);
  if (!from || !to || from->block != to->block) return {};
  const LineBox& begin = box(hop.level, *from);
  const LineBox& end = box(hop.level, *to);
  HopPath path;
  if (hop.stays()) {
    // Numbers stand in a column below a cell, and in a row that ends at a slot.
    const auto nearer = static_cast<double>(std::ranges::count_if(hops_, [&](const Hop& other) {
      return (hop.in_line ? &other < &hop : &other > &hop) && other.stays() &&
             other.level == hop.level && other.to == hop.to;
    }));
    // On the arrow that comes to a slot; below a cell, where the next hop begins, or beside the
    // arrow that comes to it.
    path.words_x = hop.in_line ? hop_x(hop.level, *to, hop.to) + beside_arrows(hop)
                               : edge_x(hop.level, *to) - 21 - badge_room * nearer;
    path.words_y = hop.in_line ? end.bottom + offset_room + 8 + badge_room * nearer
                               : end.top + cell_height / 2;
    return path;
  }
  if (!hop.in_line) {
    path.x1 = edge_x(hop.level, *from);
    path.x2 = edge_x(hop.level, *to);
    path.y1 = begin.top + cell_height / 2 + 4;
    path.y2 = end.top + cell_height / 2;
    path.lane = lane_x(hop.level, hop.lane);
    path.words_x = path.lane - side_words + 3 - text_width(hop.words);
    path.words_y = (path.y1 + path.y2) / 2;
    return path;
  }
  // Beside the end of one hop is the beginning of the next.
  const double forward = hop.to > hop.from ? 1 : -1;
  path.x1 = hop_x(hop.level, *from, hop.from) + 4 * forward;
  path.x2 = hop_x(hop.level, *to, hop.to) - 4 * forward;
  path.y1 = path.y2 = end.bottom + offset_room - 1;  // below the byte at which each cell begins
  path.lane = path.y1 + lane_room * hop.lane + 13;
  path.words_x = forward < 0 ? path.x2 - 27 - text_width(hop.words) : path.x2 + 7;
  path.words_y = path.lane;
  return path;
}

/// Draws where a hop goes: beside its block, or below its line from cell to cell.
void Panel::draw_hop(Svg& svg, const Hop& hop) const {
  const std::optional<HopPath> path = path_of(hop);
  if (!path || hop.stays()) return;
  const std::string across =
      hop.in_line ? path_to('L', path->x1, path->lane) + path_to('L', path->x2, path->lane)
                  : path_to('L', path->lane, path->y1) + path_to('L', path->lane, path->y2);
  svg.arrow(path_to('M', path->x1, path->y1) + across + path_to('L', path->x2, path->y2), "way");
}

/// Draws the number and the words of a hop, on paper: lines may pass below. One that adds 0 has its
/// number alone, where it stays.
void Panel::draw_hop_words(Svg& svg, const Hop& hop) const {
  const std::optional<HopPath> path = path_of(hop);
  if (!path) return;
  const double x = path->words_x, y = path->words_y;
  if (hop.stays()) {
    svg.badge(x, y, text(hop.number), "way");
    return;
  }
  svg.rect(x - 1, y - 8, text_width(hop.words) + 20, 16, "paper");
  svg.badge(x + 8, y, text(hop.number), "way");
  svg.text(x + 19, y + 4, hop.words, "way-text");
}

/// Marks what a consumer reads that takes a slot for an element.
void Panel::draw_wrong(Svg& svg) const {
  const auto from = model_.find(wrong_->level, wrong_->from);
  const auto to = model_.find(wrong_->level, wrong_->position);
  if (!from || !to || from->block != to->block) return;
  const LineBox& end = box(wrong_->level, *to);
  const BlockBox& outer = boxes_[static_cast<std::size_t>(wrong_->level)][to->block];
  const double x = x_of(wrong_->level, *to, wrong_->position);
  const double bytes = static_cast<double>(source_.cell_size(wrong_->level));
  const double width = outer.cell_width * static_cast<double>(wrong_->bytes) / bytes;
  // Half of a slot, say: a bar above the words that are in it.
  svg.rect(x, end.top - 4, std::min(width, end.end - x), 8, "wrong", "read as an element");
  const double lane = lane_x(wrong_->level, static_cast<int>(hops_.size()));
  // Above the violet arrows, which come to the middle of a slot.
  const double y1 = box(wrong_->level, *from).top + cell_height / 2 - 6;
  const double y2 = end.top;
  svg.arrow(path_to('M', outer.x, y1) + path_to('L', lane, y1) + path_to('L', lane, y2) +
                path_to('L', x, y2),
            "bad");
  svg.text(lane - 5, (y1 + y2) / 2 + 4, "✗ read here", "bad-text", Anchor::end);
}

}  // namespace multibuffer
