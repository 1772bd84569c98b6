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
  std::vector<Bitmap> seen;  // made here, since work must not throw, and first touched there
  for (std::int64_t share = 0; share < shares; ++share) seen.emplace_back(index_of(words));
  std::atomic<bool> distinct = true;
  parallel_for(shares, count / shares * 8, {}, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t share = begin; share < end && distinct; ++share) {
      Bitmap& bits = seen[static_cast<std::size_t>(share)];
      std::ranges::fill(bits, 0);
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

/// Numbers are looked up in tables larger than caches: this many addresses ahead are asked for.
constexpr std::size_t lookups_ahead = 16;

/// `Table::place` says where the number of an address is, to be asked for early; `Table::find` is
/// the number itself, -1 where the address is not among `distinct` yet.
template <class Table>
Distinct number_by(Table table, const Numbers& addresses) {
  Numbers ids(addresses.size());
  Numbers distinct;
  for (std::size_t i = 0; i < addresses.size(); ++i) {
    if (i + lookups_ahead < addresses.size())
      __builtin_prefetch(table.place(addresses[i + lookups_ahead]), 1);
    std::int64_t& id = table.find(addresses[i], distinct);
    if (id < 0) {
      id = static_cast<std::int64_t>(distinct.size());
      distinct.push_back(addresses[i]);
    }
    ids[i] = id;
  }
  return {sequence_of(std::move(distinct)), sequence_of(std::move(ids))};
}

/// A number for every place where an address could lie.
class NumberByPlace {
 public:
  explicit NumberByPlace(const Span& span) : span_(span), numbers_(index_of(span.units), -1) {}
  const std::int64_t* place(std::int64_t address) const { return &numbers_[span_.unit(address)]; }
  std::int64_t& find(std::int64_t address, const Numbers& /*distinct*/) {
    return numbers_[span_.unit(address)];
  }

 private:
  Span span_;
  Numbers numbers_;
};

/// Open addressing at half load: one probe a pointer, mostly.
class NumberByHash {
 public:
  explicit NumberByHash(std::size_t addresses)
      : shift_(64 - std::countr_zero(std::bit_ceil(addresses * 2))),
        numbers_(std::bit_ceil(addresses * 2), -1) {}
  const std::int64_t* place(std::int64_t address) const { return &numbers_[slot(address)]; }
  std::int64_t& find(std::int64_t address, const Numbers& distinct) {
    std::size_t at = slot(address);
    while (numbers_[at] >= 0 && distinct[static_cast<std::size_t>(numbers_[at])] != address)
      at = (at + 1) & (numbers_.size() - 1);
    return numbers_[at];
  }

 private:
  std::size_t slot(std::int64_t address) const {
    return static_cast<std::uint64_t>(address) * 0x9E3779B97F4A7C15u >> shift_;  // Fibonacci
  }

  int shift_;
  Numbers numbers_;
};

}  // namespace

void AddressFacts::add(std::span<const std::int64_t> addresses) {
  if (addresses.empty()) return;
  const auto number = [&](std::size_t i) { return static_cast<std::uint64_t>(addresses[i]); };
  if (count == 0) first = number(0);
  std::uint64_t low = least, high = most, differ = differences;
  for (std::size_t i = 0; i < addresses.size(); ++i) {
    low = std::min(low, number(i));
    high = std::max(high, number(i));
    differ |= number(i) ^ first;
  }
  least = low;
  most = high;
  differences = differ;

  // Of most tables that are not in order the first few addresses tell.
  if (count > 0) {
    rising = rising && last < number(0);
    falling = falling && last > number(0);
  }
  for (std::size_t i = 1; (rising || falling) && i < addresses.size(); ++i) {
    rising = rising && number(i - 1) < number(i);
    falling = falling && number(i - 1) > number(i);
  }
  last = number(addresses.size() - 1);
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

void AddressFacts::move(std::int64_t distance) {
  for (std::uint64_t* address : {&first, &last, &least, &most})
    *address += static_cast<std::uint64_t>(distance);
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
  if (span.units / 4 <= addresses.size()) return number_by(NumberByPlace(span), addresses);
  return number_by(NumberByHash(addresses.size()), addresses);
}

}  // namespace multibuffer
