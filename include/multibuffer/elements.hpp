#pragma once

#include <multibuffer/array_view.hpp>
#include <multibuffer/device_array.hpp>
#include <multibuffer/element_iterator.hpp>
#include <multibuffer/element_view.hpp>
#include <multibuffer/ragged_array.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

namespace multibuffer {

/// Says which formats a C++ type reads. Arithmetic types, `std::byte` and complex types read their
/// own. Any other type, a struct of yours or `__half`, reads elements of its size, in this
/// machine's byte order, whose meaning is then your word; specialise this to have the format
/// checked, too:
///
///     template <>
///     struct multibuffer::ElementFormat<__half> {
///       static std::optional<multibuffer::Format> get() { return multibuffer::Format("e", 2); }
///     };
template <class T>
struct ElementFormat {
  static std::optional<Format> get() {
    if constexpr (std::is_arithmetic_v<T> || std::is_same_v<T, std::byte> || ComplexNumber<T>)
      return native_format<T>();
    else
      return std::nullopt;
  }
};

namespace detail {

struct ElementType {
  std::optional<Format> format;
  std::int64_t size = 1;
  std::int64_t alignment = 1;
};
template <class T>
ElementType element_type() {
  using Plain = std::remove_cv_t<T>;
  return {ElementFormat<Plain>::get(), sizeof(Plain), alignof(Plain)};
}

/// What a view of any type, rank and number of tables is made of.
struct FoundElements {
  struct Table {
    const void* data = nullptr;  ///< where index 0 is
    bool is_wide = false;
  };
  const unsigned char* base = nullptr;  ///< where index 0 of the leaves is
  std::int64_t unit = 1;
  std::vector<Table> tables;
  std::vector<Axis> axes;  ///< levels up to tables.size()

  template <int Rank, int Levels>
  ElementLayout<Rank, Levels> layout() const {
    ElementLayout<Rank, Levels> layout{};
    layout.unit = unit;
    const int missing = Levels - static_cast<int>(tables.size());
    for (std::size_t level = 0; level < tables.size(); ++level) {
      layout.tables[missing + static_cast<int>(level)] = tables[level].data;
      layout.wide[missing + static_cast<int>(level)] = tables[level].is_wide ? 1 : 0;
    }
    for (std::size_t axis = 0; axis < axes.size(); ++axis) {
      layout.extents[axis] = axes[axis].extent;
      layout.strides[axis] = axes[axis].stride;
      layout.level_of[axis] = static_cast<unsigned char>(axes[axis].level + missing);
    }
    return layout;
  }

  /// Of two axes and one table at most.
  RowsLayout rows_layout() const;
};
/// Throws what `elements` throws.
FoundElements find_elements(const DeviceArray& array, const ElementType& type, int rank,
                            int levels);
FoundElements find_rows(const DeviceArray& array, const ElementType& type);

struct FoundRows {
  const unsigned char* base = nullptr;
  RowsLayout layout{};
};
FoundRows find_rows(const RaggedArray& array, const ElementType& type);

}  // namespace detail

/// A view of `array` for kernels, or for loops on the host: see `ElementView`. It borrows: keep the
/// array. T may be written with or without const; the view is of const elements.
///
/// `Levels` is the most pointer tables that the array may have: rows whose addresses turned out
/// even have none, so name the most that your pointers can need, 1 for a `T**`. Throws
/// `invalid_argument`, saying what would be right, if
/// - the array has another rank, or more tables than `Levels`;
/// - the format is not T's (`ElementFormat`), or its bytes are swapped;
/// - some element may not be aligned for T, which a device does not forgive.
template <class T, int Rank, int Levels = 1>
ElementView<const std::remove_const_t<T>, Rank, Levels> elements(const DeviceArray& array) {
  const detail::FoundElements found =
      detail::find_elements(array, detail::element_type<T>(), Rank, Levels);
  return {found.base, found.layout<Rank, Levels>()};
}

/// The rows of an array of two axes that has one table at most, as that of a `T**`. Throws what
/// `elements` throws, and `invalid_argument` if the last axis counts entries of the table, as in a
/// transposed array.
template <class T>
RowsView<const std::remove_const_t<T>> rows(const DeviceArray& array) {
  const detail::FoundElements found = detail::find_rows(array, detail::element_type<T>());
  return {found.base, found.rows_layout()};
}

/// The rows of unequal length of a ragged array whose items are single elements: `row.size()` is
/// the length of each. Throws what `elements` throws, and `invalid_argument` for items that have
/// axes.
template <class T>
RowsView<const std::remove_const_t<T>> rows(const RaggedArray& array) {
  const detail::FoundRows found = detail::find_rows(array, detail::element_type<T>());
  return {found.base, found.layout};
}

/// Calls `visit` with the view of the array's own number of tables, 0 to 3, and returns what it
/// returns: a kernel is then compiled for each number, and has no instruction too many. Throws
/// what `elements` throws.
template <class T, int Rank, class Visit>
decltype(auto) visit_elements(const DeviceArray& array, Visit&& visit) {
  switch (array.layout().levels()) {
    case 0:
      return std::forward<Visit>(visit)(elements<T, Rank, 0>(array));
    case 1:
      return std::forward<Visit>(visit)(elements<T, Rank, 1>(array));
    case 2:
      return std::forward<Visit>(visit)(elements<T, Rank, 2>(array));
    default:
      return std::forward<Visit>(visit)(elements<T, Rank, 3>(array));
  }
}

}  // namespace multibuffer
