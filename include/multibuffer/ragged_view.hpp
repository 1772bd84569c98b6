#pragma once

#include <multibuffer/array_view.hpp>
#include <multibuffer/format.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

namespace multibuffer {

/// Rows of unequal length as their owner describes them. Row i is `length(i)` items that lie one
/// after the other from `start(i)` on, and an item is `item_shape` elements in C order; without
/// axes, it is one element.
///
/// The lists of starts, lengths and offsets are read when a view is made, and may go then. The
/// elements are borrowed: whoever makes the view keeps them alive and unchanged while it, or an
/// array placed in them, is in use. Rows may share their starts, and may overlap. Copies share the
/// lists; several threads may use one at a time.
///
/// What makes views throws `null_pointer` for a row that has bytes and a start of NULL,
/// `invalid_view` for a negative length, an extent that is negative, more than 62 axes of an item,
/// or lists of different lengths, and `size_overflow` if the bytes of a row, or the items of all
/// rows, do not fit. All but the last name the row.
class RaggedView {
 public:
  /// One start and one length, in items, for each row.
  RaggedView(std::span<const std::byte* const> starts, std::span<const std::int64_t> lengths,
             Format format, std::vector<std::int64_t> item_shape = {},
             MemorySpace space = MemorySpace::host);

  /// `T**`: a pointer for each of `lengths`. The elements are in host memory.
  template <class T>
  static RaggedView from_rows(T* const* rows, std::span<const std::int64_t> lengths,
                              std::vector<std::int64_t> item_shape = {}) {
    static_assert(!std::is_pointer_v<T>, "rows are pointers to elements");
    std::vector<const std::byte*> starts;
    starts.reserve(lengths.size());
    for (std::size_t i = 0; i < lengths.size(); ++i)
      starts.push_back(reinterpret_cast<const std::byte*>(rows[i]));
    return RaggedView(starts, lengths, native_format<T>(), std::move(item_shape));
  }

  /// Rows that lie in one array, `values`, whose first axis counts items and whose others are those
  /// of an item: row i is items [offsets[i], offsets[i + 1]). There are as many rows as offsets,
  /// less one; without offsets there are none. (Arrow's List, torch's jagged layout, `cu_seqlens`.)
  /// Offsets are in host memory; `values` is on either side, dense in C order and without pointers.
  /// Throws `invalid_view`, naming the row, for offsets that descend or lie outside of `values`.
  static RaggedView from_offsets(const ArrayView& values, std::span<const std::int64_t> offsets);
  static RaggedView from_offsets(const ArrayView& values, std::span<const std::int32_t> offsets);

  /// As above, in any order, and with lengths of their own (Arrow's ListView): row i is
  /// `lengths[i]` items from `offsets[i]` on.
  static RaggedView from_offsets(const ArrayView& values, std::span<const std::int64_t> offsets,
                                 std::span<const std::int64_t> lengths);

  std::int64_t rows() const noexcept { return static_cast<std::int64_t>(rows_->lengths.size()); }
  /// The items of all rows.
  std::int64_t items() const noexcept { return rows_->items; }
  /// The most items of a row; 0 without rows.
  std::int64_t longest() const noexcept { return rows_->longest; }
  const std::byte* start(std::int64_t row) const { return starts()[static_cast<std::size_t>(row)]; }
  std::int64_t length(std::int64_t row) const { return lengths()[static_cast<std::size_t>(row)]; }
  std::span<const std::byte* const> starts() const noexcept { return rows_->starts; }
  std::span<const std::int64_t> lengths() const noexcept { return rows_->lengths; }

  const Format& format() const noexcept { return format_; }
  const std::vector<std::int64_t>& item_shape() const noexcept { return item_shape_; }
  /// Bytes of an item.
  std::int64_t item_bytes() const noexcept { return item_bytes_; }
  MemorySpace space() const noexcept { return space_; }

 private:
  struct Rows {
    std::vector<const std::byte*> starts;
    std::vector<std::int64_t> lengths;
    std::int64_t items = 0;
    std::int64_t longest = 0;
  };
  RaggedView(Rows rows, Format format, std::vector<std::int64_t> item_shape, MemorySpace space);
  template <class Offset>
  static RaggedView between(const ArrayView& array, std::span<const Offset> offsets);

  Format format_;
  std::vector<std::int64_t> item_shape_;
  std::int64_t item_bytes_;
  MemorySpace space_;
  std::shared_ptr<const Rows> rows_;
};

}  // namespace multibuffer
