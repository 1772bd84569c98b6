#pragma once

#include <multibuffer/device.hpp>
#include <multibuffer/device_array.hpp>
#include <multibuffer/device_buffer.hpp>

#include <memory>
#include <utility>

namespace multibuffer {
namespace detail {

/// Lets the library see and make what its public classes hide: their backends, blocks and storage.
struct Internals {
  using BufferParts = DeviceBuffer::Parts;

  static Backend& backend(const Device& device) noexcept { return *device.backend_; }

  static DeviceBuffer buffer(BufferParts parts) { return DeviceBuffer(std::move(parts)); }
  /// The library's block that the elements lie in; null for memory of others.
  static const std::shared_ptr<Memory>& memory(const DeviceBuffer& buffer) noexcept {
    return buffer.parts_.memory;
  }
  /// True if work that the block does not know may still spoil the contents.
  static bool has_pending_work(const DeviceBuffer& buffer) noexcept {
    return buffer.parts_.pending != nullptr;
  }
  /// Keeps the elements, where the library's block does not alone.
  static const std::shared_ptr<const void>& owner(const DeviceBuffer& buffer) noexcept {
    return buffer.parts_.owner;
  }

  static DeviceArray array(std::shared_ptr<const Storage> storage, Layout layout) {
    return DeviceArray(std::move(storage), std::move(layout));
  }
  static const std::shared_ptr<const Storage>& storage(const DeviceArray& array) noexcept {
    return array.storage_;
  }
};

}  // namespace detail

using BufferParts = detail::Internals::BufferParts;

inline Backend& backend_of(const Device& device) noexcept {
  return detail::Internals::backend(device);
}
inline DeviceBuffer make_buffer(BufferParts parts) {
  return detail::Internals::buffer(std::move(parts));
}
inline const std::shared_ptr<Memory>& memory_of(const DeviceBuffer& buffer) noexcept {
  return detail::Internals::memory(buffer);
}
inline bool has_pending_work(const DeviceBuffer& buffer) noexcept {
  return detail::Internals::has_pending_work(buffer);
}
inline const std::shared_ptr<const void>& owner_of(const DeviceBuffer& buffer) noexcept {
  return detail::Internals::owner(buffer);
}
inline DeviceArray make_array(std::shared_ptr<const Storage> storage, Layout layout) {
  return detail::Internals::array(std::move(storage), std::move(layout));
}
inline const std::shared_ptr<const Storage>& storage_of(const DeviceArray& array) noexcept {
  return detail::Internals::storage(array);
}

}  // namespace multibuffer
