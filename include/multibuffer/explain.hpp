#pragma once

#include <multibuffer/array_view.hpp>
#include <multibuffer/device_array.hpp>
#include <multibuffer/format.hpp>
#include <multibuffer/placement_options.hpp>
#include <multibuffer/plan.hpp>
#include <multibuffer/ragged_array.hpp>
#include <multibuffer/ragged_view.hpp>
#include <multibuffer/watch.hpp>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace multibuffer {

/// What one step on the way to an element does. The steps of a level come in this order, and those
/// of the next level follow a pointer, or read an entry of an offset array.
enum class StepKind {
  start,      ///< begins: at the base address, at entry 0, or at byte 0 of the arena
  origin,     ///< adds where index 0 is in level 0
  stride,     ///< adds index * stride of one axis
  follow,     ///< goes where the pointer, or the entry, says
  suboffset,  ///< adds where index 0 is behind a pointer: PEP 3118's suboffset
};

/// One step to an element. Positions are bytes or, within an offset array, entries.
struct Step {
  StepKind kind = StepKind::start;
  int level = 0;
  int axis = -1;               ///< of `stride`
  std::int64_t index = 0;      ///< of `stride`: the index of that axis, not negative
  std::int64_t stride = 0;     ///< of `stride`
  std::int64_t entry = 0;      ///< of `follow`, by offsets: what the offset array holds
  std::int64_t unit = 1;       ///< of `follow`, by offsets: bytes that `entry` counts in, or 1
  std::int64_t added = 0;      ///< what an `origin`, a `stride` or a `suboffset` adds
  std::uint64_t position = 0;  ///< after the step
  bool in_bytes = true;        ///< the unit of `position` and `added`; else they count entries
};

/// The steps to one element, by an exporter's pointers or by offset arrays.
struct WayToElement {
  std::vector<Step> steps;
  /// The element's address or, in an arena, its byte.
  std::uint64_t position = 0;
  bool is_address = true;
};

/// Where the bytes of an element come from, and which part of the arena takes them.
struct ElementPlace {
  std::int64_t leaf = 0;    ///< id
  std::int64_t leaves = 1;  ///< how many distinct ones there are
  /// The segment that the element travels in; nothing for an array in place.
  std::optional<std::int64_t> segment;
  std::int64_t segments = 0;
};

/// How an index leads to one element: step by step through the exporter's memory, and then through
/// the arrays that stand for its pointers on a device.
struct Explanation {
  std::vector<std::int64_t> index;  ///< not negative
  std::vector<std::int64_t> shape;  ///< of rows of unequal length: with the longest row's extent
  Format format;
  /// The items of the index's row, where rows are of unequal length.
  std::optional<std::int64_t> row_length = {};
  /// The steps by the exporter's pointers; nothing for an array that is on a device already.
  std::optional<WayToElement> pointers = {};
  /// The steps by offset arrays. Nothing where the array cannot be placed; then a note says why.
  std::optional<WayToElement> offsets = {};
  std::optional<PlacementKind> placement = {};
  std::optional<ElementPlace> place = {};
  std::string value = {};  ///< as `show_element` writes it; empty where it was not read
  /// Sentences: why the array cannot be placed, which tables became strides, and what others get
  /// wrong about it.
  std::vector<std::string> notes = {};
};

struct ExplainOptions {
  PlacementKind placement = PlacementKind::automatic;
  Watch watch = {};
};

/// Explains how `index`, one number an axis, leads to an element. Negative ones count from the end.
/// Follows the pointers to that element, and resolves and places the whole array, as `upload`
/// would; nothing is uploaded. An element in device memory is not read.
///
/// Throws `invalid_argument` for another number of indices, `index_out_of_range`, and
/// `null_pointer` if a pointer on the way is NULL; NULLs elsewhere become a note.
Explanation explain(const ArrayView& view, std::span<const std::int64_t> index,
                    const ExplainOptions& options = {});

/// The same for an uploaded array, from its offset arrays. Reads one entry a level, and the
/// element, from the device; waits for what writes them. Throws `index_out_of_range` also for an
/// entry of a caller's table (`DeviceArray::through`) that leads nowhere.
Explanation explain(const DeviceArray& array, std::span<const std::int64_t> index);

/// The same for rows of unequal length. `index` is a row, an item of it, and an index for each axis
/// of an item; a negative item counts from the end of its row. Throws `index_out_of_range` also for
/// an item that its row does not have. The start and the length of a row on a device are known on
/// the host; the element is read.
Explanation explain(const RaggedView& view, std::span<const std::int64_t> index,
                    const ExplainOptions& options = {});
Explanation explain(const RaggedArray& array, std::span<const std::int64_t> index);

/// How `describe` writes.
enum class TextStyle {
  aligned,  ///< both ways side by side, for people
  plain,    ///< a step a line, one way after the other, for pipes
};

/// An explanation as text, lines that end in '\n'.
std::string describe(const Explanation& explanation, TextStyle style = TextStyle::aligned);

/// What a step does, in a few words: "+ 3 * 8: index 3 of axis 0".
std::string describe(const Step& step, bool by_pointers);

/// A plan's explanation as text, and as one object of JSON.
std::string describe(const PlanExplanation& explanation, TextStyle style = TextStyle::aligned);
std::string to_json(const PlanExplanation& explanation);

/// An explanation as one object of JSON, with the names of the structs above. Addresses are
/// strings, "0x7f12", since numbers of 64 bits are no numbers in most readers.
std::string to_json(const Explanation& explanation);

}  // namespace multibuffer
