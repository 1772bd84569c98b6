#include <multibuffer/explain.hpp>

#include "host/explain/json.hpp"
#include "host/explain/words.hpp"
#include "host/support/text.hpp"

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace multibuffer {
namespace {

std::string hexadecimal(std::uint64_t address) {
  // NOLINTNEXTLINE(performance-no-int-to-ptr): an address, to be written
  return text(reinterpret_cast<const void*>(address));
}

/// A step of one way or of both that do the same, to be written on one line.
struct StepPair {
  const Step* by_pointers = nullptr;
  const Step* by_offsets = nullptr;
};

bool do_the_same(const Step& a, const Step& b) { return a.kind == b.kind && a.axis == b.axis; }

/// Pairs the steps of both ways. Where tables became strides, steps have no partner.
std::vector<StepPair> paired(const WayToElement* pointers, const WayToElement* offsets) {
  std::vector<StepPair> pairs;
  if (pointers)
    for (const Step& step : pointers->steps) pairs.push_back({&step, nullptr});
  if (!offsets) return pairs;
  std::size_t at = 0;
  for (const Step& step : offsets->steps) {
    const auto partner = std::find_if(
        pairs.begin() + static_cast<std::ptrdiff_t>(at), pairs.end(), [&](const StepPair& pair) {
          return pair.by_pointers && do_the_same(*pair.by_pointers, step);
        });
    if (partner != pairs.end()) {
      partner->by_offsets = &step;
      at = static_cast<std::size_t>(partner - pairs.begin()) + 1;
    } else {
      pairs.insert(pairs.begin() + static_cast<std::ptrdiff_t>(at++), {nullptr, &step});
    }
  }
  return pairs;
}

std::string position_text(const Step& step, bool is_address) {
  if (!step.in_bytes) return text("entry ", step.position);
  return is_address ? hexadecimal(step.position) : text("byte ", step.position);
}

/// The steps of an array in place begin at address 0, which no one should read as one.
std::string offset_position(const Step& step, const WayToElement& way) {
  const bool begins = step.kind == StepKind::start && way.is_address;
  return begins && step.in_bytes ? "0" : position_text(step, way.is_address);
}

/// Says what a step does. The last origin of an array in place is an address, and is written as
/// one.
std::string words_of(const Step& step, bool by_pointers, bool is_address) {
  const bool moves_to_index_0 = step.kind == StepKind::origin || step.kind == StepKind::suboffset;
  if (by_pointers || !is_address || !step.in_bytes || !moves_to_index_0)
    return describe(step, by_pointers);
  return text("+ ", hexadecimal(static_cast<std::uint64_t>(step.added)),
              ": the address that offsets count from");
}

std::string place_text(const Explanation& explanation) {
  if (!explanation.place) return {};
  const ElementPlace& place = *explanation.place;
  std::string line = text("leaf ", place.leaf, " of ", place.leaves);
  if (place.segment)
    line += text(", in segment ", *place.segment, " of ", place.segments, ", at byte ",
                 explanation.offsets->position, " of the arena");
  return line;
}

std::string heading(const Explanation& explanation) {
  const std::string of_what = explanation.row_length
                                  ? rows_words(explanation.shape, explanation.format)
                                  : "an " + array_words(explanation.shape, explanation.format);
  std::string line = text("element ", index_text(explanation.index), " of ", of_what);
  if (!explanation.value.empty()) line += text(": ", explanation.value);
  return line + '\n';
}

std::string offsets_heading(const Explanation& explanation) {
  std::string line = "by the offset arrays";
  if (explanation.placement) line += text(" (", name_of(*explanation.placement), ")");
  return line;
}

std::string aligned_steps(const Explanation& explanation) {
  const WayToElement* const pointers = explanation.pointers ? &*explanation.pointers : nullptr;
  const WayToElement* const offsets = explanation.offsets ? &*explanation.offsets : nullptr;
  using Cells = std::vector<std::string>;
  std::vector<Cells> rows;
  Cells first;
  if (pointers) first.insert(first.end(), {"by the exporter's pointers", ""});
  if (offsets) first.insert(first.end(), {offsets_heading(explanation), ""});
  rows.push_back(first);
  for (const StepPair& pair : paired(pointers, offsets)) {
    Cells cells;
    if (pointers) {
      const bool any = pair.by_pointers != nullptr;
      cells.push_back(any ? describe(*pair.by_pointers, true) : "");
      cells.push_back(any ? position_text(*pair.by_pointers, true) : "");
    }
    if (offsets) {
      const bool any = pair.by_offsets != nullptr;
      cells.push_back(any ? words_of(*pair.by_offsets, false, offsets->is_address) : "");
      cells.push_back(any ? offset_position(*pair.by_offsets, *offsets) : "");
    }
    rows.push_back(std::move(cells));
  }
  return columns_text(rows);
}

std::string plain_steps(const WayToElement& way, bool by_pointers, std::string_view name) {
  std::string lines;
  for (const Step& step : way.steps)
    lines += text(name, ": ", words_of(step, by_pointers, way.is_address), ": ",
                  by_pointers ? position_text(step, true) : offset_position(step, way), '\n');
  return lines;
}

void write_step(JsonWriter& json, const Step& step, bool by_pointers, bool is_address) {
  json.object();
  json.key("kind").words(name_of(step.kind));
  json.key("words").words(words_of(step, by_pointers, is_address));
  json.key("level").number(step.level);
  if (step.kind == StepKind::stride)
    json.key("axis")
        .number(step.axis)
        .key("index")
        .number(step.index)
        .key("stride")
        .number(step.stride);
  if (step.kind == StepKind::follow && !by_pointers)
    json.key("entry").number(step.entry).key("unit").number(step.unit);
  if (step.kind == StepKind::origin || step.kind == StepKind::stride ||
      step.kind == StepKind::suboffset)
    json.key("added").number(step.added);
  json.key("position");
  if (step.in_bytes && is_address) {
    json.address(step.position);
  } else {
    json.number(static_cast<std::int64_t>(step.position));
  }
  json.key("in").words(step.in_bytes ? "bytes" : "entries").end();
}

void write_way(JsonWriter& json, const std::optional<WayToElement>& way, bool by_pointers) {
  if (!way) {
    json.null();
    return;
  }
  json.object().key("steps").list();
  for (const Step& step : way->steps) write_step(json, step, by_pointers, way->is_address);
  json.end().key("position");
  if (way->is_address) {
    json.address(way->position);
  } else {
    json.number(static_cast<std::int64_t>(way->position));
  }
  json.key("is_address").truth(way->is_address).end();
}

void write_place(JsonWriter& json, const ElementPlace& place) {
  json.object().key("leaf").number(place.leaf).key("leaves").number(place.leaves);
  json.key("segment");
  if (place.segment) {
    json.number(*place.segment);
  } else {
    json.null();
  }
  json.key("segments").number(place.segments).end();
}

}  // namespace

std::string describe(const Step& step, bool by_pointers) {
  switch (step.kind) {
    case StepKind::start:
      if (by_pointers) return "start at the base address";
      return step.in_bytes ? "start at byte 0" : "start at entry 0";
    case StepKind::origin:
      return text(signed_text(step.added), ": where index 0 is");
    case StepKind::stride:
      return text("+ ", step.index, " * ", step.stride, ": index ", step.index, " of axis ",
                  step.axis);
    case StepKind::follow:
      if (by_pointers) return text("follow the pointer there (level ", step.level, ")");
      if (step.unit == 1) return text("read the entry there (level ", step.level, ")");
      return text("read the entry there (level ", step.level, "): ", step.entry, " * ", step.unit);
    case StepKind::suboffset:
      return text(signed_text(step.added), ": the suboffset, to index 0");
  }
  return {};
}

std::string describe(const Explanation& explanation, TextStyle style) {
  std::string lines = heading(explanation);
  if (style == TextStyle::aligned) {
    lines += '\n' + aligned_steps(explanation) + '\n';
  } else {
    if (explanation.pointers) lines += plain_steps(*explanation.pointers, true, "pointers");
    if (explanation.offsets) lines += plain_steps(*explanation.offsets, false, "offsets");
  }
  if (explanation.row_length)
    lines += text("row ", explanation.index[0], " has ",
                  count_text(*explanation.row_length, "item", "items"), '\n');
  if (const std::string place = place_text(explanation); !place.empty()) lines += place + '\n';
  for (const std::string& note : explanation.notes) lines += text("note: ", note, '\n');
  return lines;
}

std::string to_json(const Explanation& explanation) {
  JsonWriter json;
  json.object().key("index").list();
  for (const std::int64_t each : explanation.index) json.number(each);
  json.end().key("shape").list();
  for (std::size_t axis = 0; axis < explanation.shape.size(); ++axis) {
    const bool differs = explanation.row_length && axis == 1;
    differs ? json.null() : json.number(explanation.shape[axis]);
  }
  json.end().key("row_length");
  explanation.row_length ? json.number(*explanation.row_length) : json.null();
  json.key("format").words(explanation.format.text());
  json.key("value").words(explanation.value);
  json.key("pointers");
  write_way(json, explanation.pointers, true);
  json.key("offsets");
  write_way(json, explanation.offsets, false);
  json.key("placement");
  if (explanation.placement) {
    const bool in_place = *explanation.placement == PlacementKind::in_place;
    json.words(in_place ? "in_place" : name_of(*explanation.placement));
  } else {
    json.null();
  }
  json.key("place");
  if (explanation.place) {
    write_place(json, *explanation.place);
  } else {
    json.null();
  }
  json.key("notes").list();
  for (const std::string& note : explanation.notes) json.words(note);
  return json.end().end().text();
}

}  // namespace multibuffer
