#include <multibuffer/elements.hpp>
#include <multibuffer/error.hpp>

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

/// Throws unless all addresses are multiples of the alignment: the first, and each distance.
void check_alignment(const DeviceArray& array, const FoundElements& found,
                     std::int64_t entry_alignment, std::int64_t alignment) {
  const auto check = [&](std::int64_t distance, const std::string& what) {
    if (alignment_of(distance) < alignment)
      refuse(text(what, ", and elements of this type are aligned to ", alignment, " bytes; upload ",
                  "them packed, or copy() the array"));
  };
  const auto address = static_cast<std::int64_t>(reinterpret_cast<std::uintptr_t>(found.base));
  check(address, found.tables.empty()
                     ? text("the first element is at the address ", address)
                     : text("rows begin ", address % alignment, " bytes past a multiple"));
  if (!found.tables.empty())
    check(entry_alignment,
          text("rows lie at multiples of ", entry_alignment, " bytes from each ", "other"));
  for (std::size_t axis = 0; axis < found.axes.size(); ++axis)
    if (found.axes[axis].level == array.layout().levels() && found.axes[axis].extent > 1)
      check(found.axes[axis].stride,
            text("axis ", axis, " has a stride of ", found.axes[axis].stride, " bytes"));
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

}  // namespace multibuffer::detail
