#include <multibuffer/draw.hpp>
#include <multibuffer/error.hpp>
#include <multibuffer/explain.hpp>
#include <multibuffer/ragged_view.hpp>

#include "host/explain/composition.hpp"
#include "host/explain/picture.hpp"
#include "host/explain/picture_source.hpp"
#include "host/explain/picture_words.hpp"
#include "host/explain/viewed.hpp"
#include "host/explain/walk.hpp"
#include "host/explain/words.hpp"
#include "host/support/text.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace multibuffer {
namespace {

/// The layout of the rows as if all were as long as the longest one: a table of starts, and items
/// in C order behind each.
Layout layout_of(const RaggedView& rows) {
  std::vector<Axis> axes{{rows.rows(), static_cast<std::int64_t>(sizeof(void*)), 0},
                         {rows.longest(), rows.item_bytes(), 1}};
  std::int64_t stride = rows.item_bytes();
  for (const std::int64_t extent : rows.item_shape()) {
    stride = extent == 0 ? 0 : stride / extent;
    axes.push_back({extent, stride, 1});
  }
  return Layout(std::move(axes), {0, 0});
}

PictureSource source_of(const RaggedView& rows) {
  const ArrayView view(rows.starts().data(), rows.format(), layout_of(rows), true, rows.space());
  PictureSource source = source_of(view);
  source.has = [rows](std::span<const std::int64_t> index) {
    return index[1] < rows.length(index[0]);
  };
  return source;
}

/// Notes the items behind the last one that is shown of each row.
void note_ends(PictureModel& model, const RaggedView& rows) {
  std::int64_t elements = 1;
  for (const std::int64_t extent : rows.item_shape()) elements *= extent;
  for (PictureBlock& block : model.blocks.back())
    for (PictureLine& line : block.lines) {
      const auto& index = line.cells.back().index;
      const std::int64_t left = rows.length(index[0]) - 1 - index[1];
      if (left > 0) line.after = {PictureGap::Kind::more, left * elements};
    }
}

/// The steps to an element of a row. Throws `index_out_of_range` for an item that its row has not.
Explanation explained(const RaggedView& rows, std::span<const std::int64_t> at) {
  const Layout layout = layout_of(rows);
  std::vector<std::int64_t> index(at.begin(), at.end());
  // Items are counted in their own row, from either end.
  if (index.size() == layout.axes().size() && index[0] >= -rows.rows() && index[0] < rows.rows()) {
    const std::int64_t row = index[0] < 0 ? index[0] + rows.rows() : index[0];
    const std::int64_t length = rows.length(row);
    if (index[1] < -length || index[1] >= length)
      throw Failure(Errc::index_out_of_range,
                    text("item ", index[1], " of row ", row, ", whose length is ", length));
    if (index[1] < 0) index[1] += length;
  }
  index = checked_index(layout, index);
  const std::vector<std::int64_t> whole = layout.shape();
  std::vector<std::int64_t> shape(whole.begin() + 1, whole.end());
  shape[0] = rows.length(index[0]);
  const ArrayView row =
      ArrayView::dense(rows.start(index[0]), shape, rows.format(), true, rows.space());
  Explanation explanation{.index = index, .shape = layout.shape(), .format = rows.format()};
  std::vector<Step> steps =
      walk(layout, index, reinterpret_cast<std::uintptr_t>(rows.starts().data()), false,
           [&](int, std::uint64_t) {
             return Step{.position = reinterpret_cast<std::uintptr_t>(row.base())};
           });
  explanation.value = value_at(row, std::span(index).subspan(1));
  const std::uint64_t position = steps.back().position;
  explanation.pointers = WayToElement{std::move(steps), position, true};
  return explanation;
}

std::string length_words(const RaggedView& rows, std::int64_t row) {
  return count_text(rows.length(row), "item", "items");
}

}  // namespace

std::string draw(const RaggedView& rows, const DrawOptions& options) {
  if (!options.operations.empty())
    throw Failure(Errc::invalid_argument, "a view of rows of unequal length is made of other rows");
  std::optional<Explanation> explanation;
  std::optional<std::vector<std::int64_t>> at;
  if (options.at) {
    explanation = explained(rows, *options.at);
    at = explanation->index;
  }
  const Layout layout = layout_of(rows);
  const ViewedIndices viewed(layout.shape(), {});
  std::vector<DrawnPanel> panels;
  panels.push_back(panel_of(source_of(rows), viewed,
                            shown_indices(layout, viewed, layout.shape(), at), Blocks::apart));
  note_ends(*panels[0].model, rows);
  PanelWords words = words_of_pointers(*panels[0].model, layout, rows.format().itemsize());
  words.slot = [rows, name = words.slot](int level, const PictureCell& slot) {
    const std::int64_t row = slot.index[0];
    return rows.length(row) == 0 ? "no items"
                                 : text(name(level, slot), ", ", length_words(rows, row));
  };
  add_panel(panels[0], std::move(words), layout, explanation, true, {});
  DrawOptions titled = options;
  if (titled.title.empty())
    titled.title = text(options.at ? text("Element ", index_text(*options.at), " of ") : "",
                        count_text(rows.rows(), "row", "rows"), " of up to ",
                        count_text(rows.longest(), "item", "items"), ", format '",
                        shortened_text(rows.format().text(), 40), "'");
  return compose(titled, rows.format(), layout, std::move(panels), {}, {});
}

}  // namespace multibuffer
