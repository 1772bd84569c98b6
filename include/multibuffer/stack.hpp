#pragma once

#include <multibuffer/array_view.hpp>

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

namespace multibuffer {

/// A pointer table made over memory that others own, and the array seen through it. Copies share
/// the table. The parts' memory must outlive every use of the view.
class Stack {
 public:
  const ArrayView& view() const noexcept { return view_; }
  /// The view as a raw export, valid while this object lives. Throws `invalid_view` where PEP 3118
  /// cannot say it: axes out of evaluation order, or a negative suboffset.
  BufferExport raw_export() const;

 private:
  friend Stack stack(std::span<const ArrayView> parts);
  friend Stack stack(const ArrayView& part, std::vector<const std::byte*> starts);
  friend Stack stack_at(const ArrayView& table, const ArrayView& part);
  friend Stack concatenate(std::span<const ArrayView> parts);
  struct Table;
  Stack(std::shared_ptr<const Table> table, ArrayView view);
  static Stack over(std::vector<const std::byte*> pointers, const ArrayView& part, Layout layout,
                    bool readonly);

  std::shared_ptr<const Table> table_;
  ArrayView view_;
};

/// Stacks equal arrays along a new axis 0 of pointers. The parts must agree in shape, strides,
/// format and levels, or `invalid_view` names the first part, and the axis, that does not.
Stack stack(std::span<const ArrayView> parts);

/// Stacks same-layout arrays by their addresses, one for each of `starts`: that of index 0, before
/// any pointer is followed. All have the shape, strides and format of `part`, whose own address is
/// ignored. Throws `invalid_view`, naming the part, for an address that is NULL.
Stack stack(const ArrayView& part, std::vector<const std::byte*> starts);

/// Stacks parts through a pointer table that is there already, which is borrowed for as long as the
/// view is in use. Each element of `table`, whatever its axes and its own levels of pointers, is
/// the address of index 0 of one part. All parts have the shape, strides and format of `part`,
/// whose own address is ignored. The table is in host memory, wherever the parts are. Throws
/// `invalid_view` unless its elements are as large as pointers.
Stack stack_at(const ArrayView& table, const ArrayView& part);

/// Joins arrays along their axis 0: its entries, one part after the other, through one pointer
/// each. The parts agree in all but the extent and the stride of axis 0, which no pointer table may
/// stand behind (axis 0 is in level 0).
Stack concatenate(std::span<const ArrayView> parts);

}  // namespace multibuffer
