#pragma once

#include <multibuffer/device_array.hpp>
#include <multibuffer/device_buffer.hpp>
#include <multibuffer/stages/place.hpp>

#include "host/backend/backend.hpp"
#include "host/upload/clear_ranges.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

namespace multibuffer {

/// Where leaves have been brought to, by where they came from: for arrays that may share them with
/// arrays made later (`UploadOptions::keep_sources`).
struct KnownLeaves {
  struct Leaf {
    const std::byte* address = nullptr;  ///< of its element at index 0, in the device's memory
    std::shared_ptr<Memory> arena;
  };
  std::vector<Axis> source_axes;  ///< of every leaf, in the source
  std::vector<Axis> axes;         ///< the same as they lie on the device
  std::unordered_map<const std::byte*, Leaf> leaves;
};

struct ThroughTable;

/// The state that the views of an uploaded array share.
struct Storage {
  Device device;
  Format format;
  PlacementKind placement;
  Simplify simplify;                ///< what it was placed with
  Layout layout;                    ///< of all of it, before any view
  std::shared_ptr<Memory> memory;   ///< the arena, then the tables
  const std::byte* base = nullptr;  ///< of the leaves; null where offsets are addresses
  std::int64_t unit = 1;            ///< bytes that the last level's entries count in
  std::int64_t arena_bytes = 0;     ///< of the leaves in `memory`
  std::int64_t entry_alignment = any_alignment;  ///< as in `Placement`
  std::vector<PlanTable> tables;                 ///< one per level
  std::vector<std::int64_t> table_entries;       ///< how many each of them has
  std::shared_ptr<const void> owner;             ///< of what is used in place
  std::shared_ptr<Memory> lent;              ///< a block of others that is used in place, or null
  std::shared_ptr<const KnownLeaves> known;  ///< null unless sources are kept
  std::vector<std::shared_ptr<Memory>> arenas;       ///< then, where its leaves are
  mutable ClearRanges clear = {};                    ///< of what is used in place
  std::shared_ptr<const ThroughTable> through = {};  ///< of an array by `through`, else null
  bool is_ragged_row = false;  ///< a row of a ragged array, whose other rows are in `memory`, too

  /// Waits for queued work that may still read what is used in place; only then may its owner go.
  ~Storage();
};

/// The first level of an array by `DeviceArray::through`: a table of the caller's, which is read at
/// each use.
struct ThroughTable {
  DeviceArray before;  ///< whose axis goes through it
  DeviceBuffer table;
};

/// The storage of what was uploaded, from that of an array with any number of tables before it.
const Storage& uploaded_storage(const DeviceArray& array);

/// All blocks that reading the array's elements may touch, to be read.
std::vector<UsedMemory> blocks_of(const Storage& storage);

/// Where an arena's parts lie: the leaves from 0 on, then each table.
struct ArenaMap {
  std::vector<std::int64_t> tables;
  std::int64_t bytes = 0;
};
ArenaMap map_arena(const Placement& placement);

/// Allocates and fills what `placement` describes.
std::shared_ptr<Storage> make_storage(const Placement& placement, const Device& device,
                                      const UploadOptions& options);

/// An array of its own whose leaves, where `before` has them, are those; the others are brought.
DeviceArray upload_sharing(const ArrayView& view, const Device& device,
                           const UploadOptions& options, const Storage* before);

}  // namespace multibuffer
