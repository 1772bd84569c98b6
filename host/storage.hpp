#pragma once

#include <multibuffer/device.hpp>
#include <multibuffer/place.hpp>

#include "backend.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace multibuffer {

/// What the views of an uploaded array share.
struct Storage {
  Device device;
  Format format;
  PlacementKind placement;
  std::shared_ptr<Memory> memory;     ///< the arena, then the tables
  const std::byte* base = nullptr;    ///< of the leaves; null in place
  std::int64_t unit = 1;              ///< bytes that the last level's entries count in
  std::vector<PlanTable> tables;      ///< one per level
  std::shared_ptr<const void> owner;  ///< of what is used in place

  /// Queued work may still read what is used in place; only then may its owner go.
  ~Storage() {
    if (owner) memory->wait();
  }
};

}  // namespace multibuffer
