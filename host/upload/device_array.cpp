#include <multibuffer/device_array.hpp>

#include "host/backend/backend.hpp"
#include "host/support/checked.hpp"
#include "host/support/text.hpp"
#include "host/upload/storage.hpp"

#include <algorithm>
#include <cstddef>
#include <string>
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

DeviceArray DeviceArray::field(std::string_view name) const {
  const Field& found = field_of(format_, name);
  std::vector<Axis> axes;
  std::int64_t stride = found.type.size;
  for (std::size_t i = found.shape.size(); i-- > 0; stride *= found.shape[i])
    axes.insert(axes.begin(), {found.shape[i], stride, 0});
  return part(found.offset, format_of(found.type), axes);
}

DeviceArray DeviceArray::part(std::int64_t offset, Format format,
                              std::span<const Axis> axes) const {
  std::int64_t low = offset, high = checked_add(offset, format.itemsize(), "a part of an element");
  std::vector<Axis> all(layout_.axes().begin(), layout_.axes().end());
  bool empty = false;
  for (Axis axis : axes) {
    axis.level = layout_.levels();
    all.push_back(axis);
    empty = empty || axis.extent == 0;
    if (axis.extent <= 1) continue;
    const std::int64_t reach = checked_multiply(axis.stride, axis.extent - 1, "a part's reach");
    std::int64_t& end = reach < 0 ? low : high;
    end = checked_add(end, reach, "a part's reach");
  }
  if (!empty && (low < 0 || high > itemsize()))
    throw Error(Errc::invalid_argument,
                text("bytes ", low, " to ", high, " of elements that have ", itemsize()));
  std::vector<std::int64_t> origins(layout_.origins().begin(), layout_.origins().end());
  // Without elements the numbers mean nothing, and were never validated.
  if (!layout_.empty() && !empty)
    origins.back() = checked_add(origins.back(), offset, "the origin of a part");
  DeviceArray result = with(Layout(std::move(all), std::move(origins)));
  result.format_ = std::move(format);
  return result;
}

DeviceArray upload(const ArrayView& view, const Device& device, const UploadOptions& options) {
  if (options.keep_sources) return upload_sharing(view, device, options, nullptr);
  const Aliases aliases =
      options.placement == PlacementKind::in_place ? Aliases::ignored : Aliases::found;
  const Resolution resolution = resolve(view, options.watch, aliases);
  return upload(place(resolution, options.placement, options.simplify), device, options);
}

DeviceArray upload(const Placement& placement, const Device& device, const UploadOptions& options) {
  if (options.keep_sources)
    throw Error(Errc::invalid_argument, "sources can be kept of a view, not of a placement");
  if (placement.kind == PlacementKind::in_place) device.backend().check_in_place(placement);
  return DeviceArray(make_storage(placement, device, options), placement.layout);
}

}  // namespace multibuffer
