#pragma once

#include <multibuffer/stack.hpp>

#include "host/python/inputs/source.hpp"
#include "host/python/support/owner.hpp"

#include <pybind11/pybind11.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

namespace multibuffer::python {

/// The arrays of a list, read in one pass. Most lists are of arrays that lie alike, and then a part
/// is an address: no format is parsed for it, and no memory asked for.
struct Parts {
  /// Neighbours in the list that say the same of themselves.
  struct Run {
    std::size_t first = 0;  ///< the number of the first part; the run ends where the next begins
    Source source;          ///< that part, without an owner
  };
  std::vector<Run> runs;
  std::vector<const std::byte*> starts;  ///< of every part: where its index 0 is
  std::vector<std::int64_t> lengths;     ///< of rows: the extent of axis 0; else there are none
  Owner owner;                           ///< keeps the memory of all
  std::optional<std::size_t> copied;     ///< the number of the first row that was copied

  /// One past the last part of a run.
  std::size_t end(std::size_t run) const {
    return run + 1 < runs.size() ? runs[run + 1].first : starts.size();
  }
};

/// The keeper of tensors while the parts are in use, of types that DLPack's exchange table has.
enum class Holding {
  objects,  ///< their Python objects: for reading, at a tenth of the time
  tensors   ///< managed tensors, which also say whether they may be written to
};

/// Formats that mean the same become one, spelt as in part 0. Throws TypeError if `sequence` is no
/// sequence, ValueError if it is empty or its parts are not on one device.
Parts parts_of(pybind11::handle sequence, Holding holding, Route route = Route::shortest);

/// The arrays of a list as rows of any length: dense, of one format and of one shape but for the
/// first axis. Those that are not dense are copied. Throws ValueError, naming the first row that
/// differs from row 0, TypeError if `sequence` is no sequence, and ValueError if it is empty or its
/// rows are not on one device.
Parts rows_of(pybind11::handle sequence, Route route);

/// A pointer table over the parts where they lie. Throws `invalid_view`, naming the first part that
/// differs from part 0.
Stack stack_parts(Parts& parts);

/// Like `stack_parts`, but runs that lie differently are copied first, as `dense_copy` does by the
/// route; throws ValueError for parts of another shape or format.
Stack gather_parts(Parts& parts, Route route);

/// Returns true if no pointer leads to the elements, and their strides are those of C order. Those
/// of an array without elements may be others.
bool is_dense(const ArrayView& view);

}  // namespace multibuffer::python
