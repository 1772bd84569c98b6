#pragma once

#include "cuda/kernels/kernel_family.hpp"
#include "host/support/rounding.hpp"

#include <cstdint>
#include <limits>

/// The step of a comparison that a reduction runs; `Access` as for gathers.
namespace multibuffer::cuda {

struct Difference {
  static constexpr std::int64_t none = std::numeric_limits<std::int64_t>::max();
  std::int64_t mismatches = 0;
  std::int64_t first = none;  ///< element
};

/// Combines the differences of two ranges, for a reduction in any order.
struct Combine {
  constexpr Difference operator()(const Difference& a, const Difference& b) const {
    return {a.mismatches + b.mismatches, a.first < b.first ? a.first : b.first};
  }
};

/// Two dense arrays, cut into blocks: of 16 bytes where elements fill them evenly, so that equal
/// data cost two loads and a comparison whatever the element; else of one element.
struct Comparands {
  Address actual = 0;
  Address expected = 0;
  std::int64_t elements = 0;
  std::int64_t itemsize = 1;
  std::int64_t per_block = 1;  ///< elements
  int word_bytes = 1;          ///< 1, 2, 4 or 8: what an element is compared by

  constexpr std::int64_t blocks() const { return ceil_divide(elements, per_block); }
};

constexpr Comparands comparands(Address actual, Address expected, std::int64_t elements,
                                std::int64_t itemsize) {
  Comparands result{actual, expected, elements, itemsize};
  const auto size = static_cast<std::uint64_t>(itemsize);
  if (16 % size == 0 && (actual | expected) % 16 == 0)
    result.per_block = static_cast<std::int64_t>(16 / size);
  while (result.word_bytes < 8 &&
         (actual | expected | size) % (2 * static_cast<std::uint64_t>(result.word_bytes)) == 0)
    result.word_bytes *= 2;
  return result;
}

template <class Word, class Access>
constexpr bool differ(Access& access, Address a, Address b, std::int64_t bytes) {
  for (std::int64_t i = 0; i < bytes; i += static_cast<std::int64_t>(sizeof(Word))) {
    const auto at = static_cast<Address>(i);
    if (access.template load<Word>(a + at) != access.template load<Word>(b + at)) return true;
  }
  return false;
}

template <class Access>
constexpr bool element_differs(const Comparands& arrays, Access& access, std::int64_t element) {
  const auto offset = static_cast<Address>(element * arrays.itemsize);
  const Address a = arrays.actual + offset;
  const Address b = arrays.expected + offset;
  switch (arrays.word_bytes) {
    case 8:
      return differ<std::uint64_t>(access, a, b, arrays.itemsize);
    case 4:
      return differ<std::uint32_t>(access, a, b, arrays.itemsize);
    case 2:
      return differ<std::uint16_t>(access, a, b, arrays.itemsize);
    default:
      return differ<std::uint8_t>(access, a, b, arrays.itemsize);
  }
}

/// Returns the differences in one block.
template <class Access>
constexpr Difference compare_block(const Comparands& arrays, Access& access, std::int64_t block) {
  const std::int64_t begin = block * arrays.per_block;
  const std::int64_t rest = arrays.elements - begin;
  const bool whole = arrays.per_block * arrays.itemsize == 16 && rest >= arrays.per_block;
  if (whole && (arrays.actual | arrays.expected) % 16 == 0) {
    const auto at = static_cast<Address>(block * 16);
    const auto a = access.template load<Bytes16>(arrays.actual + at);
    const auto b = access.template load<Bytes16>(arrays.expected + at);
    if (a.low == b.low && a.high == b.high) return {};
  }
  Difference result;
  for (std::int64_t i = begin; i < begin + (rest < arrays.per_block ? rest : arrays.per_block); ++i)
    if (element_differs(arrays, access, i)) result = Combine{}(result, {1, i});
  return result;
}

}  // namespace multibuffer::cuda
