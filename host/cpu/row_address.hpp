#pragma once

#include "host/backend/gather_plan.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace multibuffer {

/// Index arrays may be written to while they are read: what is then read is one value, however
/// often it is looked at.
template <class Value>
std::int64_t read_once(const Value* value) {
  return __atomic_load_n(value, __ATOMIC_RELAXED);
}

/// The index that a checked `value` which is not one by itself means. Memory that changed after the
/// check leads to a wrong element, not to one outside of the array.
[[gnu::noinline]] inline std::int64_t other_index(std::int64_t value, std::int64_t extent,
                                                  IndexMode mode) {
  return std::max<std::int64_t>(resolve_index(value, extent, mode), 0);
}

/// What is added to the position of each row of a line: by an index array of `Value`, or, if that
/// is `void`, by the line's own axis.
template <class Value>
struct RowTerm {
  const Value* values;
  std::int64_t step, extent, stride;
  IndexMode mode;

  std::int64_t operator()(std::int64_t row) const {
    const std::int64_t value = read_once(values + row * step);
    const bool is_index = static_cast<std::uint64_t>(value) < static_cast<std::uint64_t>(extent);
    return (is_index ? value : other_index(value, extent, mode)) * stride;
  }
};
template <>
struct RowTerm<void> {
  std::int64_t stride;
  std::int64_t operator()(std::int64_t row) const { return row * stride; }
};

/// Where the rows of a line are read, for a plan with at most one table (of `Entry`; none if that
/// is void) and at most one term on either side of it: all that this takes fits into registers.
template <class Before, class Entry, class After>
struct RowAddress {
  RowTerm<Before> before;
  RowTerm<After> after;
  const Entry* table;
  std::int64_t first;  ///< the position that `before` is added to
  std::int64_t unit;   ///< bytes of one of the table's
  /// A number, since arrays in place have no base: their offsets are addresses.
  std::uintptr_t base;

  const std::byte* operator()(std::int64_t row) const {
    std::int64_t position = first + before(row);
    if constexpr (!std::is_void_v<Entry>)
      position = static_cast<std::int64_t>(table[position]) * unit;
    position += after(row);
    return reinterpret_cast<const std::byte*>(base + static_cast<std::uintptr_t>(position));
  }
};

}  // namespace multibuffer
