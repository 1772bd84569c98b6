#pragma once

#include <multibuffer/ragged.hpp>

#include "host/python/indexing/indexing.hpp"

#include <pybind11/pybind11.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

/// The arguments of pack() and pad(), for `RaggedArray` and its reference.
namespace multibuffer::python {

/// Which rows are asked for: all, or those of an index array along one axis, which lives here.
class AskedRows {
 public:
  /// Reads the argument `rows` for `count` rows: None, integers, or a mask, which becomes the
  /// indices of what is true in it. Throws IndexError for anything else, for a mask of another
  /// length, and for an array that has not one axis.
  AskedRows(pybind11::handle rows, std::int64_t count, IndexMode mode,
            OnDevice on_device = OnDevice::copied);
  /// The rows that a[key] selects.
  AskedRows(IndexArray index, std::int64_t count);

  IndexMode mode() const noexcept { return mode_; }
  bool are_all() const noexcept { return !index_; }
  bool are_on_device() const { return index_ && index_->on_device; }
  /// Brings indices on a device to the host.
  void fetch();
  /// Borrows from this object.
  RowSelection selection();

  /// How many rows there will be.
  std::int64_t count() const;
  /// The numbers of the rows, in order. Throws IndexError for one out of range. Not for indices on
  /// a device.
  std::vector<std::int64_t> numbers() const;
  /// The indices as they are; nothing for all rows. Not for indices on a device.
  std::optional<std::vector<std::int64_t>> indices() const;

 private:
  void settle();

  std::optional<IndexArray> index_;
  std::int64_t rows_ = 0;
  IndexMode mode_ = IndexMode::raise;
};

/// Reads offsets_dtype: the bytes of an offset. Throws ValueError unless it is int32 or int64.
int offset_bytes_of(pybind11::handle dtype);

/// Reads `fill`: one element of `format`, or nothing for zeros. A number becomes an element as it
/// would in an array; bytes are the element itself; an array without axes is one or the other.
/// Throws ValueError for a number that an integer element cannot be, and TypeError for elements
/// that are no numbers where they are not given as bytes.
std::vector<std::byte> fill_argument(pybind11::handle fill, const Format& format);

/// Read side and truncate: 'right' or 'left'; truncate also as a bool. Throw ValueError for others.
PadSide side_argument(pybind11::handle side);
Truncation truncation_argument(pybind11::handle truncate);

/// Reads an argument that is None or an integer from 0 on.
std::optional<std::int64_t> count_argument(pybind11::handle object, const char* name);

/// Tells whether a key indexes more than the rows.
bool has_several_entries(pybind11::handle key);

}  // namespace multibuffer::python
