#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <type_traits>

/// Takes 16 bytes apart and puts them together, at positions that are known at run time only.
namespace multibuffer::cuda {

/// The size of a word: the widest load and store.
inline constexpr int word_bytes = 16;

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

/// visit.operator()<T>() for the vector of so many bytes: 16, 8, 4, 2 or 1.
template <class Visit>
[[gnu::always_inline]] constexpr auto visit_vector(int bytes, Visit&& visit) {
  switch (bytes) {
    case 16:
      return visit.template operator()<Bytes16>();
    case 8:
      return visit.template operator()<std::uint64_t>();
    case 4:
      return visit.template operator()<std::uint32_t>();
    case 2:
      return visit.template operator()<std::uint16_t>();
    default:
      return visit.template operator()<std::uint8_t>();
  }
}

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

/// Bytes as hardware holds them, four in a register.
template <std::size_t Count>
using Registers = std::array<std::uint32_t, Count>;

/// Four of the eight bytes of `low` and then `high`: each of the selector's lower four half-bytes
/// is the number of one.
constexpr std::uint32_t permuted_bytes(std::uint32_t low, std::uint32_t high,
                                       std::uint32_t selector) {
#ifdef __CUDA_ARCH__
  if (!std::is_constant_evaluated()) return __byte_perm(low, high, selector);
#endif
  const std::uint64_t both = (std::uint64_t{high} << 32) | low;
  std::uint32_t result = 0;
  for (int b = 0; b < 4; ++b) {
    const std::uint32_t from = selector >> (4 * b) & 7;
    result |= static_cast<std::uint32_t>(both >> (8 * from) & 0xff) << (8 * b);
  }
  return result;
}

/// Returns the bytes that begin `bytes` (0 ... 15) after the first: two selections and a funnel
/// shift.
template <std::size_t Count, std::size_t From>
constexpr Registers<Count> beginning_at(const Registers<From>& from, int bytes) {
  static_assert(From >= Count + 4);
  Registers<Count + 2> at_long{};
  for (std::size_t k = 0; k < Count + 2; ++k) at_long[k] = (bytes & 8) != 0 ? from[k + 2] : from[k];
  Registers<Count + 1> at_word{};
  for (std::size_t k = 0; k < Count + 1; ++k)
    at_word[k] = (bytes & 4) != 0 ? at_long[k + 1] : at_long[k];
  Registers<Count> result{};
  const int bits = (bytes & 3) * 8;
  for (std::size_t k = 0; k < Count; ++k) {
    const std::uint64_t pair = (std::uint64_t{at_word[k + 1]} << 32) | at_word[k];
    result[k] = static_cast<std::uint32_t>(pair >> bits);
  }
  return result;
}

/// A vector's place among registers, and the vector in four of them.
template <std::size_t Count>
constexpr void set_registers(Registers<Count>& registers, std::size_t first,
                             const Bytes16& vector) {
  registers[first] = static_cast<std::uint32_t>(vector.low);
  registers[first + 1] = static_cast<std::uint32_t>(vector.low >> 32);
  registers[first + 2] = static_cast<std::uint32_t>(vector.high);
  registers[first + 3] = static_cast<std::uint32_t>(vector.high >> 32);
}
constexpr Bytes16 vector_of(const Registers<4>& registers) {
  return {(std::uint64_t{registers[1]} << 32) | registers[0],
          (std::uint64_t{registers[3]} << 32) | registers[2]};
}

/// The 16 bytes that begin `bytes` (0 ... 15) after the first of `low` and continue in `high`.
constexpr Bytes16 funnel(const Bytes16& low, const Bytes16& high, int bytes) {
  Registers<8> both{};
  set_registers(both, 0, low);
  set_registers(both, 4, high);
  return vector_of(beginning_at<4>(both, bytes));
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
