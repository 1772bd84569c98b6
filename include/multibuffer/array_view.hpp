#pragma once

#include <multibuffer/format.hpp>
#include <multibuffer/layout.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <type_traits>
#include <vector>

namespace multibuffer {

/// A buffer export, field for field as `Py_buffer` says it, NULLs included. Everything is borrowed.
struct BufferExport {
  const void* buf = nullptr;
  std::optional<std::int64_t> len;  ///< product(shape) * itemsize, checked where given
  std::int64_t itemsize = 1;        ///< bytes
  bool readonly = true;
  int ndim = 0;
  const char* format = nullptr;              ///< NULL means "B"
  const std::int64_t* shape = nullptr;       ///< NULL with ndim 1 means `len` unsigned bytes
  const std::int64_t* strides = nullptr;     ///< bytes; NULL means C order
  const std::int64_t* suboffsets = nullptr;  ///< bytes; NULL means no axis is indirect
};

/// Where a leaf's bytes are. Pointer tables are always read by the host.
enum class MemorySpace { host, device };

/// The struct-module code of a C++ arithmetic type.
template <class T>
constexpr const char* format_code() {
  using U = std::remove_cv_t<T>;
  if constexpr (std::is_same_v<U, bool>)
    return "?";
  else if constexpr (std::is_same_v<U, std::byte>)
    return "B";
  else if constexpr (std::is_same_v<U, float>)
    return "f";
  else if constexpr (std::is_same_v<U, double>)
    return "d";
  else if constexpr (std::is_integral_v<U>) {
    constexpr bool is_signed = std::is_signed_v<U>;
    if constexpr (sizeof(U) == 1)
      return is_signed ? "b" : "B";
    else if constexpr (sizeof(U) == 2)
      return is_signed ? "h" : "H";
    else if constexpr (sizeof(U) == 4)
      return is_signed ? "i" : "I";
    else
      return is_signed ? "q" : "Q";
  } else {
    static_assert(std::is_arithmetic_v<U>, "give a Format for types that are not arithmetic");
    return nullptr;
  }
}

/// An array as its exporter describes it: an address, an element format, and a `Layout` whose
/// positions are host addresses. It owns none of the memory; whoever makes it keeps the tables and
/// leaves alive and unchanged while it, or an array placed in them, is in use. That includes files
/// that the caller has mapped: where another program cuts one, reading what is gone raises SIGBUS,
/// for which the library never installs a handler, so the process ends unless it has its own.
class ArrayView {
 public:
  /// Throws `invalid_view` (NULL base of an array with elements) or `size_overflow` (the size in
  /// bytes, or the distance that the strides of a level span, does not fit).
  ArrayView(const void* base, Format format, Layout layout, bool readonly = true,
            MemorySpace space = MemorySpace::host);

  /// From a buffer export, with the protocol's defaults for what is NULL. Nothing the exporter says
  /// is trusted but the pointers themselves: throws `invalid_view` or `size_overflow`, naming the
  /// axis. Formats that cannot be understood make opaque elements, not errors.
  static ArrayView from_export(const BufferExport& source);

  /// A C-ordered block at `base`.
  static ArrayView dense(const void* base, std::span<const std::int64_t> shape, Format format,
                         bool readonly = true, MemorySpace space = MemorySpace::host);

  /// `T**`: `count` pointers to rows of `length` elements.
  template <class T>
  static ArrayView from_rows(T* const* rows, std::int64_t count, std::int64_t length) {
    return ArrayView(rows, scalar_format<T>(),
                     Layout({{count, sizeof(T*), 0}, {length, sizeof(T), 1}}, {0, 0}),
                     std::is_const_v<T>);
  }
  /// `T***`: `planes` pointers to tables of `rows` pointers to rows of `length` elements.
  template <class T>
  static ArrayView from_planes(T* const* const* table, std::int64_t planes, std::int64_t rows,
                               std::int64_t length) {
    return ArrayView(
        table, scalar_format<T>(),
        Layout({{planes, sizeof(T**), 0}, {rows, sizeof(T*), 1}, {length, sizeof(T), 2}},
               {0, 0, 0}),
        std::is_const_v<T>);
  }

