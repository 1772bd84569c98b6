#pragma once

#include <multibuffer/layout.hpp>

#include "host/explain/viewed.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace multibuffer {

/// An array as a picture reads it: in a host's memory, by offset arrays in host memory, or on a
/// device. Positions are those of the layout's rule.
struct PictureSource {
  Layout layout;
  std::uint64_t start = 0;  ///< the position that level 0 begins at
  bool in_entries = false;  ///< the positions of all levels but the last one count entries
  std::int64_t itemsize = 1;
  /// Where a slot leads; nothing for NULL.
  std::function<std::optional<std::uint64_t>(int level, std::uint64_t position)> follow;
  /// An element as text, by its index and its position.
  std::function<std::string(std::span<const std::int64_t> index, std::uint64_t position)> value;
  /// Tells whether an index has an element; null: all have. For rows of unequal length, whose
  /// layout has the longest one's extent.
  std::function<bool(std::span<const std::int64_t> index)> has = {};

  std::int64_t cell_size(int level) const {
    if (level == layout.levels()) return itemsize;
    return in_entries ? 1 : static_cast<std::int64_t>(sizeof(void*));
  }
};

/// What lies between two cells, or two lines.
struct PictureGap {
  enum class Kind {
    none,
    hole,     ///< bytes, or entries, that no index leads to
    more,     ///< cells that are not drawn
    skipped,  ///< bytes, or entries, of leaves or tables that are not drawn
  } kind = Kind::none;
  std::int64_t amount = 0;
};

/// A slot, an entry or an element.
struct PictureCell {
  std::uint64_t position = 0;
  std::vector<std::int64_t> index;                ///< of the whole array, the first that leads here
  std::optional<std::vector<std::int64_t>> view;  ///< of the view; nothing for what it leaves out
  std::optional<std::uint64_t> leads_to;          ///< of a slot; nothing for NULL
  bool has_target = true;                         ///< of a slot: an index leads through it
  std::string value;                              ///< of an element
};

struct PictureLine {
  PictureGap before;  ///< the line
  std::vector<PictureCell> cells;
  std::vector<PictureGap> gaps;  ///< one before each cell
  PictureGap after;              ///< the line, where its end is not shown
  std::uint64_t begin = 0;       ///< of the first cell, or of what a pointer leads to before it
  std::uint64_t end = 0;
};

/// Memory that belongs together: a table, or leaves that overlap.
struct PictureBlock {
  int level = 0;
  std::string name;
  std::uint64_t low = 0;  ///< its first byte or entry: names of addresses count from here
  std::vector<PictureLine> lines;
};

/// Where a position is in a picture.
struct PictureSpot {
  std::size_t block = 0;
  std::size_t line = 0;
};

struct PictureModel {
  int levels = 0;
  std::vector<std::vector<PictureBlock>> blocks;  ///< for each level, from the top

  std::optional<PictureSpot> find(int level, std::uint64_t position) const;
};

/// The indices of each axis of an array that a picture shows, ascending.
using ShownIndices = std::vector<std::vector<std::int64_t>>;

/// Picks the indices to show: the ends of each axis, those of the view, and `at`, an index of the
/// whole array, as many as a picture has room for.
ShownIndices shown_indices(const Layout& layout, const ViewedIndices& viewed,
                           std::span<const std::int64_t> view_shape,
                           const std::optional<std::vector<std::int64_t>>& at);

/// What lies together in memory.
enum class Blocks {
  apart,         ///< what overlaps: tables and leaves of an exporter
  one,           ///< all of a level: offset arrays, and leaves in an arena
  leaves_apart,  ///< all of a level, but leaves only where they overlap
};

/// Walks to all elements that are shown, and arranges what lies on the way.
PictureModel make_picture(const PictureSource& source, const ViewedIndices& viewed,
                          const ShownIndices& shown, Blocks blocks);

}  // namespace multibuffer
