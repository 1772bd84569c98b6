#include "distinct.hpp"

#include "parallel.hpp"
#include "sequences.hpp"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstddef>
#include <utility>
#include <vector>

namespace multibuffer {
namespace {

using Numbers = LargeVector<std::int64_t>;

std::size_t index_of(std::uint64_t number) { return static_cast<std::size_t>(number); }

/// Addresses that lie close together, by their distance from the lowest in units of what divides
/// all distances, as far as that is a power of two.
struct Span {
  explicit Span(const AddressFacts& facts)
      : least(facts.least),
        shift(std::countr_zero(facts.differences)),
        units(((facts.most - facts.least) >> shift) + 1) {}
  std::size_t unit(std::int64_t address) const {
    return index_of((static_cast<std::uint64_t>(address) - least) >> shift);
  }

  std::uint64_t least;
  int shift;
  std::uint64_t units;
};

using Bitmap = LargeVector<std::uint64_t>;

/// Sets the bits of [begin, end). Returns whether none was set before.
bool add_all(Bitmap& seen, const Span& span, const std::int64_t* begin, const std::int64_t* end) {
  std::uint64_t repeated = 0;
  for (; begin < end; ++begin) {
    const std::size_t bit = span.unit(*begin);
    const std::uint64_t mask = std::uint64_t{1} << (bit % 64);
    std::uint64_t& word = seen[bit / 64];
    repeated |= word & mask;
    word |= mask;
  }
  return repeated == 0;
}

/// Whether no address repeats, as far as bitmaps, one a thread, can tell that together take no more
/// memory than the addresses.
bool distinct_by_bitmap(const Numbers& addresses, const Span& span) {
  const std::uint64_t words = span.units / 64 + 1;
  if (words > addresses.size()) return false;
  const auto count = static_cast<std::int64_t>(addresses.size());
  const auto shares = std::min(static_cast<std::int64_t>(addresses.size() / words),
                               static_cast<std::int64_t>(thread_count()));
  std::vector<Bitmap> seen(static_cast<std::size_t>(shares));
  std::atomic<bool> distinct = true;
  parallel_for(shares, count / shares * 8, {}, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t share = begin; share < end && distinct; ++share) {
      Bitmap& bits = seen[static_cast<std::size_t>(share)];
      bits.assign(index_of(words), 0);
      if (!add_all(bits, span, addresses.data() + count * share / shares,
                   addresses.data() + count * (share + 1) / shares))
        distinct = false;
    }
  });
  for (std::size_t share = 1; share < seen.size() && distinct; ++share) {
    std::uint64_t common = 0;
    for (std::size_t w = 0; w < seen[0].size(); ++w) {
      common |= seen[0][w] & seen[share][w];
      seen[0][w] |= seen[share][w];
    }
    if (common != 0) distinct = false;
  }
  return distinct;
}

/// The number of an address not seen before: `find` returns the slot for it, which holds -1 then.
template <class Find>
Distinct number_by(const Numbers& addresses, Find&& find) {
  Numbers ids(addresses.size());
  Numbers distinct;
  for (std::size_t i = 0; i < addresses.size(); ++i) {
    std::int64_t& id = find(addresses[i], distinct);
    if (id < 0) {
      id = static_cast<std::int64_t>(distinct.size());
      distinct.push_back(addresses[i]);
    }
    ids[i] = id;
  }
  return {sequence_of(std::move(distinct)), sequence_of(std::move(ids))};
}

/// A number for every place where an address could lie.
Distinct number_by_place(const Numbers& addresses, const Span& span) {
  Numbers numbers(index_of(span.units), -1);
  return number_by(
      addresses, [&](std::int64_t address, const Numbers& /*distinct*/) -> auto& {
        return numbers[span.unit(address)];
      });
}

/// Open addressing at half load: one probe a pointer, mostly.
Distinct number_by_hashing(const Numbers& addresses) {
  const std::size_t capacity = std::bit_ceil(addresses.size() * 2);
  const int shift = 64 - std::countr_zero(capacity);
  Numbers slots(capacity, -1);
  return number_by(
      addresses, [&](std::int64_t address, const Numbers& distinct) -> auto& {
        // Fibonacci hashing
        std::size_t at = static_cast<std::uint64_t>(address) * 0x9E3779B97F4A7C15u >> shift;
        while (slots[at] >= 0 && distinct[static_cast<std::size_t>(slots[at])] != address)
          at = (at + 1) & (capacity - 1);
        return slots[at];
      });
}

}  // namespace

void AddressFacts::add(std::span<const std::int64_t> addresses) {
  if (addresses.empty()) return;
  const auto number = [&](std::size_t i) { return static_cast<std::uint64_t>(addresses[i]); };
  if (count == 0) {
    first = number(0);
  } else {
    rising = rising && last < number(0);
    falling = falling && last > number(0);
  }
  std::uint64_t low = least, high = most, differ = differences, previous = number(0);
  low = std::min(low, previous);
  high = std::max(high, previous);
  differ |= previous ^ first;
  bool up = true, down = true;
  for (std::size_t i = 1; i < addresses.size(); ++i) {
    const std::uint64_t address = number(i);
    low = std::min(low, address);
    high = std::max(high, address);
    differ |= address ^ first;
    up &= previous < address;
    down &= previous > address;
    previous = address;
  }
  least = low;
  most = high;
  differences = differ;
  rising = rising && up;
  falling = falling && down;
  last = previous;
  count += static_cast<std::int64_t>(addresses.size());
}

void AddressFacts::append(const AddressFacts& next) {
  if (next.count == 0) return;
  if (count == 0) {
    *this = next;
    return;
  }
  rising = rising && next.rising && last < next.first;
  falling = falling && next.falling && last > next.first;
  least = std::min(least, next.least);
  most = std::max(most, next.most);
  differences |= next.differences | (next.first ^ first);
  last = next.last;
  count += next.count;
}

Distinct number_distinct(LargeVector<std::int64_t> addresses, const AddressFacts& facts) {
  const std::int64_t count = facts.count;
  if (count == 0) return {};
  if (facts.differences == 0)
    return {Sequence::evenly(addresses[0], 0, 1), Sequence::evenly(0, 0, count)};
  const Span span(facts);
  if (facts.rising || facts.falling || distinct_by_bitmap(addresses, span))
    return {Sequence::listed(std::move(addresses)), Sequence::evenly(0, 1, count)};
  // Four places an address are still less than a table at half load is with its misses.
  if (span.units / 4 <= addresses.size()) return number_by_place(addresses, span);
  return number_by_hashing(addresses);
}

}  // namespace multibuffer
