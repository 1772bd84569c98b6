#pragma once

#include <multibuffer/device.hpp>
#include <multibuffer/device_array.hpp>
#include <multibuffer/layout.hpp>
#include <multibuffer/ragged_view.hpp>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace multibuffer {

struct RaggedStorage;
namespace detail {
struct RaggedInternals;  // what the library itself may see of a ragged array
}

/// Rows of unequal length on a device: the rows in one arena (or where they were, in place), and a
/// table each of where they start and how long they are. Views, slices of the rows or fields of the
/// elements, share the storage and move no data; it is freed after the last of them, and after all
/// work on it. Lengths are known on the host, too: asking for them waits for nothing.
///
/// It is a handle, as `DeviceArray` is. Several threads may use one at a time, and its views.
class RaggedArray {
 public:
  std::int64_t rows() const noexcept;
  /// The items of row `row`, which counts from 0. Throws `index_out_of_range`.
  std::int64_t length(std::int64_t row) const;
  /// The items of every row, in order.
  std::vector<std::int64_t> lengths() const;
  /// The items of all rows. Takes time in proportion to the number of rows, as `longest` does.
  /// Throws `size_overflow`: rows without bytes that were taken twice can be too many.
  std::int64_t items() const;
  /// The most items of a row; 0 without rows.
  std::int64_t longest() const;

  /// The axes of an item, each row's own axis left out.
  std::vector<std::int64_t> item_shape() const;
  const Format& format() const noexcept { return format_; }
  std::int64_t itemsize() const noexcept { return format_.itemsize(); }  ///< of an element, bytes
  const Device& device() const noexcept;
  PlacementKind placement() const noexcept;
  /// Bytes that the rows and their tables take on the device.
  std::int64_t storage_bytes() const noexcept;

  /// One row as an array of shape (length, item_shape...), a view without pointer tables: its
  /// elements can be handed on (`as_buffer`). Negative rows count from the end. Throws
  /// `index_out_of_range`.
  DeviceArray row(std::int64_t row) const;
  /// The rows of a slice, in its order. Throws `invalid_argument` for a step of 0.
  RaggedArray slice(const Slice& rows) const;
  /// A field of struct elements, whose sub-array's axes become the last ones of an item. Throws
  /// what `ViewOperations::field` throws.
  RaggedArray field(std::string_view name) const;
  /// The bytes from `offset` into each element as elements of `format`; see
  /// `ViewOperations::reinterpret`. Throws `invalid_argument` for more than `max_axes` axes, those
  /// of the rows and of their items among them.
  RaggedArray reinterpret(std::int64_t offset, Format format,
                          std::span<const Axis> axes = {}) const;

 private:
  friend detail::RaggedInternals;
  RaggedArray(std::shared_ptr<const RaggedStorage> storage, Format format, Layout rows,
              Layout items);
  std::int64_t entry(std::int64_t row) const;

  std::shared_ptr<const RaggedStorage> storage_;
  Format format_;
  Layout rows_;   ///< one axis, whose positions are entries of the tables
  Layout items_;  ///< the items of the longest row, then an item's own axes; bytes from its start
};

/// Places and transfers the rows of `view`. Rows that share a start travel once, with the longest
/// of them. Returns after the last read of the source (in place: the source stays in use for the
/// array's life).
///
/// Rows in device memory are used in place; rows in host memory are packed, one after the other,
/// unless `options` say `in_place` and the device can read them where they are. `simplify` may turn
/// off the narrow tables; `keep_sources` is for arrays that are not ragged. With `checked` each row
/// is proven to lie in memory that can be read.
///
/// Throws `invalid_argument` for a placement that cannot be, naming the row that the device cannot
/// read, `unreadable_memory` (checked) naming the row, `format_unsupported` for elements that hold
/// Python objects, `size_overflow`, and `out_of_device_memory`.
RaggedArray upload(const RaggedView& view, const Device& device, const UploadOptions& options = {});

}  // namespace multibuffer
