#include <multibuffer/draw.hpp>
#include <multibuffer/explain.hpp>
#include <multibuffer/stages/place.hpp>
#include <multibuffer/stages/resolve.hpp>

#include "host/explain/composition.hpp"
#include "host/explain/device_reader.hpp"
#include "host/explain/picture.hpp"
#include "host/explain/picture_source.hpp"
#include "host/explain/picture_words.hpp"
#include "host/explain/viewed.hpp"
#include "host/explain/ways.hpp"
#include "host/explain/words.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace multibuffer {
namespace {

/// Which of a view's indices are among those of the whole array that are shown.
ShownIndices shown_of_view(const ShownIndices& shown, const ViewedIndices& viewed,
                           const Layout& view) {
  ShownIndices result(view.axes().size());
  if (view.empty()) return result;
  const std::vector<std::int64_t> first =
      viewed.whole_index(std::vector<std::int64_t>(view.axes().size(), 0));
  for (std::size_t axis = 0; axis < shown.size(); ++axis)
    for (const std::int64_t index : shown[axis]) {
      std::vector<std::int64_t> whole = first;
      whole[axis] = index;
      const auto found = viewed.view_index(whole);
      for (std::size_t v = 0; found && v < result.size(); ++v) result[v].push_back((*found)[v]);
    }
  for (std::vector<std::int64_t>& indices : result) {
    if (indices.empty()) indices.push_back(0);
    std::ranges::sort(indices);
    indices.erase(std::unique(indices.begin(), indices.end()), indices.end());
  }
  return result;
}

}  // namespace

std::string draw(const ArrayView& array, const DrawOptions& options) {
  const DrawnPart part(array, options, [&](const ArrayView& view, const auto& index) {
    return explain(view, index, {options.placement, options.watch});
  });
  const ArrayView& view = part.view;
  std::optional<Explanation> explanation = part.explanation;
  const ShownIndices shown = shown_indices(array.layout(), part.viewed, view.shape(), part.at);

  PictureText text{title_of(options, array_words(view.shape(), view.format())),
                   axes_words(view.layout(), AxesIn::memory)};
  std::vector<DrawnPanel> panels;
  panels.push_back(panel_of(source_of(array), part.viewed, shown, Blocks::apart));
  std::optional<WrongRead> wrong;
  if (explanation) wrong = read_by_sign(view, *explanation->pointers);
  if (wrong) text.warnings = warnings_of(view.layout().origins().back());
  add_panel(panels[0], words_of_pointers(*panels[0].model, array.layout(), array.itemsize()),
            view.layout(), explanation, true, wrong);

  std::optional<Placement> placement;
  if (options.with_offsets)
    placement = placed_or_noted(text.notes, [&] {
      return place(resolve(view, {.watch = options.watch}), options.placement);
    });
  if (placement)
    text.notes.insert(text.notes.end(), placement->notes.begin(), placement->notes.end());
  if (placement) {
    const bool is_address = placement->kind == PlacementKind::in_place;
    const std::uint64_t address = address_in(placement->layout, is_address);
    panels.push_back(panel_of(
        with_address(source_of(*placement, view), address), ViewedIndices(view.shape(), {}),
        shown_of_view(shown, part.viewed, view.layout()), blocks_for(is_address)));
    if (explanation && explanation->offsets)
      count_address_before(*explanation->offsets, placement->layout.levels(), address);
    add_panel(panels[1],
              words_of_offsets(*panels[1].model, "a device", placement->kind, placement->unit),
              placement->layout, explanation, false, {});
  }
  return compose(text, std::move(panels));
}

std::string draw(const DeviceArray& array, const DrawOptions& options) {
  const DrawnPart part(array, options, [](const DeviceArray& view, const auto& index) {
    return explain(view, index);
  });
  std::optional<Explanation> explanation = part.explanation;
  const DeviceReader reader(array);
  const std::uint64_t address = address_in(array.layout(), reader.is_address());
  std::vector<DrawnPanel> panels;
  panels.push_back(panel_of(with_address(source_of(array, reader), address), part.viewed,
                            shown_indices(array.layout(), part.viewed, part.view.shape(), part.at),
                            blocks_for(reader.is_address())));
  if (explanation) count_address_before(*explanation->offsets, array.layout().levels(), address);
  add_panel(panels[0],
            words_of_offsets(*panels[0].model, device_words(array.device()), array.placement(),
                             reader.unit()),
            part.view.layout(), explanation, false, {});
  return compose({title_of(options, array_words(part.view.shape(), part.view.format())),
                  axes_words(without_address(part.view.layout(), address), AxesIn::entries)},
                 std::move(panels));
}

}  // namespace multibuffer
