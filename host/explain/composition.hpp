#pragma once

#include <multibuffer/draw.hpp>
#include <multibuffer/explain.hpp>
#include <multibuffer/format.hpp>
#include <multibuffer/layout.hpp>

#include "host/explain/panel.hpp"
#include "host/explain/picture.hpp"
#include "host/explain/picture_words.hpp"
#include "host/explain/viewed.hpp"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace multibuffer {

/// One panel of a picture, with what it refers to, and the ways that are written below.
struct DrawnPanel {
  std::unique_ptr<PictureSource> source;
  std::unique_ptr<PictureModel> model;
  std::unique_ptr<Panel> panel;
  std::vector<WayInWords> ways;
};

/// Reads what a panel shows.
DrawnPanel panel_of(PictureSource source, const ViewedIndices& viewed, const ShownIndices& shown,
                    Blocks blocks);

/// Makes the panel of what was read. `view` is what is viewed of it.
void add_panel(DrawnPanel& drawn, PanelWords words, const Layout& view,
               const std::optional<Explanation>& explanation, bool by_pointers,
               std::optional<WrongRead> wrong);

/// Puts a picture together, as SVG. From the top: what the array is; its axes in numbers; panels
/// side by side or one below the other; the ways to the marked element in words; warnings, a legend
/// and notes.
std::string compose(const DrawOptions& options, const Format& format, const Layout& layout,
                    std::vector<DrawnPanel> panels, const std::vector<std::string>& notes,
                    const std::vector<std::string>& warnings);

}  // namespace multibuffer
