#include <multibuffer/elements.hpp>
#include <multibuffer/error.hpp>

#include "host/ragged/ragged_storage.hpp"
#include "host/support/address.hpp"
#include "host/support/text.hpp"
#include "host/upload/internals.hpp"
#include "host/upload/storage.hpp"

#include <cstddef>
#include <cstdint>
#include <string>

namespace multibuffer::detail {
namespace {

[[noreturn]] void refuse(const std::string& why) { throw Failure(Errc::invalid_argument, why); }

std::string tables_text(int count) { return count == 1 ? "1 table" : text(count, " tables"); }

void check_shape(const DeviceArray& array, int rank, int levels) {
  if (array.ndim() != rank)
    refuse(text("an array of ", array.ndim(), " axes, of shape ", tuple_text(array.shape()),
                ", for a view of ", rank, "; ask for a Rank of ", array.ndim(),
                ", or index or reshape the array"));
  if (array.layout().levels() > levels)
    refuse(text("the elements lie behind ", tables_text(array.layout().levels()),
                ", for a view through ", levels,
                " at most; ask for Levels = ", array.layout().levels(), ", or copy() the array"));
}

void check_format(const Format& format, const ElementType& type) {
  if (!format.opaque() && !is_native(format.type()))
    refuse(text("elements of format '", format.text(), "' have the other byte order; to_native() ",
                "copies them in this machine's"));
  if (type.format ? !same_meaning(format, *type.format) : format.itemsize() != type.size)
    refuse(text("elements of format '", format.text(), "', ", format.itemsize(), " bytes, for a ",
                type.format ? text("type of format '", type.format->text(), "'")
                            : text("type of ", type.size, " bytes"),
                "; name their type, or let copy() convert them (its option `format`)"));
}

/// Throws unless `distance`, which is part of all addresses, is a multiple of the alignment.
void check_aligned(std::int64_t distance, std::int64_t alignment, const std::string& what) {
  if (alignment_of(distance) < alignment)
    refuse(text(what, ", and elements of this type are aligned to ", alignment, " bytes; upload ",
                "them packed, or copy() the array"));
}

/// Throws unless rows behind a table, the first of which begins at `base`, are aligned.
void check_rows_aligned(const void* base, std::int64_t entry_alignment, std::int64_t alignment) {
  check_aligned(address_of(base), alignment,
                text("rows begin ", address_of(base) % alignment, " bytes past a multiple"));
  check_aligned(entry_alignment, alignment,
                text("rows lie at multiples of ", entry_alignment, " bytes from each other"));
}

void check_axis_aligned(std::size_t axis, const Axis& of, std::int64_t alignment) {
  if (of.extent > 1)
    check_aligned(of.stride, alignment,
                  text("axis ", axis, " has a stride of ", of.stride, " bytes"));
}

/// Throws unless all addresses are multiples of the alignment: the first, and each distance.
void check_alignment(const DeviceArray& array, const FoundElements& found,
                     std::int64_t entry_alignment, std::int64_t alignment) {
  if (found.tables.empty())
    check_aligned(address_of(found.base), alignment,
                  text("the first element is at the address ", address_of(found.base)));
  else
    check_rows_aligned(found.base, entry_alignment, alignment);
  for (std::size_t axis = 0; axis < found.axes.size(); ++axis)
    if (found.axes[axis].level == array.layout().levels())
      check_axis_aligned(axis, found.axes[axis], alignment);
}

/// `distance` bytes on, in numbers: of an array in place, or without elements, neither is a pointer
/// into anything.
template <class T>
T* moved(T* from, std::int64_t distance) {
  // NOLINTNEXTLINE(performance-no-int-to-ptr): see above
  return reinterpret_cast<T*>(reinterpret_cast<std::uintptr_t>(from) +
                              static_cast<std::uintptr_t>(distance));
}

}  // namespace

FoundElements find_elements(const DeviceArray& array, const ElementType& type, int rank,
                            int levels) {
  check_shape(array, rank, levels);
  check_format(array.format(), type);
  const Storage& storage = *storage_of(array);
  const Layout& layout = array.layout();
  FoundElements found;
  found.base = moved(reinterpret_cast<const unsigned char*>(storage.base), layout.origins().back());
  found.unit = storage.unit;
  found.axes.assign(layout.axes().begin(), layout.axes().end());
  for (std::size_t level = 0; level < storage.tables.size(); ++level) {
    const PlanTable& table = storage.tables[level];
    const std::int64_t bytes = layout.origins()[level] * (table.wide ? 8 : 4);
    found.tables.push_back({moved(table.data, bytes), table.wide});
  }
  if (!layout.empty()) check_alignment(array, found, storage.entry_alignment, type.alignment);
  return found;
}

RowsLayout FoundElements::rows_layout() const {
  RowsLayout layout{};
  layout.count = axes[0].extent;
  layout.length = axes[1].extent;
  layout.stride = axes[1].stride;
  layout.unit = unit;
  // A table that the axis does not move through has one entry, which leads to all rows.
  const bool moves_in_table = axes[0].level < static_cast<int>(tables.size());
  (moves_in_table ? layout.step : layout.distance) = axes[0].stride;
  if (tables.empty()) return layout;
  layout.table = tables[0].data;
  layout.wide = tables[0].is_wide ? 1 : 0;
  return layout;
}

FoundElements find_rows(const DeviceArray& array, const ElementType& type) {
  FoundElements found = find_elements(array, type, 2, 1);
  if (found.axes[1].level != array.layout().levels())
    refuse(
        "axis 1, the last one, counts entries of a pointer table, so that the array has no rows; "
        "transpose() it, or copy() it");
  return found;
}

FoundRows find_rows(const RaggedArray& array, const ElementType& type) {
  if (!array.item_shape().empty())
    refuse(text("rows of items of shape ", tuple_text(array.item_shape()),
                ", for a view of rows of elements; row(i) is an array that has all axes"));
  check_format(array.format(), type);
  const RaggedStorage& ragged = storage_of(array);
  const Storage& storage = *ragged.storage;
  const RowEntries entries = entries_of(array);
  const Layout& items = items_of(array);
  const auto entry = [&](const PlanTable& table) {
    return static_cast<const void*>(
        moved(static_cast<const unsigned char*>(table.data), entries.first * (table.wide ? 8 : 4)));
  };
  FoundRows found;
  found.base = moved(reinterpret_cast<const unsigned char*>(storage.base), items.origins()[0]);
  found.layout = {.count = entries.count,
                  .stride = items.axes()[0].stride,
                  .distance = 0,
                  .unit = storage.unit,
                  .table = entry(ragged.starts),
                  .step = entries.step,
                  .lengths = entry(ragged.lengths),
                  .length_step = entries.step,
                  .length = 0,
                  .wide = static_cast<unsigned char>(ragged.starts.wide),
                  .wide_lengths = static_cast<unsigned char>(ragged.lengths.wide)};
  if (array.longest() == 0) return found;
  check_rows_aligned(found.base, storage.entry_alignment, type.alignment);
  check_axis_aligned(1, items.axes()[0], type.alignment);
  return found;
}

}  // namespace multibuffer::detail
