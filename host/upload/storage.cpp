#include "host/upload/storage.hpp"

#include "host/support/checked.hpp"
#include "host/upload/internals.hpp"

#include <new>
#include <utility>
#include <variant>

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

}  // namespace

Storage::~Storage() {
  // A block of the library's waits by itself.
  const bool borrows_table = through && !memory_of(through->table);
  if ((!owner && !borrows_table) || memory->wait()) return;
  // The device refuses to wait. Then they stay for ever: memory that is lost does no harm.
  static_cast<void>(new (std::nothrow) std::shared_ptr<const void>(std::move(owner)));
  static_cast<void>(new (std::nothrow) std::shared_ptr<const void>(std::move(through)));
}

std::vector<UsedMemory> blocks_of(const Storage& storage) {
  std::vector<UsedMemory> blocks;
  blocks.reserve(storage.arenas.size() + 4);  // mostly, a gather adds its output and its indices
  for (const std::shared_ptr<Memory>& arena : storage.arenas) blocks.push_back({arena});
  if (storage.memory) blocks.push_back({storage.memory});
  if (storage.lent) blocks.push_back({storage.lent});
  for (const ThroughTable* at = storage.through.get(); at != nullptr;
       at = storage_of(at->before)->through.get())
    if (const std::shared_ptr<Memory>& memory = memory_of(at->table)) blocks.push_back({memory});
  return blocks;
}

const Storage& uploaded_storage(const DeviceArray& array) {
  const Storage* storage = storage_of(array).get();
  while (storage->through) storage = storage_of(storage->through->before).get();
  return *storage;
}

ArenaMap map_arena(const Placement& placement) {
  ArenaMap map{{}, placement.arena_bytes};
  for (const OffsetArray& table : placement.tables) {
    const std::int64_t padding = -map.bytes & (table_alignment - 1);
    map.tables.push_back(checked_add(map.bytes, padding, "the size of the arena"));
    map.bytes = checked_add(map.tables.back(), table_bytes(table), "the size of the arena");
  }
  return map;
}

std::shared_ptr<Storage> make_storage(const Placement& placement, const Device& device,
                                      const UploadOptions& options) {
  Backend& backend = backend_of(device);
  const ArenaMap map = map_arena(placement);
  std::shared_ptr<Memory> memory = backend.allocate(map.bytes, options.stream);
  if (map.bytes > 0) backend.upload(placement, map.tables, *memory, options.stream, options.watch);

  std::vector<PlanTable> tables;
  std::vector<std::int64_t> table_entries;
  for (std::size_t level = 0; level < placement.tables.size(); ++level) {
    const OffsetArray& table = placement.tables[level];
    tables.push_back({memory->data() + map.tables[level],
                      std::holds_alternative<LargeVector<std::int64_t>>(table)});
    table_entries.push_back(
        std::visit([](const auto& entries) { return std::ssize(entries); }, table));
  }
  const bool in_place = placement.kind == PlacementKind::in_place;
  const std::byte* base = in_place ? nullptr : memory->data();
  return std::shared_ptr<Storage>(new Storage{.device = device,
                                              .format = placement.format,
                                              .placement = placement.kind,
                                              .simplify = options.simplify,
                                              .layout = placement.layout,
                                              .memory = std::move(memory),
                                              .base = base,
                                              .unit = placement.unit,
                                              .arena_bytes = placement.arena_bytes,
                                              .entry_alignment = placement.entry_alignment,
                                              .tables = std::move(tables),
                                              .table_entries = std::move(table_entries),
                                              .owner = in_place ? options.owner : nullptr,
                                              .lent = in_place ? options.memory : nullptr,
                                              .known = nullptr,
                                              .arenas = {}});
}

}  // namespace multibuffer
