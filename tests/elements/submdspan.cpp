#include <cstdint>
#include <cuda/std/mdspan>

// A layout that brings its own function for submdspan, as the standard lets it. It does not compile
// with CCCL, which calls its own submdspan_mapping alone. Where it does, CCCL has learnt to look
// for a layout's: `row` of <multibuffer/cuda/mdspan.hpp> can then become one, and its comment can
// go.

namespace {

struct Own {
  template <class Extents>
  struct mapping {
    using extents_type = Extents;
    using index_type = typename Extents::index_type;
    using size_type = typename Extents::size_type;
    using rank_type = typename Extents::rank_type;
    using layout_type = Own;
    Extents extents_{};
    constexpr const Extents& extents() const noexcept { return extents_; }
    constexpr index_type required_span_size() const noexcept { return 1; }
    template <class... Indices>
    constexpr index_type operator()(Indices... /*indices*/) const noexcept {
      return 0;
    }
    static constexpr bool is_always_unique() noexcept { return false; }
    static constexpr bool is_always_exhaustive() noexcept { return false; }
    static constexpr bool is_always_strided() noexcept { return false; }
    static constexpr bool is_unique() noexcept { return false; }
    static constexpr bool is_exhaustive() noexcept { return false; }
    static constexpr bool is_strided() noexcept { return false; }
    friend constexpr bool operator==(const mapping&, const mapping&) noexcept { return true; }
    template <class... Slices>
    friend constexpr auto submdspan_mapping(const mapping& from, Slices... /*slices*/) {
      return ::cuda::std::submdspan_mapping_result<mapping>{from, 0};
    }
  };
};

}  // namespace

int rank_of_a_part(
    const cuda::std::mdspan<const float, cuda::std::dextents<std::int64_t, 1>, Own>& span) {
  return static_cast<int>(cuda::std::submdspan(span, cuda::std::full_extent).rank());
}
