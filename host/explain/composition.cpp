#include "host/explain/composition.hpp"

#include "host/explain/svg.hpp"
#include "host/explain/words.hpp"
#include "host/support/text.hpp"

#include <algorithm>
#include <cstddef>
#include <utility>

namespace multibuffer {
namespace {

constexpr double margin = 16;
constexpr double panel_space = 44;
constexpr double most_beside = 1180;  // pixels: wider pictures put one panel below the other

/// The panels side by side, or one below the other. Returns the bottom.
double draw_panels(Svg& svg, std::vector<DrawnPanel>& panels, double y) {
  double x = margin;
  double bottom = y;
  for (std::size_t i = 0; i < panels.size(); ++i) {
    Panel& panel = *panels[i].panel;
    panel.lay_out(x, y);
    if (i > 0 && panel.right() > most_beside) {
      y = bottom + panel_space;
      panel.lay_out(margin, y);
    }
    panel.draw(svg);
    x = panel.right() + panel_space;
    bottom = std::max(bottom, panel.bottom());
  }
  return bottom;
}

double draw_ways(Svg& svg, const std::vector<DrawnPanel>& panels, double y) {
  double x = margin;
  double bottom = y;
  for (const DrawnPanel& each : panels)
    for (const WayInWords& way : each.ways) {
      bottom = std::max(bottom, way.draw(svg, x, y));
      x += way.width() + panel_space;
    }
  return bottom;
}

double draw_columns(Svg& svg, const std::vector<std::vector<std::string>>& lines, double y) {
  std::vector<double> columns;
  for (const auto& line : lines) {
    columns.resize(std::max(columns.size(), line.size()), 0);
    for (std::size_t i = 0; i + 1 < line.size(); ++i)
      columns[i] = std::max(columns[i], text_width(line[i]) + 20);
  }
  for (const auto& line : lines) {
    double x = margin;
    y += line_height;
    for (std::size_t i = 0; i < line.size(); x += columns[i++]) svg.text(x, y, line[i], "");
  }
  return y;
}

/// Says what looks of cells mean, of those that a picture has.
std::vector<std::string> legend_of(const std::vector<DrawnPanel>& panels) {
  bool has_grey = false, has_hole = false;
  for (const DrawnPanel& each : panels)
    for (const auto& level : each.model->blocks)
      for (const PictureBlock& block : level)
        for (const PictureLine& line : block.lines) {
          for (const PictureCell& cell : line.cells) has_grey = has_grey || !cell.view;
          for (const PictureGap& gap : line.gaps)
            has_hole = has_hole || gap.kind == PictureGap::Kind::hole;
        }
  std::vector<std::string> legend;
  if (has_grey) legend.emplace_back("Grey: what the view leaves out. It stays where it is.");
  if (has_hole) legend.emplace_back("Hatched: bytes that no index leads to.");
  return legend;
}

std::string end_words(const Explanation& explanation) {
  return text("the element ", index_text(explanation.index), ": ",
              explanation.value.empty() ? "?" : shortened_text(explanation.value, 40));
}

}  // namespace

DrawnPanel panel_of(PictureSource source, const ViewedIndices& viewed, const ShownIndices& shown,
                    Blocks blocks) {
  DrawnPanel drawn;
  drawn.source = std::make_unique<PictureSource>(std::move(source));
  drawn.model = std::make_unique<PictureModel>(make_picture(*drawn.source, viewed, shown, blocks));
  return drawn;
}

void add_panel(DrawnPanel& drawn, PanelWords words, const Layout& view,
               const std::optional<Explanation>& explanation, bool by_pointers,
               std::optional<WrongRead> wrong) {
  for (const Axis& axis : view.axes()) words.levels.push_back(axis.level);
  const WayToElement* way = nullptr;
  if (explanation) {
    words.at = explanation->index;
    const auto& steps = by_pointers ? explanation->pointers : explanation->offsets;
    if (steps) way = &*steps;
  }
  if (!way && !by_pointers) words.base.clear();  // a start without steps from it
  if (way) {
    const bool is_only_one = !explanation->pointers;
    const char* const heading =
        view.levels() == 0 ? "Step by step" : "Step by step, by the pointers";
    drawn.ways.push_back(in_words(*way,
                                  by_pointers   ? heading
                                  : is_only_one ? "Step by step, by the offsets"
                                                : "The same by the offsets",
                                  by_pointers, words, end_words(*explanation)));
  }
  if (wrong) drawn.ways.push_back(by_sign_in_words(*way, *wrong, *drawn.model, words));
  drawn.panel = std::make_unique<Panel>(*drawn.model, *drawn.source, std::move(words), way, wrong);
}

std::string title_of(const DrawOptions& options, const std::string& words, bool is_plural) {
  if (!options.title.empty()) return options.title;
  if (!options.at) return is_plural ? words : "An " + words;
  return text("Element ", index_text(*options.at), is_plural ? " of " : " of an ", words);
}

std::string compose(const PictureText& text, std::vector<DrawnPanel> panels) {
  Svg svg;
  svg.text(margin, 28, text.title, "heading", Anchor::start, 15);
  double y = draw_columns(svg, text.axes, 34);
  if (!text.warnings.empty()) y += 8;
  for (const std::string& warning : text.warnings)
    svg.text(margin, y += line_height, warning, "bad-text");
  y = draw_panels(svg, panels, y + 22) + 26;
  y = draw_ways(svg, panels, y);
  for (const std::string& each : legend_of(panels))
    svg.text(margin, y += line_height, each, "prose soft", Anchor::start, 11);
  for (const std::string& note : text.notes)
    svg.text(margin, y += line_height, note, "prose soft", Anchor::start, 11);
  std::string description = text.title;
  if (std::ranges::any_of(panels, [](const DrawnPanel& each) { return !each.ways.empty(); }))
    description += "; with the way to one element";
  return svg.document(text.title, description);
}

}  // namespace multibuffer
