#include <multibuffer/draw.hpp>
#include <multibuffer/error.hpp>
#include <multibuffer/explain.hpp>
#include <multibuffer/stages/place.hpp>
#include <multibuffer/stages/resolve.hpp>

#include "host/explain/composition.hpp"
#include "host/explain/device_reader.hpp"
#include "host/explain/picture.hpp"
#include "host/explain/picture_source.hpp"
#include "host/explain/picture_words.hpp"
#include "host/explain/viewed.hpp"
#include "host/explain/words.hpp"
#include "host/support/text.hpp"

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

/// Places a view, whole; nothing where that cannot be, and a note says why.
std::optional<Placement> placed(const ArrayView& view, const DrawOptions& options,
                                std::vector<std::string>& notes) {
  try {
    Placement placement = place(resolve(view, {.watch = options.watch}), options.placement);
    notes = placement.notes;
    return placement;
  } catch (const Error& error) {
    if (error.code() == Errc::cancelled) throw;
    notes.push_back(text("The array cannot be uploaded: ", error.what()));
    return {};
  }
}

}  // namespace

std::string draw(const ArrayView& array, const DrawOptions& options) {
  ArrayView view = array;
  for (const ViewOperation& operation : options.operations) view = view.apply(operation);
  const ViewedIndices viewed(array.shape(), options.operations);
  std::optional<Explanation> explanation;
  std::optional<std::vector<std::int64_t>> whole_at;
  if (options.at) {
    explanation = explain(view, *options.at, {options.placement, options.watch});
    whole_at = viewed.whole_index(explanation->index);
  }
  const ShownIndices shown = shown_indices(array.layout(), viewed, view.shape(), whole_at);

  std::vector<DrawnPanel> panels;
  std::vector<std::string> notes, warnings;
  panels.push_back(panel_of(source_of(array), viewed, shown, Blocks::apart));
  std::optional<WrongRead> wrong;
  if (explanation) wrong = read_by_sign(view, *explanation->pointers);
  if (wrong) warnings = warnings_of(view.layout().origins().back());
  add_panel(panels[0], words_of_pointers(*panels[0].model, array.layout(), array.itemsize()),
            view.layout(), explanation, true, wrong);

  std::optional<Placement> placement;
  if (options.with_offsets) placement = placed(view, options, notes);
  if (placement) {
    const bool is_address = placement->kind == PlacementKind::in_place;
    const std::uint64_t address = address_in(placement->layout, is_address);
    panels.push_back(panel_of(with_address(source_of(*placement, view), address),
                              ViewedIndices(view.shape(), {}),
                              shown_of_view(shown, viewed, view.layout()), blocks_for(is_address)));
    if (explanation && explanation->offsets)
      count_address_before(*explanation->offsets, placement->layout.levels(), address);
    add_panel(
        panels[1],
        words_of_offsets(*panels[1].model, name_of(placement->kind), placement->unit, is_address),
        placement->layout, explanation, false, {});
  }
  return compose(options, view.format(), view.layout(), std::move(panels), notes, warnings);
}

std::string draw(const DeviceArray& array, const DrawOptions& options) {
  DeviceArray view = array;
  for (const ViewOperation& operation : options.operations) view = view.apply(operation);
  const ViewedIndices viewed(array.shape(), options.operations);
  std::optional<Explanation> explanation;
  std::optional<std::vector<std::int64_t>> whole_at;
  if (options.at) {
    explanation = explain(view, *options.at);
    whole_at = viewed.whole_index(explanation->index);
  }
  const DeviceReader reader(array);
  const std::uint64_t address = address_in(array.layout(), reader.is_address());
  std::vector<DrawnPanel> panels;
  panels.push_back(panel_of(with_address(source_of(array, reader), address), viewed,
                            shown_indices(array.layout(), viewed, view.shape(), whole_at),
                            blocks_for(reader.is_address())));
  if (explanation) count_address_before(*explanation->offsets, array.layout().levels(), address);
  add_panel(panels[0],
            words_of_offsets(*panels[0].model, name_of(array.placement()), reader.unit(),
                             reader.is_address()),
            view.layout(), explanation, false, {});
  return compose(options, view.format(), without_address(view.layout(), address), std::move(panels),
                 {}, {});
}

}  // namespace multibuffer
