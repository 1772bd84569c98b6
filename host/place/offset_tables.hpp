#pragma once

#include <multibuffer/layout.hpp>
#include <multibuffer/stages/place.hpp>
#include <multibuffer/stages/sequence.hpp>

#include "host/resolve/slot_set.hpp"

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

namespace multibuffer {

/// The levels of a placement that is being made. Entries of the last level count bytes.
class OffsetTables {
 public:
  OffsetTables(const Layout& layout, std::vector<Sequence> tables);

  std::size_t levels() const { return tables_.size(); }
  const Sequence& table(std::size_t level) const { return tables_[level]; }
  void set_table(std::size_t level, Sequence entries) { tables_[level] = std::move(entries); }
  void move_origin(std::size_t level, std::int64_t distance) { origins_[level] += distance; }
  Layout layout() const { return Layout(axes_, origins_); }

  /// Returns the positions of `level` that indices reach.
  SlotSet reached(std::size_t level) const { return reached(level, starts(level), nullptr); }

  /// Returns true if the entries of `level` are affine in each of its indices.
  bool is_affine(std::size_t level) const { return affine_strides(level).has_value(); }

  /// Removes `level` if its entries are affine in each of its indices: its axes get strides in the
  /// next level, and its constants are added to the entries of the level before. Returns true if
  /// it was removed.
  bool flatten(std::size_t level);

 private:
  SlotSet starts(std::size_t level) const;
  bool moves(const Axis& axis, std::size_t level) const;
  SlotSet reached(std::size_t level, SlotSet set, const Axis* shortened) const;
  std::optional<std::vector<std::int64_t>> affine_strides(std::size_t level) const;
  std::optional<std::int64_t> step_along(const Axis& axis, const SlotSet& positions) const;

  std::vector<Axis> axes_;
  std::vector<std::int64_t> origins_;
  std::vector<Sequence> tables_;
};

/// The range and the common factor of the entries that are reached.
struct CommonFactor {
  std::int64_t count = 0;
  std::int64_t first = 0;
  std::int64_t least = 0;
  std::int64_t most = 0;
  std::int64_t factor = 0;  ///< the largest divisor of every entry's distance from the first

  void append(const CommonFactor& next);
};
CommonFactor common_factor(const Sequence& entries, const SlotSet& reached);

/// The most that an entry of 32 bits can be.
inline constexpr std::int64_t narrow_limit = std::numeric_limits<std::uint32_t>::max();

/// Returns (entry - least) / unit for each entry that is reached, and 0 for the others; in 32 bits
/// if `narrow`.
OffsetArray counted(const Sequence& entries, const SlotSet& reached, std::int64_t least,
                    std::int64_t unit, bool narrow);

/// The entries of a last level, which lead to bytes: byte `least` + entry * `unit`.
struct ByteEntries {
  OffsetArray table;
  bool narrow = false;  ///< of 32 bits
  std::int64_t least = 0;
  std::int64_t unit = 1;
  std::int64_t alignment = any_alignment;  ///< as `Placement::entry_alignment`
};
/// Counts bytes from the lowest one in their common factor, in 32 bits where they fit; or, unless
/// `narrow`, from 0 in bytes.
ByteEntries byte_entries(const Sequence& bytes, const SlotSet& reached, bool narrow);

}  // namespace multibuffer
