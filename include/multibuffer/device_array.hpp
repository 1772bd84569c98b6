#pragma once

#include <multibuffer/array_view.hpp>
#include <multibuffer/device.hpp>
#include <multibuffer/stages/place.hpp>
#include <multibuffer/watch.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace multibuffer {

class Memory;
struct Storage;

struct UploadOptions {
  PlacementKind placement = PlacementKind::automatic;
  Simplify simplify;
  /// Kept alive as long as the array, if that is in place or keeps its sources. Arrays in place
  /// need it; where sources are kept, it sees to it that their addresses stay theirs.
  std::shared_ptr<const void> owner;
  /// The block that the elements lie in, if it is the library's (`DeviceBuffer::memory`) and they
  /// are used in place: work on the array is then ordered with all other work on the block.
  std::shared_ptr<Memory> memory;
  StreamHandle stream = nullptr;
  Watch watch;
  /// Remembers where each leaf came from (some 80 bytes of host memory a leaf), so that
  /// `update_pointers` can share them with another array.
  bool keep_sources = false;
};

/// An array of pointers on a device: leaves in one arena, offset arrays where the pointer tables
/// were, and a layout to view them through. Views share the storage and move no data; the storage
/// is freed after the last of them, and after all work on it.
///
/// Constness is shallow, as that of a `std::span<T>`, here and in a `DeviceBuffer`: what is `const`
/// stays the same view of the same elements, which `update`, and a result's `data()`, may write.
class DeviceArray {
 public:
  const Layout& layout() const noexcept { return layout_; }
  const Format& format() const noexcept { return format_; }
  const Device& device() const noexcept;
  PlacementKind placement() const noexcept;
  int ndim() const noexcept { return layout_.ndim(); }
  std::int64_t itemsize() const noexcept { return format().itemsize(); }
  std::vector<std::int64_t> shape() const { return layout_.shape(); }
  std::int64_t nbytes() const { return layout_.size() * itemsize(); }
  /// What the arena and the offset arrays take on the device.
  std::int64_t storage_bytes() const noexcept;

  /// The view operations, as on `Layout`.
  DeviceArray slice(int axis, const Slice& slice) const { return with(layout_.slice(axis, slice)); }
  DeviceArray index(int axis, std::int64_t index) const { return with(layout_.index(axis, index)); }
  DeviceArray permute(std::span<const int> axes) const { return with(layout_.permute(axes)); }
  DeviceArray transpose() const { return with(layout_.transpose()); }
  DeviceArray reverse(int axis) const { return with(layout_.reverse(axis)); }
  DeviceArray insert_axis(int axis) const { return with(layout_.insert_axis(axis)); }
  DeviceArray apply(const ViewOperation& operation) const { return with(layout_.apply(operation)); }
  std::optional<DeviceArray> reshape(std::span<const std::int64_t> shape) const {
    std::optional<Layout> layout = layout_.reshape(shape);
    if (!layout) return {};
    return with(std::move(*layout));
  }

  /// A field of struct elements, as a view: elements of the field's type, with the axes of its
  /// sub-array last. Throws `format_unsupported` if elements are no structs, `invalid_argument` if
  /// they have no such field.
  DeviceArray field(std::string_view name) const;
  /// Several fields, as a view: the same elements with these fields alone (`fields_of`).
  DeviceArray fields(std::span<const std::string> names) const {
    return part(0, fields_of(format_, names));
  }
  /// What lies `offset` bytes into each element, as elements of `format`; `axes` come last, their
  /// strides in bytes, their levels of no account. Throws `invalid_argument` if some of it lies
  /// outside of the element.
  DeviceArray part(std::int64_t offset, Format format, std::span<const Axis> axes = {}) const;

  /// For the library itself.
  DeviceArray(std::shared_ptr<const Storage> storage, Layout layout);
  const std::shared_ptr<const Storage>& storage() const noexcept { return storage_; }

 private:
  DeviceArray with(Layout layout) const {
    DeviceArray result = *this;
    result.layout_ = std::move(layout);
    return result;
  }

  std::shared_ptr<const Storage> storage_;
  Format format_;  ///< the storage's, or that of a part of its elements
  Layout layout_;
};

/// Resolves, places and transfers `view`. Returns after the last read of the source (in place: the
/// source stays in use for the array's life). Throws what `resolve` and `place` throw, and
/// `out_of_device_memory` with the bytes asked for and free.
DeviceArray upload(const ArrayView& view, const Device& device, const UploadOptions& options = {});

/// The same from a placement already made.
DeviceArray upload(const Placement& placement, const Device& device,
                   const UploadOptions& options = {});

}  // namespace multibuffer
