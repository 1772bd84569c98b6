#include <multibuffer/error.hpp>
#include <multibuffer/through.hpp>

#include "host/backend/backend.hpp"
#include "host/support/checked.hpp"
#include "host/support/text.hpp"
#include "host/upload/internals.hpp"
#include "host/upload/storage.hpp"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

// A table before an array is one more level of the layout. It fits where the entries can be what
// the next thing counts in:
//
//     an array without tables     unit = the axis's stride, in bytes; any axis does
//     an array behind tables      entries are positions in the first table; an axis of stride 1
//     there

namespace multibuffer {
namespace {

[[noreturn]] void refuse(const std::string& why) { throw Failure(Errc::invalid_argument, why); }

const Axis& axis_of(const Layout& layout, int axis) {
  return layout.axes()[static_cast<std::size_t>(axis)];
}

/// Throws unless entries of `axis` can stand before the array's own levels.
void check_axis(const Layout& layout, int axis) {
  const Axis& at = axis_of(layout, axis);
  if (layout.levels() == 0) return;
  if (at.level > 0)
    refuse(text("axis ", axis,
                " counts behind a pointer table, so that no table can stand before "
                "it; copy() makes the array dense, and index arrays gather along any axis"));
  if (at.stride != 1)
    refuse(text("axis ", axis, " moves ", at.stride,
                " entries of a pointer table at each index, "
                "and only single entries can be named by a table; call through() before slicing, "
                "or copy()"));
}

/// Throws unless gathers can read the entries where they are.
void check_entries(const DeviceArray& array, const DeviceBuffer& table) {
  if (table.device() != array.device())
    refuse(text("a table on ", table.device().name(), " for an array on ", array.device().name()));
  const Format& format = table.format();
  const bool is_scalar = !format.opaque() && !format.type().is_struct;
  if (!is_scalar || format.type().kind != ScalarKind::signed_integer ||
      (format.itemsize() != 4 && format.itemsize() != 8) || !is_native(format.type()))
    refuse(text("entries of a table are int32 or int64 in this machine's byte order, not '",
                format.text(), "'"));
  if (table.size() == 0) return;
  if (reinterpret_cast<std::uintptr_t>(table.data()) %
          static_cast<std::uintptr_t>(format.itemsize()) !=
      0)
    refuse(text("the table's address is not a multiple of its entries' ", format.itemsize(),
                " bytes"));
  for (std::size_t i = 0; i < table.shape().size(); ++i)
    if (table.shape()[i] > 1 && table.strides()[i] % format.itemsize() != 0)
      refuse(text("the table's axis ", i, " has a stride of ", table.strides()[i],
                  " bytes, which is no number of entries of ", format.itemsize()));
}

/// Throws for a table that has entries for an axis that has no indices, where they would be read.
void check_extent(const Layout& layout, int axis, const DeviceBuffer& table) {
  const std::vector<std::int64_t> shape = layout.shape();
  const bool is_read = table.size() > 0 && std::ranges::count(shape, 0) == 1;
  if (is_read && axis_of(layout, axis).extent == 0)
    throw Failure(Errc::index_out_of_range, text("a table of ", table.size(), " entries for axis ",
                                                 axis, ", whose extent is 0"));
}

/// The layout with the table's axes, of a first level, in the place of `axis`.
Layout layout_through(const Layout& layout, int axis, const DeviceBuffer& table) {
  std::vector<Axis> axes;
  for (int i = 0; i < layout.ndim(); ++i) {
    const Axis& own = axis_of(layout, i);
    if (i != axis) {
      axes.push_back({own.extent, own.stride, own.level + 1});
      continue;
    }
    for (std::size_t k = 0; k < table.shape().size(); ++k) {
      const std::int64_t extent = table.shape()[k];
      const std::int64_t stride = table.strides()[k] / table.format().itemsize();
      axes.push_back({extent, extent > 1 ? stride : 0, 0});
    }
  }
  std::vector<std::int64_t> origins(layout.origins().begin(), layout.origins().end());
  origins.insert(origins.begin(), 0);
  return Layout(std::move(axes), std::move(origins));
}

/// Every check that does not look at entries; returns the axis, counted from the front.
int checked_axis(const DeviceArray& array, int axis, const DeviceBuffer& table) {
  axis = normalize_axis(axis, array.ndim());
  check_axis(array.layout(), axis);
  check_entries(array, table);
  check_extent(array.layout(), axis, table);
  return axis;
}

[[noreturn]] void refuse_entry(const DeviceBuffer& table, std::size_t number, std::int64_t entry,
                               int axis, std::int64_t extent) {
  std::vector<std::int64_t> coordinates(table.shape().size());
  auto rest = static_cast<std::int64_t>(number);
  for (std::size_t i = coordinates.size(); i-- > 0; rest /= table.shape()[i])
    coordinates[i] = rest % table.shape()[i];
  throw Failure(Errc::index_out_of_range,
                text("entry ", entry, " at position ", tuple_text(coordinates),
                     " of a table for axis ", axis, ", whose extent is ", extent));
}

template <class Entry>
void check_values(const DeviceBuffer& table, const std::vector<std::byte>& bytes, int axis,
                  std::int64_t extent, NegativeEntries negative) {
  for (std::size_t i = 0; i < bytes.size() / sizeof(Entry); ++i) {
    Entry entry = 0;
    std::memcpy(&entry, bytes.data() + i * sizeof entry, sizeof entry);
    const bool is_unread = entry < 0 && negative == NegativeEntries::unread;
    if (!is_unread && (entry < 0 || entry >= extent)) refuse_entry(table, i, entry, axis, extent);
  }
}

}  // namespace

DeviceArray DeviceArray::through(int axis, const DeviceBuffer& table,
                                 std::shared_ptr<const void> owner) const {
  axis = checked_axis(*this, axis, table);
  // The library orders work with the block; for memory of others, and for contents that an index
  // on the device may have spoilt, there is only to wait.
  if (!memory_of(table) || has_pending_work(table)) table.synchronize();
  const Storage& before = *storage_;
  const bool is_first = layout_.levels() == 0;
  const std::int64_t unit = is_first ? axis_of(layout_, axis).stride : before.unit;

  std::vector<PlanTable> tables = before.tables;
  tables.insert(tables.begin(), {table.data(), table.format().itemsize() == 8});
  std::vector<std::int64_t> table_entries = before.table_entries;
  table_entries.insert(table_entries.begin(), table.size());
  Layout layout = layout_through(layout_, axis, table);
  checked_multiply(layout.size(), itemsize(), "the size of the array");
  return make_array(
      std::shared_ptr<const Storage>(
          new Storage{.device = before.device,
                      .format = format_,
                      .placement = before.placement,
                      .simplify = before.simplify,
                      .layout = layout,
                      .memory = before.memory,
                      .base = before.base,
                      .unit = unit,
                      .arena_bytes = before.arena_bytes,
                      .entry_alignment = is_first ? alignment_of(unit) : before.entry_alignment,
                      .tables = std::move(tables),
                      .table_entries = std::move(table_entries),
                      .owner = std::move(owner),
                      .lent = before.lent,
                      .known = nullptr,
                      .arenas = before.arenas,
                      .through = std::make_shared<const ThroughTable>(ThroughTable{*this, table})}),
      std::move(layout));
}

void check_table(const DeviceArray& array, int axis, const DeviceBuffer& table,
                 NegativeEntries negative) {
  axis = checked_axis(array, axis, table);
  const std::int64_t extent = axis_of(array.layout(), axis).extent;
  const std::vector<std::byte> bytes = table.to_host();
  if (table.format().itemsize() == 8)
    check_values<std::int64_t>(table, bytes, axis, extent, negative);
  else
    check_values<std::int32_t>(table, bytes, axis, extent, negative);
}

}  // namespace multibuffer
