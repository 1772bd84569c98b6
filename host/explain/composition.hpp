#pragma once

#include <multibuffer/draw.hpp>
#include <multibuffer/explain.hpp>
#include <multibuffer/layout.hpp>

#include "host/explain/panel.hpp"
#include "host/explain/picture.hpp"
#include "host/explain/picture_words.hpp"
#include "host/explain/viewed.hpp"

#include <cstdint>
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

/// The view that is drawn of an array, and the way to the element that is marked.
template <class Array>
struct DrawnPart {
  Array view;
  ViewedIndices viewed;
  std::optional<Explanation> explanation = {};
  std::optional<std::vector<std::int64_t>> at = {};  ///< the index in the whole array

  /// `explain_at(view, index)` explains the element. Throws what it and the operations throw.
  template <class Explain>
  DrawnPart(const Array& array, const DrawOptions& options, const Explain& explain_at)
      : view(array), viewed(array.shape(), options.operations) {
    for (const ViewOperation& operation : options.operations) view = view.apply(operation);
    if (!options.at) return;
    explanation = explain_at(view, *options.at);
    at = viewed.whole_index(explanation->index);
  }
};

/// The texts and the frame around the panels.
struct PictureText {
  std::string title;
  std::vector<std::vector<std::string>> axes;  ///< lines of cells, in columns
  std::vector<std::string> warnings = {};
  std::vector<std::string> notes = {};
};

/// The title that is asked for, or one by what the array is: `words`, which begin with "array" or,
/// in the plural, are those of rows.
std::string title_of(const DrawOptions& options, const std::string& words, bool is_plural = false);

/// Puts a picture together, as SVG. From the top: what the array is; its axes in numbers; warnings;
/// panels side by side or one below the other; the ways to the marked element in words; a legend
/// and notes.
std::string compose(const PictureText& text, std::vector<DrawnPanel> panels);

}  // namespace multibuffer
