#include <multibuffer/draw.hpp>
#include <multibuffer/error.hpp>
#include <multibuffer/explain.hpp>

#include "host/explain/composition.hpp"
#include "host/explain/device_reader.hpp"
#include "host/explain/picture.hpp"
#include "host/explain/picture_source.hpp"
#include "host/explain/picture_words.hpp"
#include "host/explain/ragged_rows.hpp"
#include "host/explain/viewed.hpp"
#include "host/explain/ways.hpp"
#include "host/explain/words.hpp"
#include "host/ragged/place_rows.hpp"
#include "host/support/text.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace multibuffer {
namespace {

void refuse_operations(const DrawOptions& options) {
  if (!options.operations.empty())
    throw Failure(Errc::invalid_argument,
                  "a part of rows of unequal length is not drawn in grey: draw a slice of them");
}

std::string title_of_rows(const DrawOptions& options, const RaggedRows& rows) {
  return title_of(options, rows_words(rows.layout.shape(), rows.format), true);
}

/// Notes which rows have no items, and the items behind the last one that is shown of the others.
void note_ends(PictureModel& model, const RaggedRows& rows) {
  for (PictureBlock& table : model.blocks.front())
    for (PictureLine& line : table.lines)
      for (PictureCell& slot : line.cells) slot.has_target = rows.length(slot.index[0]) > 0;
  std::int64_t elements = 1;
  for (const Axis& axis : rows.layout.axes().subspan(2)) elements *= axis.extent;
  for (PictureBlock& block : model.blocks.back())
    for (PictureLine& line : block.lines) {
      const auto& index = line.cells.back().index;
      const std::int64_t left = rows.length(index[0]) - 1 - index[1];
      if (left > 0) line.after = {PictureGap::Kind::more, left * elements};
    }
}

/// Reads a panel of rows, each of which ends where it ends.
DrawnPanel panel_of_rows(PictureSource source, const RaggedRows& rows,
                         const std::optional<Explanation>& explanation, Blocks blocks) {
  source.has = [rows](std::span<const std::int64_t> index) {
    return index[1] < rows.length(index[0]);
  };
  std::optional<std::vector<std::int64_t>> at;
  if (explanation) at = explanation->index;
  const std::vector<std::int64_t> shape = rows.layout.shape();
  const ViewedIndices viewed(shape, {});
  const ShownIndices shown = shown_indices(rows.layout, viewed, shape, at);
  DrawnPanel drawn = panel_of(std::move(source), viewed, shown, blocks);
  note_ends(*drawn.model, rows);
  return drawn;
}

/// Says of each slot, too, how long its row is.
PanelWords with_lengths(PanelWords words, const RaggedRows& rows) {
  words.slot = [rows, name = std::move(words.slot)](int level, const PictureCell& slot) {
    const std::int64_t length = rows.length(slot.index[0]);
    return length == 0 ? "no items"
                       : text(name(level, slot), ", ", count_text(length, "item", "items"));
  };
  return words;
}

/// The panel of rows by their offsets.
DrawnPanel offsets_panel(PictureSource source, const RaggedRows& rows,
                         std::optional<Explanation> explanation, const std::string& device,
                         PlacementKind kind, std::int64_t unit) {
  const bool is_address = kind == PlacementKind::in_place;
  const std::uint64_t address = address_in(rows.layout, is_address);
  DrawnPanel drawn = panel_of_rows(with_address(std::move(source), address), rows, explanation,
                                   blocks_for(is_address));
  if (explanation && explanation->offsets)
    count_address_before(*explanation->offsets, rows.layout.levels(), address);
  add_panel(drawn, with_lengths(words_of_offsets(*drawn.model, device, kind, unit), rows),
            rows.layout, explanation, false, {});
  return drawn;
}

}  // namespace

std::string draw(const RaggedView& view, const DrawOptions& options) {
  refuse_operations(options);
  const RaggedRows rows = rows_of(view);
  std::optional<Explanation> explanation;
  if (options.at) explanation = explain(view, *options.at, {options.placement, options.watch});
  PictureText text{title_of_rows(options, rows), axes_words(rows.layout, AxesIn::rows)};
  std::vector<DrawnPanel> panels;
  const ArrayView pointers = as_if_equal(view);
  panels.push_back(panel_of_rows(source_of(pointers), rows, explanation, Blocks::apart));
  add_panel(
      panels[0],
      with_lengths(words_of_pointers(*panels[0].model, rows.layout, rows.format.itemsize()), rows),
      rows.layout, explanation, true, {});
  std::optional<Placement> placement;
  if (options.with_offsets)
    placement =
        placed_or_noted(text.notes, [&] { return place_rows(view, options.placement, {}); });
  if (placement) {
    RaggedRows placed = rows;
    placed.layout = placement->layout;
    panels.push_back(offsets_panel(source_of(*placement, pointers), placed, explanation, "a device",
                                   placement->kind, placement->unit));
  }
  return compose(text, std::move(panels));
}

std::string draw(const RaggedArray& array, const DrawOptions& options) {
  refuse_operations(options);
  const RaggedRows rows = rows_of(array);
  std::optional<Explanation> explanation;
  if (options.at) explanation = explain(array, *options.at);
  const bool is_address = array.placement() == PlacementKind::in_place;
  const PictureText text{
      title_of_rows(options, rows),
      axes_words(without_address(rows.layout, address_in(rows.layout, is_address)),
                 AxesIn::row_entries)};
  std::vector<DrawnPanel> panels;
  const RaggedReader reader(array);
  panels.push_back(offsets_panel(source_of(reader, rows), rows, explanation,
                                 device_words(array.device()), array.placement(), reader.unit()));
  return compose(text, std::move(panels));
}

}  // namespace multibuffer
