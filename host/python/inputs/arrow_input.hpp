#pragma once

#include <multibuffer/array_view.hpp>

#include <pybind11/pybind11.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace multibuffer::python {

/// A column of Arrow's, where it lies: one part for each batch of rows, and what keeps their
/// memory. A column without rows is one part of its type.
struct ArrowColumn {
  std::vector<ArrayView> parts;
  std::shared_ptr<const void> owner;
};

/// The lists of a column as rows of any length, where they lie, and what keeps their memory.
struct ArrowRows {
  std::vector<const std::byte*> starts;
  std::vector<std::int64_t> lengths;  ///< in items
  Format format = Format("B", 1);
  std::vector<std::int64_t> item_shape;
  std::shared_ptr<const void> owner;
};

/// Tells whether an object of another library is read by Arrow's C interfaces: whether its type has
/// `__arrow_c_stream__` or `__arrow_c_array__`. Throws nothing.
bool is_arrow(pybind11::handle object);

/// Takes what objects hand over by Arrow's C stream interface or, where they have none, by its C
/// data interface, one after the other: a column, or a table of one column. Elements are numbers,
/// timestamps and durations as NumPy has them (those in a zone are UTC), other dates and times as
/// the integers that they are stored as, fixed-size binaries, and fixed-size lists of these at any
/// nesting, whose lengths are further axes; arrow.fixed_shape_tensor has the
/// shape that it says. A stream is read to its end, with the GIL released.
///
/// Producers are not trusted, apart from the addresses and the sizes of their buffers, which the
/// interface does not tell: throws TypeError for elements that cannot be gathered where they lie
/// (with the way out), ValueError for nulls (with the batch and the row) and for a structure that
/// contradicts itself, and OSError with the producer's own words where a stream breaks off.
ArrowColumn arrow_column(const pybind11::object& objects);

/// Takes a column of lists, large lists, list views or fixed-size lists as rows: by the same
/// interfaces, of the same elements, and with the same errors. Offsets and sizes are checked
/// against the elements that there are. Elements that are null matter only where a list has them.
ArrowRows arrow_rows(const pybind11::object& object);

}  // namespace multibuffer::python
