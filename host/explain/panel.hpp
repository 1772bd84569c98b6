#pragma once

#include <multibuffer/explain.hpp>

#include "host/explain/picture.hpp"
#include "host/explain/svg.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace multibuffer {

/// The words of a panel: the memory of an exporter and the arrays of a device differ in these.
struct PanelWords {
  std::string title;
  std::string base;  ///< what level 0 is reached from; empty: nothing is drawn there
  std::vector<std::string> columns;  ///< a heading for each level
  /// What is written into a slot that leads somewhere.
  std::function<std::string(int level, const PictureCell& slot)> slot;
  /// The name of a position: "A + 8", "byte 24".
  std::function<std::string(int level, std::uint64_t position)> name;
  std::vector<int> levels;       ///< of the view's axes: whose indices label the cells of a level
  std::vector<std::int64_t> at;  ///< the index of the element that is marked
  bool names_lines = false;      ///< by the byte that each begins at
};

/// Where a consumer that does not follow a pointer reads its element.
struct WrongRead {
  int level = 0;
  std::uint64_t from = 0;      ///< the slot whose pointer it should have followed
  std::uint64_t position = 0;  ///< what it reads
  std::int64_t bytes = 1;
};

/// One drawing of an array's memory: a column for each level, from tables to leaves.
class Panel {
 public:
  /// `way`, if any, is marked. Keeps references to `model` and `source`.
  Panel(const PictureModel& model, const PictureSource& source, PanelWords words,
        const WayToElement* way, std::optional<WrongRead> wrong);

  /// Says where everything is; (x, y) is the corner at the top left.
  void lay_out(double x, double y);
  double right() const noexcept { return right_; }
  double bottom() const noexcept { return bottom_; }
  void draw(Svg& svg) const;

 private:
  /// A move within a level, by index * stride or a suboffset; also one by 0.
  struct Hop {
    int number = 0;
    int level = 0;
    std::uint64_t from = 0, to = 0;
    std::string words;
    bool in_line = false;
    int lane = 0;  ///< below its line, or beside its block
    bool stays() const { return from == to; }
  };
  /// Where a hop is drawn: from (x1, y1) along a lane, whose x or y is `lane`, to (x2, y2).
  struct HopPath {
    double x1 = 0, y1 = 0, x2 = 0, y2 = 0;
    double lane = 0;
    double words_x = 0, words_y = 0;
  };
  struct LineBox {
    double top = 0, bottom = 0;  ///< of the cells
    std::vector<double> cells;   ///< where each begins
    std::vector<double> gaps;    ///< the width of the gap before each
    double begin = 0, end = 0;
    double lanes_bottom = 0;
  };
  struct BlockBox {
    double x = 0, y = 0, right = 0, cell_width = 0;
    std::vector<LineBox> lines;
  };

  const PictureBlock& block(int level, std::size_t number) const {
    return model_.blocks[static_cast<std::size_t>(level)][number];
  }
  const LineBox& box(int level, PictureSpot spot) const {
    return boxes_[static_cast<std::size_t>(level)][spot.block].lines[spot.line];
  }
  bool is_table(int level) const { return level < model_.levels; }
  bool is_here(int level, const PictureCell& cell) const;
  std::string label_of(int level, const PictureCell& cell) const;
  std::string words_of(int level, const PictureCell& cell) const;
  double cell_width(int level, const PictureBlock& block) const;
  double name_width(int level) const;
  double x_of(int level, PictureSpot spot, std::uint64_t position) const;
  double hop_x(int level, PictureSpot spot, std::uint64_t position) const;
  /// The x of a lane beside a block, and the room that a hop takes there.
  double lane_x(int level, int lane) const;
  double side_width(const Hop& hop) const;
  /// The left end of a line, or of its name.
  double edge_x(int level, PictureSpot spot) const;
  /// How far from the middle of a cell the number of a hop is that stays there: away from the head
  /// of an arrow, and else where the next one begins.
  double beside_arrows(const Hop& hop) const;
  /// Nothing for a hop that leaves what is drawn.
  std::optional<HopPath> path_of(const Hop& hop) const;
  bool is_reached_from_above(int level, PictureSpot spot) const;

  void find_hops(const WayToElement& way);
  int lanes_below(int level, std::size_t block, std::size_t line) const;
  double side_room(int level) const;
  double lay_out_column(int level, double x, double y);
  void lay_out_line(int level, std::size_t number, std::size_t line, BlockBox& box, double& y);

  void draw_block(Svg& svg, int level, std::size_t number) const;
  void draw_line(Svg& svg, int level, std::size_t number, std::size_t line) const;
  void draw_gaps(Svg& svg, int level, const PictureLine& line, const LineBox& box) const;
  void draw_cell(Svg& svg, int level, const PictureCell& cell, double x, double y,
                 double width) const;
  void draw_pointers(Svg& svg, bool on_the_way) const;
  void draw_pointer(Svg& svg, double x, double y, int level, std::uint64_t target,
                    std::string_view style) const;
  void draw_base(Svg& svg) const;
  void draw_hop(Svg& svg, const Hop& hop) const;
  void draw_hop_words(Svg& svg, const Hop& hop) const;
  void draw_wrong(Svg& svg) const;

  const PictureModel& model_;
  const PictureSource& source_;
  PanelWords words_;
  std::vector<Hop> hops_;
  std::vector<std::optional<std::uint64_t>> on_the_way_;  ///< of each level: the slot, the element
  std::vector<int> follow_numbers_;                       ///< of each level's step to the next
  std::optional<WrongRead> wrong_;
  std::vector<std::vector<BlockBox>> boxes_;
  double left_ = 0, top_ = 0, right_ = 0, bottom_ = 0;
};

}  // namespace multibuffer
