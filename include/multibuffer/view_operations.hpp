#pragma once

#include <multibuffer/fields.hpp>
#include <multibuffer/layout.hpp>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace multibuffer {

/// The axes that a field's sub-array has, strides in bytes.
std::vector<Axis> field_axes(const Field& field);

/// The view operations of an array that has a `layout()` and a `format()`: they move no data, and
/// give another `Derived` of the same elements. `ArrayView` and `DeviceArray` have them. Those that
/// name an axis are described in `Layout`, which does the arithmetic and throws.
template <class Derived>
class ViewOperations {
 public:
  int ndim() const noexcept { return self().layout().ndim(); }
  std::vector<std::int64_t> shape() const { return self().layout().shape(); }
  std::int64_t itemsize() const noexcept { return self().format().itemsize(); }
  std::int64_t nbytes() const { return self().layout().size() * itemsize(); }

  Derived slice(int axis, const Slice& slice) const { return with(layout().slice(axis, slice)); }
  Derived index(int axis, std::int64_t index) const { return with(layout().index(axis, index)); }
  Derived permute(std::span<const int> axes) const { return with(layout().permute(axes)); }
  Derived transpose() const { return with(layout().transpose()); }
  Derived reverse(int axis) const { return with(layout().reverse(axis)); }
  Derived insert_axis(int axis) const { return with(layout().insert_axis(axis)); }
  Derived apply(const ViewOperation& operation) const { return with(layout().apply(operation)); }
  /// Nothing where another shape would move data.
  std::optional<Derived> reshape(std::span<const std::int64_t> shape) const {
    std::optional<Layout> layout = self().layout().reshape(shape);
    if (!layout) return {};
    return with(std::move(*layout));
  }

  /// A field of struct elements: elements of the field's type, with the axes of its sub-array last.
  /// Throws `format_unsupported` if elements are no structs, `invalid_argument` if they have no
  /// such field.
  Derived field(std::string_view name) const {
    const Field& found = field_of(self().format(), name);
    return reinterpret(found.offset, format_of(found.type), field_axes(found));
  }
  /// Several fields: the same elements with these fields alone (`fields_of`).
  Derived fields(std::span<const std::string> names) const {
    return reinterpret(0, fields_of(self().format(), names));
  }
  /// Reads the bytes from `offset` into each element as elements of `format`. `axes` are appended
  /// after the array's own; their strides are in bytes, their `level` is ignored. Throws
  /// `invalid_argument` if some of it lies outside of the element.
  Derived reinterpret(std::int64_t offset, Format format, std::span<const Axis> axes = {}) const {
    Layout inner = layout().inside_elements(itemsize(), offset, format.itemsize(), axes);
    Derived result = with(std::move(inner));
    result.format_ = std::move(format);
    return result;
  }

 private:
  friend Derived;
  ViewOperations() = default;
  const Derived& self() const noexcept { return static_cast<const Derived&>(*this); }
  const Layout& layout() const noexcept { return self().layout(); }
  Derived with(Layout layout) const {
    Derived result = self();
    result.layout_ = std::move(layout);
    return result;
  }
};

}  // namespace multibuffer
