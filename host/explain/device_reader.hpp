#pragma once

#include <multibuffer/device_array.hpp>
#include <multibuffer/explain.hpp>

#include <cstddef>
#include <cstdint>
#include <string>

namespace multibuffer {

struct Storage;

/// Reads single entries and elements of an uploaded array from its device, which waits for what
/// writes them. Keeps a reference to the array.
class DeviceReader {
 public:
  explicit DeviceReader(const DeviceArray& array);

  /// The step from an entry of a level's offset array to where it leads.
  Step follow(int level, std::uint64_t position) const;
  /// The element at a position in the leaves, as `show_element` writes it.
  std::string value(std::uint64_t position) const;
  /// Tells whether positions in the leaves are addresses: those of arrays in place.
  bool is_address() const noexcept;
  std::int64_t unit() const noexcept;

 private:
  void read(void* to, const std::byte* from, std::int64_t bytes) const;

  const DeviceArray& array_;
  const Storage& storage_;
};

}  // namespace multibuffer
