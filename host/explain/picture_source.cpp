#include "host/explain/picture_source.hpp"

#include "host/explain/ways.hpp"
#include "host/support/address.hpp"

#include <optional>
#include <utility>
#include <vector>

namespace multibuffer {

PictureSource source_of(const ArrayView& view) {
  PictureSource source{.layout = view.layout(),
                       .start = reinterpret_cast<std::uintptr_t>(view.base()),
                       .itemsize = view.itemsize(),
                       .follow = {},
                       .value = {}};
  source.follow = [](int, std::uint64_t slot) {
    const std::uint64_t pointer = pointer_at(slot);
    return pointer == 0 ? std::nullopt : std::optional(pointer);
  };
  source.value = [view](std::span<const std::int64_t>, std::uint64_t position) {
    return view.space() == MemorySpace::host ? show_element(view.format(), pointer_to(position))
                                             : std::string("?");
  };
  return source;
}

std::string value_at(const ArrayView& view, std::span<const std::int64_t> index) {
  if (view.space() == MemorySpace::device) return "?";
  return show_element(view.format(), pointer_to(way_by_pointers(view, index).position));
}

PictureSource source_of(const Placement& placement, const ArrayView& view) {
  PictureSource source{.layout = placement.layout,
                       .in_entries = true,
                       .itemsize = view.itemsize(),
                       .follow = {},
                       .value = {}};
  source.follow = [&placement](int level, std::uint64_t position) {
    return std::optional(follow_entry(placement, level, position).position);
  };
  source.value = [view](std::span<const std::int64_t> index, std::uint64_t) {
    return value_at(view, index);
  };
  return source;
}

/// An uploaded array: each entry and element that is drawn is an explanation's last step.
PictureSource source_of(const DeviceArray& array, const DeviceReader& reader) {
  PictureSource source{.layout = array.layout(),
                       .in_entries = true,
                       .itemsize = array.itemsize(),
                       .follow = {},
                       .value = {}};
  source.follow = [&reader](int level, std::uint64_t position) {
    return std::optional(reader.follow(level, position).position);
  };
  source.value = [&reader](std::span<const std::int64_t>, std::uint64_t position) {
    return reader.value(position);
  };
  return source;
}

PictureSource source_of(const RaggedReader& reader, const RaggedRows& rows) {
  PictureSource source{.layout = rows.layout,
                       .in_entries = true,
                       .itemsize = rows.format.itemsize(),
                       .follow = {},
                       .value = {}};
  source.follow = [&reader](int, std::uint64_t position) {
    return std::optional(reader.follow(position).position);
  };
  source.value = [&reader](std::span<const std::int64_t>, std::uint64_t position) {
    return reader.value(position);
  };
  return source;
}

Layout without_address(const Layout& layout, std::uint64_t address) {
  std::vector<std::int64_t> origins(layout.origins().begin(), layout.origins().end());
  origins.back() -= static_cast<std::int64_t>(address);
  return Layout({layout.axes().begin(), layout.axes().end()}, std::move(origins));
}

void count_address_before(WayToElement& way, int levels, std::uint64_t address) {
  for (Step& step : way.steps) {
    const bool is_origin =
        step.level == levels && (step.kind == StepKind::origin || step.kind == StepKind::suboffset);
    const bool leads_there = levels == 0
                                 ? step.kind == StepKind::start
                                 : step.kind == StepKind::follow && step.level + 1 == levels;
    if (is_origin) step.added -= static_cast<std::int64_t>(address);
    if (leads_there) step.position += address;
  }
}

std::uint64_t address_in(const Layout& layout, bool is_address) {
  return is_address ? static_cast<std::uint64_t>(layout.origins().back()) : 0;
}

/// Leaves in place are where they were; those in an arena are one block.
Blocks blocks_for(bool is_address) { return is_address ? Blocks::leaves_apart : Blocks::one; }

/// The source of a layout whose last origin counts from `address`.
PictureSource with_address(PictureSource source, std::uint64_t address) {
  const int levels = source.layout.levels();
  source.layout = without_address(source.layout, address);
  if (levels == 0) source.start += address;
  source.follow = [follow = std::move(source.follow), levels, address](int level,
                                                                       std::uint64_t position) {
    const std::optional<std::uint64_t> target = follow(level, position);
    return level + 1 == levels ? std::optional(*target + address) : target;
  };
  return source;
}

}  // namespace multibuffer
