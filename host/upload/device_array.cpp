#include <multibuffer/device_array.hpp>
#include <multibuffer/error.hpp>
#include <multibuffer/stages/place.hpp>

#include "host/backend/backend.hpp"
#include "host/upload/internals.hpp"
#include "host/upload/storage.hpp"

#include <cstddef>
#include <cstdint>
#include <utility>

namespace multibuffer {

DeviceArray::DeviceArray(std::shared_ptr<const Storage> storage, Layout layout)
    : storage_(std::move(storage)), format_(storage_->format), layout_(std::move(layout)) {}

const Device& DeviceArray::device() const noexcept { return storage_->device; }
PlacementKind DeviceArray::placement() const noexcept { return storage_->placement; }
std::int64_t DeviceArray::storage_bytes() const noexcept {
  std::int64_t bytes = storage_->memory->bytes();
  for (const std::shared_ptr<Memory>& arena : storage_->arenas) bytes += arena->bytes();
  return bytes;
}

std::optional<DeviceBuffer> DeviceArray::as_buffer() const {
  // On a GPU one block has to stand for all that is read; on the host nothing is ordered.
  const bool is_one_block = storage_->arenas.size() <= 1 || device().kind() == DeviceKind::host;
  if (layout_.levels() > 0 || !is_one_block) return std::nullopt;
  DeviceBuffer::Parts parts{.device = device(),
                            .format = format_,
                            .shape = shape(),
                            .strides = {},
                            .data = nullptr,
                            // In memory of others, the array's own block is what uses are told of.
                            .memory = storage_->lent ? storage_->lent : storage_->memory,
                            .stream = {},
                            .pending = nullptr,
                            .owner = storage_,
                            .readonly = true};
  if (!storage_->arenas.empty()) parts.memory = storage_->arenas.front();
  for (const Axis& axis : layout_.axes()) parts.strides.push_back(axis.stride);
  if (!layout_.empty()) {
    // Offsets of arrays in place, and of those that share their leaves, are addresses.
    const auto base = reinterpret_cast<std::uintptr_t>(storage_->base);
    // NOLINTNEXTLINE(performance-no-int-to-ptr): see above
    parts.data =
        reinterpret_cast<std::byte*>(base + static_cast<std::uintptr_t>(layout_.origins()[0]));
  }
  return DeviceBuffer(std::move(parts));
}

std::vector<DeviceBuffer> DeviceArray::tables() const {
  const Storage& storage = *storage_;
  std::vector<DeviceBuffer> tables;
  if (storage.through) {
    tables = storage.through->before.tables();
    tables.insert(tables.begin(), storage.through->table);
    return tables;
  }
  for (std::size_t level = 0; level < storage.tables.size(); ++level) {
    const PlanTable& table = storage.tables[level];
    Format format = table.wide ? native_format<std::int64_t>() : native_format<std::uint32_t>();
    const std::int64_t itemsize = format.itemsize();
    tables.push_back(make_buffer({.device = device(),
                                  .format = std::move(format),
                                  .shape = {storage.table_entries[level]},
                                  .strides = {itemsize},
                                  .data = static_cast<std::byte*>(const_cast<void*>(table.data)),
                                  .memory = storage.memory,
                                  .stream = {},
                                  .pending = nullptr,
                                  .owner = storage_,
                                  .readonly = true}));
  }
  return tables;
}

std::uintptr_t DeviceArray::address() const noexcept {
  return reinterpret_cast<std::uintptr_t>(storage_->base);
}
std::int64_t DeviceArray::unit() const noexcept { return storage_->unit; }

DeviceBuffer DeviceArray::require_buffer() const {
  std::optional<DeviceBuffer> buffer = as_buffer();
  if (!buffer)
    throw Failure(Errc::invalid_argument,
                  "the elements are behind pointer tables, or in several blocks; copy() makes them "
                  "dense");
  return std::move(*buffer);
}

DeviceArray upload(const ArrayView& view, const Device& device, const UploadOptions& options) {
  if (options.keep_sources) return upload_sharing(view, device, options, nullptr);
  const Aliases aliases =
      options.placement == PlacementKind::in_place ? Aliases::ignored : Aliases::found;
  const Resolution resolution = resolve(view, {aliases, options.watch, options.checked});
  return upload(place(resolution, options.placement, options.simplify), device, options);
}

DeviceArray upload(const Placement& placement, const Device& device, const UploadOptions& options) {
  if (options.keep_sources)
    throw Failure(Errc::invalid_argument, "sources can be kept of a view, not of a placement");
  if (placement.kind == PlacementKind::in_place) backend_of(device).check_in_place(placement);
  return make_array(make_storage(placement, device, options), placement.layout);
}

}  // namespace multibuffer