  const std::byte* base() const noexcept { return base_; }
  const Format& format() const noexcept { return format_; }
  const Layout& layout() const noexcept { return layout_; }
  bool readonly() const noexcept { return readonly_; }
  MemorySpace space() const noexcept { return space_; }

  int ndim() const noexcept { return layout_.ndim(); }
  std::int64_t itemsize() const noexcept { return format_.itemsize(); }
  std::vector<std::int64_t> shape() const { return layout_.shape(); }
  std::int64_t nbytes() const { return layout_.size() * itemsize(); }

  /// The view operations, as on `Layout`. No data moves.
  ArrayView slice(int axis, const Slice& slice) const { return with(layout_.slice(axis, slice)); }
  ArrayView index(int axis, std::int64_t index) const { return with(layout_.index(axis, index)); }
  ArrayView permute(std::span<const int> axes) const { return with(layout_.permute(axes)); }
  ArrayView transpose() const { return with(layout_.transpose()); }
  ArrayView reverse(int axis) const { return with(layout_.reverse(axis)); }
  ArrayView insert_axis(int axis) const { return with(layout_.insert_axis(axis)); }
  ArrayView apply(const ViewOperation& operation) const { return with(layout_.apply(operation)); }

 private:
  template <class T>
  static Format scalar_format() {
    return Format(format_code<T>(), sizeof(T));
  }
  ArrayView with(Layout layout) const;

  const std::byte* base_;
  Format format_;
  Layout layout_;
  bool readonly_;
  MemorySpace space_;
};

/// A pointer table made over memory that others own, and the array seen through it. Copies share
/// the table. The parts' memory must outlive every use of the view.
class Stack {
 public:
  const ArrayView& view() const noexcept { return view_; }
  /// The same as a raw export, valid while this object lives. Throws `invalid_view` where PEP 3118
  /// cannot say it: axes out of evaluation order, or a negative suboffset.
  BufferExport raw_export() const;

 private:
  friend Stack stack(std::span<const ArrayView> parts);
  friend Stack stack(const ArrayView& part, std::vector<const std::byte*> starts);
  friend Stack behind(const ArrayView& pointers, const ArrayView& part);
  friend Stack concatenate(std::span<const ArrayView> parts);
  struct Table;
  Stack(std::shared_ptr<const Table> table, ArrayView view);
  static Stack over(std::vector<const std::byte*> pointers, const ArrayView& part, Layout layout,
                    bool readonly);

  std::shared_ptr<const Table> table_;
  ArrayView view_;
};

/// Equal arrays as one, along a new axis 0 of pointers. The parts must agree in shape, strides,
/// format and levels, or `invalid_view` names the first part, and the axis, that does not.
Stack stack(std::span<const ArrayView> parts);

/// The same of arrays that are known to be alike: as many as there are `starts`, each as `part` is
/// but for its address, which is that of its index 0 before any pointer is followed. Throws
/// `invalid_view`, naming the part, for an address that is NULL.
Stack stack(const ArrayView& part, std::vector<const std::byte*> starts);

/// The same through a table that is there already, borrowed for as long as the view is in use: its
/// elements, whatever its axes and its own levels of pointers, are the addresses of index 0 of
/// parts that are each as `part` is but for its address. `pointers` is in host memory, wherever the
/// parts are. Throws `invalid_view` unless its elements are as large as pointers.
Stack behind(const ArrayView& pointers, const ArrayView& part);

/// The entries along axis 0 of all parts, one part after the other, through one pointer each. The
/// parts agree in all but the extent and the stride of axis 0, which no pointer table may stand
/// behind (axis 0 is in level 0).
Stack concatenate(std::span<const ArrayView> parts);

}  // namespace multibuffer
