#pragma once

/// Arrays of pointers as `cuda::std::mdspan`. By nvcc or by a host's compiler alone, which then
/// needs the CUDA Toolkit's folder include/cccl.

#include <multibuffer/elements.hpp>

#include <cstddef>
#include <cstdint>
#include <cuda/std/mdspan>
#include <type_traits>
#include <utility>

namespace multibuffer::cuda {
inline namespace MULTIBUFFER_VIEWS {

/// The layout of a `cuda::std::mdspan` over an array of pointers: indices become bytes from the
/// data handle, through at most `Levels` tables, as `ElementLayout` has it.
///
/// Neither unique (rows may be shared) nor strided, so that `cuda::std::submdspan` does not know it
/// (CCCL calls its own functions alone there, where the standard lets a layout bring one): `row`
/// takes a row out instead.
template <int Levels = 1>
struct PointerLayout {
  template <class Extents>
  class mapping {
   public:
    using extents_type = Extents;
    using index_type = typename Extents::index_type;
    using size_type = typename Extents::size_type;
    using rank_type = typename Extents::rank_type;
    using layout_type = PointerLayout;
    using ElementLayout = multibuffer::ElementLayout<static_cast<int>(Extents::rank()), Levels>;

    mapping() = default;
    MULTIBUFFER_HOST_DEVICE constexpr mapping(const Extents& extents, const ElementLayout& elements)
        : extents_(extents), elements_(elements) {}

    MULTIBUFFER_HOST_DEVICE constexpr const Extents& extents() const noexcept { return extents_; }
    MULTIBUFFER_HOST_DEVICE constexpr const ElementLayout& elements() const noexcept {
      return elements_;
    }
    /// The number of elements: they lie anywhere, and there is no span that has them all.
    MULTIBUFFER_HOST_DEVICE constexpr index_type required_span_size() const noexcept {
      return static_cast<index_type>(elements_.size());
    }
    template <class... Indices>
    MULTIBUFFER_HOST_DEVICE index_type operator()(Indices... indices) const noexcept {
      static_assert(sizeof...(Indices) == Extents::rank(), "one index for each axis");
      const typename ElementLayout::Index index = {static_cast<std::int64_t>(indices)...};
      return static_cast<index_type>(elements_.offset_of(index));
    }

    MULTIBUFFER_HOST_DEVICE static constexpr bool is_always_unique() noexcept { return false; }
    MULTIBUFFER_HOST_DEVICE static constexpr bool is_always_exhaustive() noexcept { return false; }
    MULTIBUFFER_HOST_DEVICE static constexpr bool is_always_strided() noexcept { return false; }
    MULTIBUFFER_HOST_DEVICE static constexpr bool is_unique() noexcept { return false; }
    MULTIBUFFER_HOST_DEVICE static constexpr bool is_exhaustive() noexcept { return false; }
    MULTIBUFFER_HOST_DEVICE static constexpr bool is_strided() noexcept { return false; }

    MULTIBUFFER_HOST_DEVICE friend constexpr bool operator==(const mapping& a,
                                                             const mapping& b) noexcept {
      return a.elements_ == b.elements_;
    }

   private:
    Extents extents_;
    ElementLayout elements_;
  };
};

/// The accessor to go with it: the data handle is an address, which offsets in bytes are added to.
template <class T>
struct ByteAccessor {
  using offset_policy = ByteAccessor;
  using element_type = T;
  using reference = T&;
  using data_handle_type = device_code::Bytes<T>*;

  MULTIBUFFER_HOST_DEVICE reference access(data_handle_type base,
                                           std::size_t bytes) const noexcept {
    return *device_code::element_at<T>(base, static_cast<std::int64_t>(bytes));
  }
  MULTIBUFFER_HOST_DEVICE data_handle_type offset(data_handle_type base,
                                                  std::size_t bytes) const noexcept {
    return device_code::element_at<std::remove_pointer_t<data_handle_type>>(
        base, static_cast<std::int64_t>(bytes));
  }
};

template <class T, int Rank, int Levels = 1>
using ElementSpan =
    ::cuda::std::mdspan<T, ::cuda::std::dextents<std::int64_t, static_cast<std::size_t>(Rank)>,
                        PointerLayout<Levels>, ByteAccessor<T>>;

namespace detail {

template <class Span>
struct OfSpan {
  static constexpr bool is_ours = false;
};
template <class T, class Extents, int Levels>
struct OfSpan<::cuda::std::mdspan<T, Extents, PointerLayout<Levels>, ByteAccessor<T>>> {
  static constexpr bool is_ours = true;
  using View = ElementView<T, static_cast<int>(Extents::rank()), Levels>;
  using Row = RowView<T>;
};

template <std::size_t... axis>
auto extents_of(const std::int64_t* extents, std::index_sequence<axis...> /*axes*/) {
  return ::cuda::std::dextents<std::int64_t, sizeof...(axis)>(extents[axis]...);
}

}  // namespace detail

/// What `elements` makes (<multibuffer/elements.hpp>), as a `cuda::std::mdspan`, by whose own rules
/// it is used: m(i, j), or m[array] in C++20. Throws what `elements` throws.
template <class T, int Rank, int Levels = 1>
ElementSpan<const std::remove_const_t<T>, Rank, Levels> mdspan(const DeviceArray& array) {
  using Span = ElementSpan<const std::remove_const_t<T>, Rank, Levels>;
  const auto view = elements<T, Rank, Levels>(array);
  const auto extents = detail::extents_of(
      view.layout().extents, std::make_index_sequence<static_cast<std::size_t>(Rank)>());
  return Span(view.base(), typename Span::mapping_type(extents, view.layout()));
}

/// Row (`indices`...) of the last axis, in the place of `submdspan(m, indices..., full_extent)`.
/// Follows each table once. The array must have rows: see `ElementView::row`.
template <class Span, class... Indices>
requires detail::OfSpan<Span>::is_ours MULTIBUFFER_HOST_DEVICE typename detail::OfSpan<Span>::Row
row(const Span& span, Indices... indices) {
  return typename detail::OfSpan<Span>::View(span.data_handle(), span.mapping().elements())
      .row(indices...);
}

}  // namespace MULTIBUFFER_VIEWS
}  // namespace multibuffer::cuda
