#include "host/upload/by_pointers.hpp"

#include <multibuffer/device.hpp>

#include "host/support/address.hpp"
#include "host/upload/internals.hpp"
#include "host/upload/storage.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

namespace multibuffer {
namespace {

constexpr auto pointer_bytes = static_cast<std::int64_t>(sizeof(void*));

/// Entries of a table, where they are those of one axis, one after the other.
std::optional<std::int64_t> entries_of(const ArrayView& view) {
  const Layout& layout = view.layout();
  if (view.space() != MemorySpace::host || layout.levels() != 1 || layout.empty()) return {};
  const Axis* table_axis = nullptr;
  for (const Axis& axis : layout.axes()) {
    if (axis.level > 0) continue;
    if (table_axis) return {};
    table_axis = &axis;
  }
  if (!table_axis || table_axis->stride != pointer_bytes) return {};
  return table_axis->extent;
}

bool any_null(const std::byte* table, std::int64_t entries) {
  bool any = false;
  for (std::int64_t i = 0; i < entries; ++i) {
    std::uintptr_t pointer = 0;
    std::memcpy(&pointer, table + i * pointer_bytes, sizeof pointer);
    any |= pointer == 0;
  }
  return any;
}

}  // namespace

std::optional<DeviceArray> array_by_pointers(const ArrayView& view) {
  static_assert(pointer_bytes == sizeof(std::int64_t));  // entries of an offset array
  const std::optional<std::int64_t> entries = entries_of(view);
  if (!entries) return {};
  const Layout& given = view.layout();
  const std::byte* const table = view.base() + given.origins()[0];
  if (address_of(table) % pointer_bytes != 0 || any_null(table, *entries)) return {};
  std::vector<Axis> axes(given.axes().begin(), given.axes().end());
  for (Axis& axis : axes)
    if (axis.level == 0) axis.stride = 1;  // positions count entries
  Layout layout(std::move(axes), {0, given.origins()[1]});
  std::shared_ptr<const Storage> storage(new Storage{.device = Device::host(),
                                                     .format = view.format(),
                                                     .placement = PlacementKind::in_place,
                                                     .simplify = {},
                                                     .layout = layout,
                                                     .memory = nullptr,
                                                     .tables = {{table, true}},
                                                     .table_entries = {*entries},
                                                     .owner = nullptr,
                                                     .lent = nullptr,
                                                     .known = nullptr,
                                                     .arenas = {}});
  return make_array(std::move(storage), std::move(layout));
}

}  // namespace multibuffer
