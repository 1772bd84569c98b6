#pragma once

#include <cstddef>
#include <cstdint>

namespace multibuffer {

/// Addresses as numbers: signed, since strides and distances between addresses are.
inline std::int64_t address_of(const void* pointer) noexcept {
  return static_cast<std::int64_t>(reinterpret_cast<std::uintptr_t>(pointer));
}

/// The byte at an address that was computed, or found in a table.
inline const std::byte* pointer_to(std::int64_t address) noexcept {
  // NOLINTNEXTLINE(performance-no-int-to-ptr): that is what this function is for
  return reinterpret_cast<const std::byte*>(address);
}
inline const std::byte* pointer_to(std::uint64_t address) noexcept {
  return pointer_to(static_cast<std::int64_t>(address));
}

/// Bytes of memory, as numbers: [begin, end). Empty where these are equal.
struct AddressRange {
  std::uintptr_t begin = 0, end = 0;

  bool meets(const AddressRange& other) const { return begin < other.end && other.begin < end; }
  bool holds(const AddressRange& other) const { return begin <= other.begin && other.end <= end; }
};

}  // namespace multibuffer
