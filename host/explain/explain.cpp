#include <multibuffer/error.hpp>
#include <multibuffer/explain.hpp>
#include <multibuffer/stages/place.hpp>
#include <multibuffer/stages/resolve.hpp>

#include "host/explain/device_reader.hpp"
#include "host/explain/walk.hpp"
#include "host/explain/ways.hpp"
#include "host/explain/words.hpp"
#include "host/support/address.hpp"
#include "host/support/text.hpp"

#include <string>
#include <utility>

namespace multibuffer {

std::vector<std::int64_t> checked_index(const Layout& layout, std::span<const std::int64_t> index) {
  const std::vector<std::int64_t> shape = layout.shape();
  if (index.size() != shape.size())
    throw Failure(Errc::invalid_argument,
                  text("the index ", tuple_text(index), " has ", index.size(),
                       index.size() == 1 ? " number" : " numbers", "; an element of shape ",
                       tuple_text(shape), " has one for each axis, ", shape.size()));
  std::vector<std::int64_t> counted(index.begin(), index.end());
  for (std::size_t i = 0; i < counted.size(); ++i) {
    if (counted[i] < -shape[i] || counted[i] >= shape[i])
      throw Failure(Errc::index_out_of_range,
                    text("index ", counted[i], " on axis ", i, ", whose extent is ", shape[i]));
    if (counted[i] < 0) counted[i] += shape[i];
  }
  return counted;
}

void throw_null_at(const Layout& layout, std::span<const std::int64_t> index, int level) {
  std::string indices;
  for (std::size_t i = 0; i < index.size(); ++i) {
    indices += i == 0 ? "" : ", ";
    indices += layout.axes()[i].level > level ? ":" : text(index[i]);
  }
  throw Failure(Errc::null_pointer, text("level ", level, " of ", layout.levels(), " at index [",
                                         indices, "] of shape ", tuple_text(layout.shape())));
}

namespace {

/// Returns the id of the leaf that an index leads to.
std::int64_t leaf_of(const Resolution& resolution, std::span<const std::int64_t> index) {
  const std::vector<Step> steps =
      walk(resolution.layout, index, 0, true, [&](int level, std::uint64_t position) {
        const std::int64_t id =
            resolution.tables[static_cast<std::size_t>(level)][static_cast<std::int64_t>(position)];
        return Step{.entry = id, .position = static_cast<std::uint64_t>(id)};
      });
  for (std::size_t i = steps.size(); i-- > 0;)
    if (steps[i].kind == StepKind::follow) return steps[i].entry;
  return 0;
}

ElementPlace place_of(const Resolution& resolution, const Placement& placement,
                      std::span<const std::int64_t> index, std::uint64_t position) {
  return {.leaf = leaf_of(resolution, index),
          .leaves = resolution.leaves.size(),
          .segment = segment_at(placement, position),
          .segments = static_cast<std::int64_t>(placement.segments.size())};
}

/// Notes the suboffsets by which consumers of `Py_buffer` take an indirect axis for a direct one.
void note_signs(const Layout& layout, std::vector<std::string>& notes) {
  for (int level = 1; level <= layout.levels(); ++level) {
    const std::int64_t origin = layout.origins()[static_cast<std::size_t>(level)];
    if (origin < 0)
      notes.push_back(text(
          "the suboffset ", origin, " of level ", level,
          " is negative: Py_buffer says by its sign that no pointer is followed, and consumers "
          "that go by it read the table as if it held elements"));
  }
}

void place_whole(Explanation& explanation, const ArrayView& view, const ExplainOptions& options) {
  std::optional<Resolution> resolution;
  const auto placement = placed_or_noted(explanation.notes, [&] {
    resolution = resolve(view, {.watch = options.watch});
    return place(*resolution, options.placement);
  });
  if (!placement) return;
  explanation.placement = placement->kind;
  explanation.offsets = way_by_offsets(*placement, explanation.index);
  explanation.place =
      place_of(*resolution, *placement, explanation.index, explanation.offsets->position);
  explanation.notes.insert(explanation.notes.end(), placement->notes.begin(),
                           placement->notes.end());
}

}  // namespace

Explanation explain(const ArrayView& view, std::span<const std::int64_t> index,
                    const ExplainOptions& options) {
  Explanation explanation{
      .index = checked_index(view.layout(), index), .shape = view.shape(), .format = view.format()};
  explanation.pointers = way_by_pointers(view, explanation.index);
  if (view.space() == MemorySpace::host) {
    explanation.value = show_element(view.format(), pointer_to(explanation.pointers->position));
  } else {
    explanation.notes.emplace_back(element_not_read);
  }
  note_signs(view.layout(), explanation.notes);
  place_whole(explanation, view, options);
  return explanation;
}

Explanation explain(const DeviceArray& array, std::span<const std::int64_t> index) {
  Explanation explanation{.index = checked_index(array.layout(), index),
                          .shape = array.shape(),
                          .format = array.format()};
  explanation.placement = array.placement();
  const DeviceReader reader(array);
  explanation.offsets = way_of(
      walk(array.layout(), explanation.index, 0, true,
           [&](int level, std::uint64_t position) { return reader.follow(level, position); }),
      reader.is_address());
  explanation.value = reader.value(explanation.offsets->position);
  return explanation;
}

}  // namespace multibuffer
