#include "host/python/support/strided.hpp"

#include "host/upload/storage.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

namespace multibuffer::python {

std::optional<DeviceBuffer> strided(const DeviceArray& array) {
  const Layout& layout = array.layout();
  const std::shared_ptr<const Storage>& storage = array.storage();
  // With sources kept, the leaf lies in an arena of its own. Several have no one block to wait for.
  if (layout.levels() > 0 || storage->arenas.size() > 1) return {};
  DeviceBuffer::Parts parts{.device = storage->device,
                            .format = array.format(),
                            .shape = array.shape(),
                            .strides = {},
                            .data = storage->memory->data(),
                            .memory = storage->memory,
                            .stream = nullptr,
                            .pending = nullptr,
                            .owner = storage};
  if (storage->lent) parts.memory = storage->lent;
  if (!storage->arenas.empty()) parts.memory = storage->arenas[0];
  for (const Axis& axis : layout.axes()) parts.strides.push_back(axis.stride);
  // Origins of an array in place are addresses. Without elements they mean nothing.
  if (!layout.empty()) {
    const auto base = reinterpret_cast<std::uintptr_t>(storage->base);
    const auto origin = static_cast<std::uintptr_t>(layout.origins()[0]);
    // NOLINTNEXTLINE(performance-no-int-to-ptr): an address that the placement worked out
    parts.data = reinterpret_cast<std::byte*>(base + origin);
  }
  return DeviceBuffer(std::move(parts));
}

}  // namespace multibuffer::python
