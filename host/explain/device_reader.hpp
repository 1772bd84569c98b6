#pragma once

#include <multibuffer/device_array.hpp>
#include <multibuffer/explain.hpp>
#include <multibuffer/ragged_array.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
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

/// Likewise for an array of rows of unequal length. Where rows start is known on the host; elements
/// are read as those of a row, since all rows are in one storage. Keeps a reference to the array.
class RaggedReader {
 public:
  explicit RaggedReader(const RaggedArray& array);
  RaggedReader(const RaggedReader&) = delete;
  RaggedReader& operator=(const RaggedReader&) = delete;

  Step follow(std::uint64_t position) const;
  std::string value(std::uint64_t position) const { return elements_->value(position); }
  bool is_address() const noexcept;
  std::int64_t unit() const noexcept;

 private:
  const RaggedArray& array_;
  // Nothing where there are no rows, and so no elements.
  std::optional<DeviceArray> row_;
  std::optional<DeviceReader> elements_;
};

}  // namespace multibuffer
