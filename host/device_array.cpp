#include <multibuffer/device_array.hpp>

#include "backend.hpp"
#include "checked.hpp"
#include "storage.hpp"

#include <cstddef>
#include <utility>

namespace multibuffer {
namespace {

constexpr std::int64_t table_alignment = 256;

std::int64_t table_bytes(const OffsetArray& table) {
  return std::visit(
      [](const auto& entries) {
        return static_cast<std::int64_t>(entries.size() * sizeof(entries[0]));
      },
      table);
}

/// Where the arena's parts lie: the leaves from 0 on, then each table.
struct ArenaMap {
  std::vector<std::int64_t> tables;
  std::int64_t bytes = 0;
};
ArenaMap map_arena(const Placement& placement) {
  ArenaMap map{{}, placement.arena_bytes};
  for (const OffsetArray& table : placement.tables) {
    const std::int64_t padding = -map.bytes & (table_alignment - 1);
    map.tables.push_back(checked_add(map.bytes, padding, "the size of the arena"));
    map.bytes = checked_add(map.tables.back(), table_bytes(table), "the size of the arena");
  }
  return map;
}

}  // namespace

DeviceArray::DeviceArray(std::shared_ptr<const Storage> storage, Layout layout)
    : storage_(std::move(storage)), layout_(std::move(layout)) {}

const Format& DeviceArray::format() const noexcept { return storage_->format; }
const Device& DeviceArray::device() const noexcept { return storage_->device; }
PlacementKind DeviceArray::placement() const noexcept { return storage_->placement; }
std::int64_t DeviceArray::storage_bytes() const noexcept { return storage_->memory->bytes(); }

DeviceArray upload(const ArrayView& view, const Device& device, const UploadOptions& options) {
  return upload(place(resolve(view, options.watch), options.placement, options.simplify), device,
                options);
}

DeviceArray upload(const Placement& placement, const Device& device, const UploadOptions& options) {
  Backend& backend = device.backend();
  const bool in_place = placement.kind == PlacementKind::in_place;
  if (in_place) backend.check_in_place(placement);

  const ArenaMap map = map_arena(placement);
  std::shared_ptr<Memory> memory = backend.allocate(map.bytes, options.stream);
  if (map.bytes > 0) backend.upload(placement, map.tables, *memory, options.stream, options.watch);

  std::vector<PlanTable> tables;
  for (std::size_t level = 0; level < placement.tables.size(); ++level)
    tables.push_back({memory->data() + map.tables[level],
                      std::holds_alternative<std::vector<std::int64_t>>(placement.tables[level])});
  const std::byte* base = in_place ? nullptr : memory->data();
  auto storage = std::make_shared<const Storage>(
      device, placement.format, placement.kind, std::move(memory), base, placement.unit,
      std::move(tables), in_place ? options.owner : nullptr);
  return DeviceArray(std::move(storage), placement.layout);
}

}  // namespace multibuffer
