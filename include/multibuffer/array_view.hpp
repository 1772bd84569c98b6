#pragma once

#include <multibuffer/format.hpp>
#include <multibuffer/layout.hpp>
#include <multibuffer/view_operations.hpp>

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>
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

/// Types that are two reals as std::complex is, whichever library they come from.
template <class T>
concept ComplexNumber = requires(const T& value) {
  typename T::value_type;
  value.real();
  value.imag();
  requires std::is_floating_point_v<typename T::value_type>;
  requires sizeof(T) == 2 * sizeof(typename T::value_type);
};

/// The struct-module code of a C++ arithmetic type, of std::byte, or of a complex type.
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
  else if constexpr (std::is_same_v<U, long double>)
    return "g";
  else if constexpr (ComplexNumber<U>) {
    using Part = typename U::value_type;
    return std::is_same_v<Part, float> ? "Zf" : std::is_same_v<Part, double> ? "Zd" : "Zg";
  } else if constexpr (std::is_integral_v<U>) {
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

/// The format of elements that are a C++ type in this machine's memory.
template <class T>
Format native_format() {
  return Format(format_code<T>(), sizeof(T));
}

/// Counts the pointers that are followed from a `Pointer` to an element, and names the element.
template <class Pointer>
struct PointersTo {
  static constexpr int depth = 0;
  using Element = Pointer;
};
template <class Pointed>
struct PointersTo<Pointed*> {
  static constexpr int depth = PointersTo<std::remove_const_t<Pointed>>::depth + 1;
  using Element =
      std::conditional_t<std::is_pointer_v<std::remove_const_t<Pointed>>,
                         typename PointersTo<std::remove_const_t<Pointed>>::Element, Pointed>;
};

/// Ranges of pointers to rows that stay where they are when the range object goes: containers that
/// are no temporaries, and spans.
template <class Rows>
concept RowPointers = requires(std::remove_reference_t<Rows>& rows) {
  requires PointersTo<typename decltype(std::span(rows))::value_type>::depth == 1;
  requires std::is_lvalue_reference_v<Rows> || std::is_same_v<Rows, decltype(std::span(rows))>;
};

/// An array as its exporter describes it: an address, an element format, and a `Layout` whose
/// positions are host addresses. It owns none of the memory; whoever makes it keeps the tables and
/// leaves alive and unchanged while it, or an array placed in them, is in use. This holds for
/// mapped files, too: if another program truncates one, reading it raises SIGBUS, for which the
/// library installs no handler.
class ArrayView : public ViewOperations<ArrayView> {
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
    return from_pointers(rows, count, length);
  }
  /// A vector, array or span of pointers to rows of `length` elements. The pointers are borrowed,
  /// as the rows are.
  template <RowPointers Rows>
  static ArrayView from_rows(Rows&& rows, std::int64_t length) {
    return from_pointers(std::data(rows), std::ssize(rows), length);
  }
  /// `T**`, `T***`, and deeper: a table of pointers to tables, and so on, to rows of elements, with
  /// one extent for each, the table's first: `from_pointers(volume, planes, rows, length)`.
  template <class Pointer, class... Extents>
  requires(sizeof...(Extents) == PointersTo<Pointer>::depth) static ArrayView
      from_pointers(Pointer table, Extents... extents) {
    using Element = typename PointersTo<Pointer>::Element;
    constexpr int levels = PointersTo<Pointer>::depth - 1;
    std::vector<Axis> axes;
    for (const auto extent : {static_cast<std::int64_t>(extents)...}) {
      const auto level = static_cast<int>(axes.size());
      const std::size_t each = level < levels ? sizeof(void*) : sizeof(Element);
      axes.push_back({extent, static_cast<std::int64_t>(each), level});
    }
    return ArrayView(table, native_format<Element>(),
                     Layout(std::move(axes), std::vector<std::int64_t>(levels + 1, 0)),
                     std::is_const_v<Element>);
  }

  const std::byte* base() const noexcept { return base_; }
  const Format& format() const noexcept { return format_; }
  const Layout& layout() const noexcept { return layout_; }
  bool readonly() const noexcept { return readonly_; }
  MemorySpace space() const noexcept { return space_; }

 private:
  friend ViewOperations<ArrayView>;

  const std::byte* base_;
  Format format_;
  Layout layout_;
  bool readonly_;
  MemorySpace space_;
};

}  // namespace multibuffer
