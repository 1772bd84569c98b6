#include "host/explain/picture_words.hpp"

#include "host/explain/words.hpp"
#include "host/support/text.hpp"

#include <cstddef>
#include <utility>

namespace multibuffer {
namespace {

/// The name of an exporter's address, by the block that it is in or nearest behind.
std::string address_name(const PictureModel& model, int level, std::uint64_t position) {
  const PictureBlock* nearest = nullptr;
  for (const PictureBlock& block : model.blocks[static_cast<std::size_t>(level)])
    if (block.low <= position && (!nearest || block.low > nearest->low)) nearest = &block;
  if (!nearest) return "?";
  const std::uint64_t offset = position - nearest->low;
  return offset == 0 ? nearest->name : text(nearest->name, " + ", offset);
}

/// "table + 8", also where it is outside of the table.
std::string table_name(const PictureModel& model, const WrongRead& wrong, std::uint64_t position) {
  const PictureSpot table = *model.find(wrong.level, wrong.from);
  const PictureBlock& block = model.blocks[static_cast<std::size_t>(wrong.level)][table.block];
  const auto distance = static_cast<std::int64_t>(position - block.low);
  return distance == 0 ? block.name : text(block.name, ' ', signed_text(distance));
}

}  // namespace

PanelWords words_of_pointers(const PictureModel& model, const Layout& layout,
                             std::int64_t itemsize) {
  PanelWords words;
  words.title = "In the exporter's memory";
  words.base = "base";
  for (int level = 0; level < layout.levels(); ++level)
    words.columns.emplace_back(level == 0 ? "a table of pointers, 8 bytes each"
                                          : "more tables of pointers");
  words.columns.push_back(text(layout.levels() == 0 ? "elements" : "leaves: elements", " of ",
                               count_text(itemsize, "byte", "bytes"),
                               "; above each its index, below it the byte at which it begins"));
  words.name = [&model](int level, std::uint64_t position) {
    return address_name(model, level, position);
  };
  words.slot = [&model](int level, const PictureCell& slot) {
    return "→ " + address_name(model, level + 1, *slot.leads_to);
  };
  return words;
}

PanelWords words_of_offsets(const PictureModel& model, const std::string& device,
                            PlacementKind placement, std::int64_t unit) {
  const bool is_address = placement == PlacementKind::in_place;
  PanelWords words;
  words.base = "start";
  words.title = text("On ", device, ", ", name_of(placement), ": ",
                     model.levels == 0 ? "strides alone" : "offsets in place of pointers");
  const int last = model.levels - 1;
  for (int level = 0; level <= last; ++level)
    words.columns.push_back(level == last && !is_address ? text("offset array, in units of ",
                                                                count_text(unit, "byte", "bytes"))
                                                         : text("offset array ", level));
  words.columns.emplace_back(is_address ? "the leaves, where they are" : "arena, in bytes");
  words.names_lines = !is_address;
  words.name = [&model, last, is_address](int level, std::uint64_t position) {
    if (level <= last) return text("entry ", position);
    return is_address ? address_name(model, level, position) : text("byte ", position);
  };
  words.slot = [&model, last, unit, is_address](int level, const PictureCell& slot) {
    if (level < last) return text(*slot.leads_to);
    return is_address ? "→ " + address_name(model, level + 1, *slot.leads_to)
                      : text(*slot.leads_to / static_cast<std::uint64_t>(unit));
  };
  return words;
}

std::vector<std::vector<std::string>> axes_words(const Layout& layout, AxesIn what) {
  const bool in_entries = what == AxesIn::entries || what == AxesIn::row_entries;
  const bool differ = what == AxesIn::rows || what == AxesIn::row_entries;
  std::vector<std::vector<std::string>> lines;
  if (layout.origins()[0] != 0)
    lines.push_back({"index 0", text("is ", signed_text(layout.origins()[0]), " from the base")});
  for (int level = 0; level <= layout.levels(); ++level) {
    const bool counts_entries = in_entries && level < layout.levels();
    for (int axis = 0; axis < layout.ndim(); ++axis) {
      const Axis& along = layout.axes()[static_cast<std::size_t>(axis)];
      if (along.level == level)
        lines.push_back(
            {text("axis ", axis),
             text(differ && axis == 1 ? "extent up to " : "extent ", grouped_text(along.extent)),
             text("stride ", counts_entries ? count_text(along.stride, "entry", "entries")
                                            : count_text(along.stride, "byte", "bytes"))});
    }
    if (level == layout.levels()) continue;
    const std::string then =
        text(in_entries ? "then read the entry" : "then follow the pointer", ", suboffset ",
             layout.origins()[static_cast<std::size_t>(level) + 1]);
    if (lines.empty() || lines.back().size() != 3) {
      lines.push_back({then});
    } else {
      lines.back().push_back(then);
    }
  }
  return lines;
}

WayInWords in_words(const WayToElement& way, std::string heading, bool by_pointers,
                    const PanelWords& words, std::string end) {
  std::vector<WayInWords::Line> lines;
  for (const Step& step : way.steps) {
    const int level = step.kind == StepKind::follow ? step.level + 1 : step.level;
    const bool follows = step.kind == StepKind::follow && by_pointers;
    lines.push_back({text(lines.size() + 1),
                     follows ? "follow the pointer in that slot" : describe(step, by_pointers),
                     words.name(level, step.position)});
  }
  return {std::move(heading), std::move(lines), std::move(end), "way"};
}

std::optional<WrongRead> read_by_sign(const ArrayView& view, const WayToElement& way) {
  const Layout& layout = view.layout();
  const int last = layout.levels();
  if (last == 0 || layout.origins()[static_cast<std::size_t>(last)] >= 0) return {};
  for (int level = 1; level < last; ++level)
    if (layout.origins()[static_cast<std::size_t>(level)] < 0) return {};
  WrongRead wrong{.level = last - 1, .bytes = view.itemsize()};
  std::uint64_t moved = 0;
  for (const Step& step : way.steps) {
    if (step.level == last - 1 && step.kind != StepKind::follow) wrong.from = step.position;
    if (step.level == last && step.kind == StepKind::stride)
      moved += static_cast<std::uint64_t>(step.added);
  }
  wrong.position = wrong.from + moved;
  return wrong;
}

WayInWords by_sign_in_words(const WayToElement& way, const WrongRead& wrong,
                            const PictureModel& model, const PanelWords& words) {
  std::vector<WayInWords::Line> lines;
  std::uint64_t position = wrong.from;
  for (std::size_t i = 0; i < way.steps.size(); ++i) {
    const Step& step = way.steps[i];
    const bool is_behind = step.level > wrong.level;
    if (step.kind == StepKind::suboffset && is_behind) {
      lines.push_back(
          {"✗", text("the suboffset ", step.added, " is negative: follow no pointer"), {}});
    } else if (step.kind == StepKind::stride && is_behind) {
      position += static_cast<std::uint64_t>(step.added);
      lines.push_back({text(i + 1), describe(step, true), table_name(model, wrong, position)});
    } else if (!is_behind && !(step.kind == StepKind::follow && step.level == wrong.level)) {
      const int level = step.kind == StepKind::follow ? step.level + 1 : step.level;
      lines.push_back({text(i + 1), describe(step, true), words.name(level, step.position)});
    }
  }
  const bool is_inside = model.find(wrong.level, wrong.position).has_value();
  return {"What consumers do that go by the sign", std::move(lines),
          is_inside ? "garbage: a piece of a pointer" : "garbage: memory outside of the array",
          "bad"};
}

std::vector<std::string> warnings_of(std::int64_t suboffset) {
  return {
      "In Python's buffer protocol the sign of a suboffset is a mark: from 0 on it says \"follow "
      "the "
      "pointer\", below 0 \"there is no pointer\".",
      text("This one is ", suboffset,
           ", and a pointer is there. Consumers that go by the sign take the table's bytes for "
           "elements.")};
}

}  // namespace multibuffer
