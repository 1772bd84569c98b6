#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

/// 16 bytes taken apart and put together, by numbers of bytes that only the run knows.
namespace multibuffer::cuda {

/// A vector of 16 bytes; narrower ones are the unsigned integers of their size.
struct alignas(16) Bytes16 {
  std::uint64_t low = 0;
  std::uint64_t high = 0;
};
template <int Bytes>
using Unsigned = std::conditional_t<
    Bytes == 16, Bytes16,
    std::conditional_t<
        Bytes == 8, std::uint64_t,
        std::conditional_t<Bytes == 4, std::uint32_t,
                           std::conditional_t<Bytes == 2, std::uint16_t, std::uint8_t>>>>;

/// The items of a vector, unsigned integers, and how to put one where there are zeros.
template <class Item>
constexpr Item item_of(const Bytes16& vector, int item) {
  constexpr int bits = 8 * static_cast<int>(sizeof(Item));
  constexpr int per_half = 64 / bits;
  return static_cast<Item>((item < per_half ? vector.low : vector.high) >>
                           (item % per_half * bits));
}
template <class Item>
constexpr void set_item(Bytes16& vector, int item, Item value) {
  constexpr int bits = 8 * static_cast<int>(sizeof(Item));
  constexpr int per_half = 64 / bits;
  std::uint64_t& half = item < per_half ? vector.low : vector.high;
  half |= std::uint64_t{value} << (item % per_half * bits);
}

/// The 16 bytes that begin `bytes` (0 ... 15) after the first of `low` and go on in `high`. In
/// steps of 32 bits: two selections, and what hardware calls a funnel shift.
constexpr Bytes16 funnel(const Bytes16& low, const Bytes16& high, int bytes) {
  const std::uint64_t longs[4] = {low.low, low.high, high.low, high.high};
  std::uint64_t at_long[3] = {};
  for (int k = 0; k < 3; ++k) at_long[k] = (bytes & 8) != 0 ? longs[k + 1] : longs[k];
  std::uint32_t words[6] = {};
  for (std::size_t k = 0; k < 3; ++k) {
    words[2 * k] = static_cast<std::uint32_t>(at_long[k]);
    words[2 * k + 1] = static_cast<std::uint32_t>(at_long[k] >> 32);
  }
  std::uint32_t at_word[5] = {};
  for (int k = 0; k < 5; ++k) at_word[k] = (bytes & 4) != 0 ? words[k + 1] : words[k];
  const int bits = (bytes & 3) * 8;
  std::uint64_t result[4] = {};
  for (int k = 0; k < 4; ++k) {
    const std::uint64_t pair = (std::uint64_t{at_word[k + 1]} << 32) | at_word[k];
    result[k] = static_cast<std::uint32_t>(pair >> bits);
  }
  return {result[0] | (result[1] << 32), result[2] | (result[3] << 32)};
}

/// The first `bytes` (0 ... 15) of one, then the others of the other.
constexpr Bytes16 joined(const Bytes16& first, const Bytes16& then, int bytes) {
  const int inner = (bytes & 7) * 8;
  const std::uint64_t below = (std::uint64_t{1} << inner) - 1;
  const std::uint64_t low = bytes >= 8 ? ~std::uint64_t{0} : below;
  const std::uint64_t high = bytes >= 8 ? below : 0;
  return {(first.low & low) | (then.low & ~low), (first.high & high) | (then.high & ~high)};
}

}  // namespace multibuffer::cuda
