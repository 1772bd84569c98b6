#include "host/ragged/selected_rows.hpp"

#include <multibuffer/error.hpp>

#include "host/gather/staged_indices.hpp"
#include "host/ragged/ragged_storage.hpp"
#include "host/support/text.hpp"

#include <vector>

namespace multibuffer {
namespace {

/// Reads each index once, so that an array that changes meanwhile is not believed twice.
template <class T>
void read_entries(SelectedRows& selected, const T* values, const PlanIndices& indices,
                  IndexMode mode) {
  selected.entries.resize(static_cast<std::size_t>(selected.count));
  for (std::int64_t i = 0; i < selected.count; ++i) {
    const std::int64_t row = resolve_index(values[i], indices.extent, mode);
    if (row < 0) throw_bad_index(indices, i, values[i]);
    selected.entries[static_cast<std::size_t>(i)] = selected.first + row * selected.step;
  }
}

}  // namespace

SelectedRows selected_rows(const RaggedArray& array, const RowSelection& rows, bool fetches) {
  const RowEntries view = entries_of(array);
  SelectedRows selected{view.count, {}, view.first, view.step, {}};
  if (!rows.indices) return selected;
  const Indices& indices = *rows.indices;
  if (indices.shape().size() != 1)
    throw Failure(Errc::invalid_argument, text("row indices of shape ", tuple_text(indices.shape()),
                                               "; rows are selected by an array of one axis"));
  selected.count = indices.shape()[0];
  PlanIndices plan{.data = indices.data(),
                   .bytes_each = indices.bytes_each(),
                   .axis = 0,
                   .extent = view.count,
                   .level = 0,
                   .stride = view.step,
                   .shape = SmallVector<std::int64_t, 4>(indices.shape()),
                   .steps = {1}};
  if (selected.count == 0) return selected;
  if (view.count == 0)
    throw Failure(Errc::index_out_of_range,
                  text(selected.count, " indices select rows of an array that has none"));
  std::vector<std::byte> fetched;
  const void* values = indices.data();
  if (indices.space() == MemorySpace::device) {
    if (indices.buffer()->device() != array.device())
      throw Failure(Errc::invalid_argument, text("indices on ", indices.buffer()->device().name(),
                                                 " for an array on ", array.device().name()));
    if (!fetches) {
      selected.indices = plan;
      return selected;
    }
    fetched = indices.buffer()->to_host();
    values = fetched.data();
  }
  if (indices.bytes_each() == 4)
    read_entries(selected, static_cast<const std::int32_t*>(values), plan, rows.mode);
  else
    read_entries(selected, static_cast<const std::int64_t*>(values), plan, rows.mode);
  return selected;
}

}  // namespace multibuffer
