#pragma once

#include <multibuffer/ragged_array.hpp>
#include <multibuffer/stages/place.hpp>

#include "host/backend/ragged_plan.hpp"
#include "host/upload/storage.hpp"

#include <cstdint>
#include <memory>
#include <utility>
#include <variant>
#include <vector>

namespace multibuffer {

/// The state that the views of an uploaded ragged array share.
struct RaggedStorage {
  std::shared_ptr<const Storage> storage;  ///< of the elements; its tables are here
  std::shared_ptr<Memory> tables;          ///< null where they lie in the storage's own block
  PlanTable starts;                        ///< in the device's memory
  PlanTable lengths;
  // The same on the host, so that what follows from them waits for no device.
  OffsetArray host_starts;
  OffsetArray host_lengths;
};

inline std::int64_t entry_of(const OffsetArray& table, std::int64_t position) {
  return std::visit(
      [&](const auto& entries) {
        return static_cast<std::int64_t>(entries[static_cast<std::size_t>(position)]);
      },
      table);
}

/// All blocks that reading the rows may touch, to be read.
inline std::vector<UsedMemory> blocks_of(const RaggedStorage& ragged) {
  std::vector<UsedMemory> blocks = blocks_of(*ragged.storage);
  if (ragged.tables) blocks.push_back({ragged.tables});
  return blocks;
}

namespace detail {

struct RaggedInternals {
  static RaggedArray array(std::shared_ptr<const RaggedStorage> storage, Format format, Layout rows,
                           Layout items) {
    return RaggedArray(std::move(storage), std::move(format), std::move(rows), std::move(items));
  }
  static const RaggedStorage& storage(const RaggedArray& array) noexcept { return *array.storage_; }
  static const Layout& rows(const RaggedArray& array) noexcept { return array.rows_; }
  static const Layout& items(const RaggedArray& array) noexcept { return array.items_; }
};

}  // namespace detail

inline const RaggedStorage& storage_of(const RaggedArray& array) noexcept {
  return detail::RaggedInternals::storage(array);
}

/// The rows of a view as entries of its tables: entry first + row * step.
struct RowEntries {
  std::int64_t count = 0;
  std::int64_t first = 0;
  std::int64_t step = 1;
};
inline RowEntries entries_of(const RaggedArray& array) noexcept {
  const Layout& rows = detail::RaggedInternals::rows(array);
  return {rows.axes()[0].extent, rows.origins()[0], rows.axes()[0].stride};
}

/// The items of a row, at bytes from its start: axis 0 counts them, and the others are an item's.
inline const Layout& items_of(const RaggedArray& array) noexcept {
  return detail::RaggedInternals::items(array);
}

}  // namespace multibuffer
