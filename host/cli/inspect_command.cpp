#include "host/cli/inspect_command.hpp"

#include <multibuffer/dataset.hpp>
#include <multibuffer/multibuffer.hpp>

#include "host/cli/dataset_input.hpp"
#include "host/cli/index_expression.hpp"
#include "host/cli/progress.hpp"
#include "host/cli/table.hpp"
#include "host/support/text.hpp"

#include <cstddef>
#include <iostream>
#include <string>
#include <utility>
#include <variant>

namespace multibuffer::cli {
namespace {

template <class Number>
std::string cell(const Number& number) {
  return text(number);
}

std::string levels_text(int levels, const char* of_what) {
  return text(levels, levels == 1 ? " level of " : " levels of ", of_what);
}

void print_axes(const Layout& layout, const char* tables_hold) {
  Table table{{"axis", "extent", "stride", "level", "steps over"}};
  int number = 0;
  for (const Axis& axis : layout.axes()) {
    table.push_back({cell(number++), cell(axis.extent), cell(axis.stride), cell(axis.level),
                     axis.level < layout.levels() ? tables_hold : "elements"});
  }
  if (layout.ndim() > 0) print(std::cout, table);
}

const char* name_of(PlacementKind kind) {
  switch (kind) {
    case PlacementKind::automatic:
      return "automatic";
    case PlacementKind::packed:
      return "packed: distinct leaves, dense";
    case PlacementKind::preserved:
      return "preserved: the leaves' hulls, as they lie";
    case PlacementKind::in_place:
      return "in place: the leaves stay where they are";
  }
  return "";
}

void print_resolution(const Resolution& resolution) {
  std::cout << "resolved\n";
  Table table;
  for (std::size_t level = 0; level < resolution.tables.size(); ++level) {
    table.push_back({text("level ", level), text(resolution.tables[level].size(), " entries")});
  }
  table.push_back({"pointers read", cell(resolution.pointers_read)});
  table.push_back({"distinct leaves", cell(resolution.leaves.size())});
  print(std::cout, table);
}

std::int64_t table_bytes(const Placement& placement) {
  std::int64_t bytes = 0;
  for (const OffsetArray& offsets : placement.tables) {
    bytes += std::visit(
        [](const auto& entries) {
          return static_cast<std::int64_t>(entries.size() * sizeof(entries[0]));
        },
        offsets);
  }
  return bytes;
}

void print_placement(const Placement& placement) {
  std::int64_t leaf_bytes = 0;
  for (const Segment& segment : placement.segments) leaf_bytes += segment.bytes;
  const std::int64_t offset_bytes = table_bytes(placement);
  std::cout << "placed " << name_of(placement.kind) << '\n';
  Table table{{"segments", cell(placement.segments.size())},
              {"leaves", bytes_text(leaf_bytes)},
              {"offset arrays", bytes_text(offset_bytes)},
              {"will travel", bytes_text(leaf_bytes + offset_bytes)}};
  for (const std::string& note : placement.notes) table.push_back({"note", note});
  print(std::cout, table);
  std::cout << "on the device: " << levels_text(placement.layout.levels(), "offset arrays") << '\n';
  print_axes(placement.layout, "entries");
}

template <class Array>
Array indexed(Array array, const InspectOptions& options) {
  if (!options.index) return array;
  for (const ViewOperation& operation : parse_index(*options.index, array.shape())) {
    array = array.apply(operation);
  }
  return array;
}

std::string what_it_is(const std::string& name, const std::string& descr, const auto& array) {
  return text(name, ": array of shape ", tuple_text(array.shape()), ", dtype ",
              files::shortened(descr), ", ", bytes_text(array.nbytes()));
}

/// Prints what the stages make of a view.
int inspect(const ArrayView& view, const std::string& what, const InspectOptions& options,
            Progress& progress) {
  std::cout << what << ", " << levels_text(view.layout().levels(), "pointers") << '\n';
  print_axes(view.layout(), "pointers");
  const Resolution resolution =
      progress.run("resolve", [&](const Watch& watch) { return resolve(view, {.watch = watch}); });
  print_resolution(resolution);
  print_placement(
      progress.run("place", [&](const Watch&) { return place(resolution, options.placement); }));
  return 0;
}

int inspect_dataset(const InspectOptions& options, Progress& progress) {
  const Dataset dataset =
      indexed(progress.run(
                  "open", [&](const Watch&) { return open_dataset(options.inputs, options.join); }),
              options);
  const std::string what =
      what_it_is(describe_dataset(dataset, options.inputs), dataset.descr(), dataset);
  if (const auto mapped = dataset.mapped()) return inspect(mapped->view, what, options, progress);
  std::cout << what << ", in pieces that no table of pointers to rows can say: gathers read what "
            << "they select, piece by piece\n";
  return 0;
}

}  // namespace

int run_inspect(const InspectOptions& options, std::stop_token stop) {
  Progress progress(std::move(stop));
  if (is_dataset(options.inputs)) return inspect_dataset(options, progress);
  const Inputs inputs = progress.run(
      "read", [&](const Watch& watch) { return Inputs(options.inputs, options.join, watch); });
  const ArrayView view = indexed(inputs.view(), options);
  return inspect(view, what_it_is(inputs.description(), inputs.descr(), view), options, progress);
}

}  // namespace multibuffer::cli
