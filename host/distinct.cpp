#include "distinct.hpp"

#include <algorithm>
#include <bit>
#include <limits>
#include <utility>

namespace multibuffer {
namespace {

using Addresses = std::vector<const std::byte*>;

std::uint64_t number_of(const std::byte* address) {
  return reinterpret_cast<std::uintptr_t>(address);
}

bool strictly_monotonic(const Addresses& addresses) {
  const auto number = [](const std::byte* address) { return number_of(address); };
  return std::ranges::adjacent_find(addresses, std::greater_equal{}, number) == addresses.end() ||
         std::ranges::adjacent_find(addresses, std::less_equal{}, number) == addresses.end();
}

/// Whether no address repeats, as far as a bitmap of modest size can tell.
bool distinct_by_bitmap(const Addresses& addresses) {
  const std::uint64_t first = number_of(addresses.front());
  std::uint64_t low = first, high = first, differences = 0;
  for (const std::byte* address : addresses) {
    low = std::min(low, number_of(address));
    high = std::max(high, number_of(address));
    differences |= number_of(address) ^ first;
  }
  if (differences == 0) return addresses.size() == 1;
  // All addresses agree in the bits below `shift`, so each has a bit of its own.
  const int shift = std::countr_zero(differences);
  const std::uint64_t bits = ((high - low) >> shift) + 1;
  if (bits / 64 > addresses.size()) return false;
  std::vector<std::uint64_t> seen(static_cast<std::size_t>(bits / 64 + 1));
  return std::ranges::none_of(addresses, [&](const std::byte* address) {
    const std::uint64_t bit = (number_of(address) - low) >> shift;
    const std::uint64_t mask = std::uint64_t{1} << (bit % 64);
    return (std::exchange(seen[bit / 64], seen[bit / 64] | mask) & mask) != 0;
  });
}

/// Open addressing at half load: one probe a pointer, mostly.
Distinct number_by_hashing(const Addresses& addresses) {
  const std::size_t capacity = std::bit_ceil(addresses.size() * 2);
  const int shift = 64 - std::countr_zero(capacity);
  constexpr std::int64_t vacant = -1;
  std::vector<std::int64_t> slots(capacity, vacant);
  Distinct result;
  result.ids.reserve(addresses.size());
  for (const std::byte* address : addresses) {
    std::size_t at = number_of(address) * 0x9E3779B97F4A7C15u >> shift;  // Fibonacci hashing
    while (slots[at] != vacant && result.addresses[static_cast<std::size_t>(slots[at])] != address)
      at = (at + 1) & (capacity - 1);
    if (slots[at] == vacant) {
      slots[at] = static_cast<std::int64_t>(result.addresses.size());
      result.addresses.push_back(address);
    }
    result.ids.push_back(slots[at]);
  }
  return result;
}

}  // namespace

Distinct number_distinct(Addresses addresses) {
  if (addresses.empty()) return {};
  if (strictly_monotonic(addresses) || distinct_by_bitmap(addresses))
    return {std::move(addresses), {}};
  return number_by_hashing(addresses);
}

}  // namespace multibuffer
