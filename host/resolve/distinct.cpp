#include "host/resolve/distinct.hpp"

#include "host/bytes/simd.hpp"
#include "host/resolve/sequence_ops.hpp"
#include "host/support/parallel.hpp"
#include "host/support/prefetch.hpp"
#include "host/support/rounding.hpp"
#include "host/support/threshold.hpp"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstddef>
#include <limits>
#include <type_traits>
#include <utility>
#include <vector>

namespace multibuffer {
namespace {

// `Address` is an address, or a window offset of 32 bits that stands for one. `Id` is the type of
// the ids: 32 bits, unless there are so many that they would collide with -1 ("none yet") and with
// negative ids ("known to an earlier share").

template <class Id>
constexpr Id none = static_cast<Id>(-1);
template <class Id>
bool is_negative(Id id) {
  return static_cast<std::make_signed_t<Id>>(id) < 0;
}

std::size_t index_of(std::uint64_t value) { return static_cast<std::size_t>(value); }

/// Maps addresses to their distance from the lowest one, in units of the largest power of two that
/// divides all distances.
struct Span {
  explicit Span(const AddressFacts& facts)
      : least(facts.least),
        shift(std::countr_zero(facts.differences)),
        units(((facts.most - facts.least) >> shift) + 1) {}
  template <class Address>
  std::size_t unit(Address address) const {
    return index_of((static_cast<std::uint64_t>(address) - least) >> shift);
  }

  std::uint64_t least;
  int shift;
  std::uint64_t units;
};

using Bitmap = LargeVector<std::uint64_t>;

std::size_t word_of(std::size_t unit) { return unit / 64; }
std::uint64_t bit_of(std::size_t unit) { return std::uint64_t{1} << (unit % 64); }

/// Random look-ups in tables larger than the caches are prefetched this many addresses ahead.
constexpr std::size_t lookups_ahead = 16;
constexpr Threshold bytes_that_stay_near{std::int64_t{4} << 20, 0};

/// Calls `visit(i, unit)` for the addresses [begin, end), in order, and `prefetch_unit(unit)` for
/// each `lookups_ahead` addresses earlier.
template <class Address, class Prefetch, class Visit>
void for_units(const LargeVector<Address>& addresses, const Span& span, std::size_t begin,
               std::size_t end, const Prefetch& prefetch_unit, const Visit& visit) {
  const std::size_t late = end - std::min(end - begin, lookups_ahead);
  for (std::size_t i = begin; i < late; ++i) {
    prefetch_unit(span.unit(addresses[i + lookups_ahead]));
    visit(i, span.unit(addresses[i]));
  }
  for (std::size_t i = late; i < end; ++i) visit(i, span.unit(addresses[i]));
}

/// Splits addresses into contiguous shares, at most one a thread. There are no more shares than can
/// each have `words` words of 64 bits without taking more memory than the addresses do.
class Shares {
 public:
  Shares(std::size_t addresses, std::uint64_t words)
      : addresses_(addresses),
        count_(std::min(addresses / index_of(words), static_cast<std::size_t>(thread_count()))) {}
  std::size_t count() const { return count_; }
  std::size_t begin(std::size_t share) const { return addresses_ * share / count_; }
  std::size_t end(std::size_t share) const { return begin(share + 1); }

  /// Calls `work(share)` for each share, in parallel.
  template <class Work>
  void for_each(const Work& work) const {
    const auto bytes_each = static_cast<std::int64_t>(addresses_ / count_ * sizeof(std::int64_t));
    parallel_for(static_cast<std::int64_t>(count_), bytes_each, {},
                 [&](std::int64_t begin, std::int64_t end) {
                   for (; begin < end; ++begin) work(static_cast<std::size_t>(begin));
                 });
  }

 private:
  std::size_t addresses_;
  std::size_t count_;
};

/// Sets the bits of the addresses [begin, end). Stops early and returns false if a bit was set
/// already.
template <class Address>
bool add_all(Bitmap& seen, const LargeVector<Address>& addresses, const Span& span,
             std::size_t begin, std::size_t end) {
  constexpr Threshold most_addresses{4096, 16};
  const auto chunk = static_cast<std::size_t>(most_addresses.value());
  const bool near =
      seen.size() * sizeof seen[0] <= static_cast<std::size_t>(bytes_that_stay_near.value());
  std::uint64_t repeated = 0;
  const auto add = [&](std::size_t, std::size_t unit) {
    std::uint64_t& word = seen[word_of(unit)];
    repeated |= word & bit_of(unit);
    word |= bit_of(unit);
  };
  for (; begin < end && repeated == 0; begin += chunk) {
    const std::size_t stop = std::min(end, begin + chunk);
    if (near) {
      for (std::size_t i = begin; i < stop; ++i) add(i, span.unit(addresses[i]));
    } else {
      for_units(
          addresses, span, begin, stop,
          [&](std::size_t unit) { prefetch_to_first_cache(&seen[word_of(unit)]); }, add);
    }
  }
  return repeated == 0;
}

/// Returns true if bitmaps, one a share, prove that no address repeats.
template <class Address>
bool distinct_by_bitmap(const LargeVector<Address>& addresses, const Span& span) {
  const std::uint64_t words = span.units / 64 + 1;
  if (words > addresses.size()) return false;
  const Shares shares(addresses.size(), words);
  std::vector<Bitmap> seen;  // made here, since work must not throw, and first touched there
  for (std::size_t share = 0; share < shares.count(); ++share) seen.emplace_back(index_of(words));
  std::atomic<bool> distinct = true;
  shares.for_each([&](std::size_t share) {
    Bitmap& bits = seen[share];
    std::ranges::fill(bits, 0);
    if (distinct && !add_all(bits, addresses, span, shares.begin(share), shares.end(share)))
      distinct = false;
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

/// Assigns ids by rank and select, where some addresses repeat, without a table of all ids:
///
///     1. each share sets a bit for the addresses that it sees, and one for those it sees again
///     2. the bits of all shares say which addresses repeat, and how many of a share's are new
///     3. each share assigns ids from there on; an address that an earlier share has seen stays
///     open
///     4. open addresses take the id that the earlier share has assigned
///
/// An address that does not repeat is new where it is seen, and needs two bits. Those that repeat
/// have a table of ids, indexed by their rank among the repeated ones.
template <class Address, class Id>
class IdsByRank {
 public:
  IdsByRank(const LargeVector<Address>& addresses, const Span& span)
      : addresses_(addresses),
        span_(span),
        words_(index_of(span.units / 64 + 1)),
        shares_(addresses.size(), 2 * words_),
        shared_(words_),
        rank_(words_),
        first_id_(shares_.count() + 1, 0),
        ids_(addresses.size()) {
    for (std::size_t share = 0; share < shares_.count(); ++share) seen_.emplace_back(words_);
    shares_.for_each([this](std::size_t share) { find_repeated(share); });
    join();
  }

  static bool fits(std::size_t addresses, const Span& span) {
    return 2 * (span.units / 64 + 1) <= addresses;
  }

  /// Returns true if steps 3 and 4 are faster than a table with room for an id wherever an address
  /// could lie: each repeated address costs several look-ups here, but threads do them in parallel.
  bool is_quick() const {
    constexpr Threshold enough_threads{4, 1};
    return shares_.count() >= static_cast<std::size_t>(enough_threads.value()) ||
           ids_of_shared_.size() <= addresses_.size() / 32;
  }

  Distinct assign() && {
    shares_.for_each([this](std::size_t share) { assign_share(share); });
    if (shares_.count() > 1) resolve_open();
    return {sequence_of(std::move(distinct_)), sequence_of(std::move(ids_))};
  }

 private:
  struct Seen {
    std::uint64_t once;
    std::uint64_t again;  ///< twice in this share; after `join`: in an earlier share
  };
  using SeenBits = LargeVector<Seen>;

  void find_repeated(std::size_t share) {
    SeenBits& seen = seen_[share];
    std::ranges::fill(seen, Seen{0, 0});
    for_units(
        addresses_, span_, shares_.begin(share), shares_.end(share),
        [&](std::size_t unit) { prefetch_to_first_cache(&seen[word_of(unit)]); },
        [&](std::size_t, std::size_t unit) {
          Seen& word = seen[word_of(unit)];
          word.again |= word.once & bit_of(unit);
          word.once |= bit_of(unit);
        });
  }

  void join() {
    std::int64_t shared = 0;
    for (std::size_t w = 0; w < words_; ++w) {
      std::uint64_t before = 0;
      std::uint64_t again = 0;
      for (std::size_t share = 0; share < seen_.size(); ++share) {
        Seen& word = seen_[share][w];
        again |= word.again | (word.once & before);
        first_id_[share + 1] += std::popcount(word.once & ~before);
        word.again = before;
        before |= word.once;
      }
      shared_[w] = again;
      rank_[w] = shared;
      shared += std::popcount(again);
    }
    for (std::size_t share = 0; share < seen_.size(); ++share)
      first_id_[share + 1] += first_id_[share];
    ids_of_shared_.assign(index_of(static_cast<std::uint64_t>(shared)), none<Id>);
    distinct_.resize(index_of(static_cast<std::uint64_t>(first_id_.back())));
  }

  void assign_share(std::size_t share) {
    const SeenBits& seen = seen_[share];
    const bool is_first = share == 0;
    auto next = static_cast<Id>(first_id_[share]);
    const auto take_next = [&](std::size_t i) {
      distinct_[static_cast<std::size_t>(next)] = addresses_[i];
      return next++;
    };
    for_units(
        addresses_, span_, shares_.begin(share), shares_.end(share),
        [&](std::size_t unit) { prefetch_to_first_cache(&shared_[word_of(unit)]); },
        [&](std::size_t i, std::size_t unit) {
          const std::size_t w = word_of(unit);
          if ((shared_[w] & bit_of(unit)) == 0) {
            ids_[i] = take_next(i);
            return;
          }
          const auto rank =
              static_cast<Id>(rank_[w] + std::popcount(shared_[w] & (bit_of(unit) - 1)));
          if (!is_first && (seen[w].again & bit_of(unit)) != 0) {
            ids_[i] = ~rank;
            return;
          }
          Id& id = ids_of_shared_[static_cast<std::size_t>(rank)];
          if (is_negative(id)) id = take_next(i);
          ids_[i] = id;
        });
  }

  void resolve_open() {
    shares_.for_each([this](std::size_t share) {
      for (std::size_t i = shares_.begin(share); i < shares_.end(share); ++i)
        if (const auto rank = ~ids_[i]; is_negative(ids_[i]))
          ids_[i] = ids_of_shared_[static_cast<std::size_t>(rank)];
    });
  }

  const LargeVector<Address>& addresses_;
  Span span_;
  std::size_t words_;
  Shares shares_;
  std::vector<SeenBits> seen_;  ///< per share; first touched by the thread that works on it
  Bitmap shared_;
  LargeVector<std::int64_t> rank_;      ///< per word: the number of shared addresses before it
  std::vector<std::int64_t> first_id_;  ///< per share
  LargeVector<Id> ids_of_shared_;       ///< of the shared ones, by rank
  LargeVector<Address> distinct_;
  LargeVector<Id> ids_;
};

/// Assigns ids by a table. `Table::where` returns the location of an address' id, to be prefetched;
/// `Table::find` returns the id itself, -1 if the address is not among `distinct` yet.
template <class Id, class Address, class Table>
Distinct assign_by(Table table, const LargeVector<Address>& addresses) {
  LargeVector<Id> ids(addresses.size());
  LargeVector<Address> distinct;
  for (std::size_t i = 0; i < addresses.size(); ++i) {
    if (i + lookups_ahead < addresses.size())
      prefetch_to_first_cache(table.where(addresses[i + lookups_ahead]));
    Id& id = table.find(addresses[i], distinct);
    if (id == none<Id>) {
      id = static_cast<Id>(distinct.size());
      distinct.push_back(addresses[i]);
    }
    ids[i] = id;
  }
  return {sequence_of(std::move(distinct)), sequence_of(std::move(ids))};
}

/// A table with an id for every unit of the span.
template <class Address, class Id>
class IdsByUnit {
 public:
  explicit IdsByUnit(const Span& span) : span_(span), ids_(index_of(span.units), none<Id>) {}
  const Id* where(Address address) const { return &ids_[span_.unit(address)]; }
  Id& find(Address address, const LargeVector<Address>& /*distinct*/) {
    return ids_[span_.unit(address)];
  }

 private:
  Span span_;
  LargeVector<Id> ids_;
};

/// A hash table with open addressing at half load: mostly one probe an address.
template <class Address, class Id>
class IdsByHash {
 public:
  explicit IdsByHash(std::size_t addresses)
      : shift_(64 - std::countr_zero(std::bit_ceil(addresses * 2))),
        ids_(std::bit_ceil(addresses * 2), none<Id>) {}
  const Id* where(Address address) const { return &ids_[slot(address)]; }
  Id& find(Address address, const LargeVector<Address>& distinct) {
    std::size_t at = slot(address);
    while (ids_[at] != none<Id> && distinct[static_cast<std::size_t>(ids_[at])] != address)
      at = (at + 1) & (ids_.size() - 1);
    return ids_[at];
  }

 private:
  std::size_t slot(Address address) const {
    return static_cast<std::uint64_t>(address) * 0x9E3779B97F4A7C15u >> shift_;  // Fibonacci
  }

  int shift_;
  LargeVector<Id> ids_;
};

/// The least and the greatest address, and the bits in which any differs from `first`.
struct Extremes {
  std::uint64_t least = ~std::uint64_t{0};
  std::uint64_t most = 0;
  std::uint64_t differences = 0;
};
template <class Address>
Extremes extremes_of(std::span<const Address> addresses, std::uint64_t first) {
  Extremes found;
  for (const Address address : addresses) {
    const auto value = static_cast<std::uint64_t>(address);
    found.least = value < found.least ? value : found.least;
    found.most = value > found.most ? value : found.most;
    found.differences |= value ^ first;
  }
  return found;
}
template <class Address>
MULTIBUFFER_WIDE Extremes extremes_of_wide(std::span<const Address> addresses,
                                           std::uint64_t first) {
  return extremes_of(addresses, first);
}

template <class Address>
void add_to(AddressFacts& facts, std::span<const Address> addresses) {
  if (addresses.empty()) return;
  auto& [count, first, last, least, most, differences, rising, falling] = facts;
  const auto value = [&](std::size_t i) { return static_cast<std::uint64_t>(addresses[i]); };
  if (count == 0) first = value(0);
  static const auto find_extremes =
      has_wide_vectors() ? extremes_of_wide<Address> : extremes_of<Address>;
  const Extremes found = find_extremes(addresses, first);
  least = std::min(least, found.least);
  most = std::max(most, found.most);
  differences |= found.differences;

  // Most tables that are not in order show it in their first few addresses.
  if (count > 0) {
    rising = rising && last < value(0);
    falling = falling && last > value(0);
  }
  for (std::size_t i = 1; (rising || falling) && i < addresses.size(); ++i) {
    rising = rising && value(i - 1) < value(i);
    falling = falling && value(i - 1) > value(i);
  }
  last = value(addresses.size() - 1);
  count += static_cast<std::int64_t>(addresses.size());
}

/// Returns the facts of all addresses, found on all threads.
template <class Address>
AddressFacts facts_of(const LargeVector<Address>& addresses) {
  constexpr Threshold piece_addresses{std::int64_t{1} << 16, 20};
  constexpr Threshold chunk_addresses{1024, 6};  // is read twice, and stays in the first cache
  const auto piece = static_cast<std::size_t>(piece_addresses.value());
  const auto chunk = static_cast<std::size_t>(chunk_addresses.value());
  std::vector<AddressFacts> pieces(ceil_divide(addresses.size(), piece));
  parallel_for(std::ssize(pieces), static_cast<std::int64_t>(piece * sizeof(Address)), {},
               [&](std::int64_t from, std::int64_t to) {
                 for (auto p = static_cast<std::size_t>(from); p < static_cast<std::size_t>(to);
                      ++p)
                   for (std::span rest = std::span(addresses).subspan(
                            p * piece, std::min(piece, addresses.size() - p * piece));
                        !rest.empty(); rest = rest.subspan(std::min(chunk, rest.size())))
                     pieces[p].add(rest.first(std::min(chunk, rest.size())));
               });
  AddressFacts all;
  for (const AddressFacts& facts : pieces) all.append(facts);
  return all;
}

/// Assigns ids to addresses of which some repeat.
template <class Id, class Address>
Distinct assign_repeated(const LargeVector<Address>& addresses, const Span& span) {
  // Four units an address still cost less than the misses of a hash table at half load.
  const bool has_units = span.units / 4 <= addresses.size();
  using ByRank = IdsByRank<Address, Id>;
  if (ByRank::fits(addresses.size(), span)) {
    ByRank by_rank(addresses, span);
    if (by_rank.is_quick() || !has_units) return std::move(by_rank).assign();
  }
  if (has_units) return assign_by<Id>(IdsByUnit<Address, Id>(span), addresses);
  return assign_by<Id>(IdsByHash<Address, Id>(addresses.size()), addresses);
}

/// Tries the cheap proofs that nothing repeats before the algorithms that assign ids.
template <class Address>
Distinct assign_any(LargeVector<Address> addresses, const AddressFacts& facts) {
  const std::int64_t count = facts.count;
  if (count == 0) return {};
  if (facts.differences == 0)  // one address alone
    return {Sequence::affine(static_cast<std::int64_t>(addresses[0]), 0, 1),
            Sequence::affine(0, 0, count)};
  const Span span(facts);
  if (facts.rising || facts.falling || distinct_by_bitmap(addresses, span))
    return {list_of(std::move(addresses)), Sequence::affine(0, 1, count)};
  if (count <= std::numeric_limits<std::int32_t>::max())
    return assign_repeated<std::uint32_t>(addresses, span);
  return assign_repeated<std::int64_t>(addresses, span);
}

}  // namespace

void AddressFacts::add(std::span<const std::int64_t> addresses) { add_to(*this, addresses); }
void AddressFacts::add(std::span<const std::uint32_t> offsets) { add_to(*this, offsets); }

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

Distinct assign_ids(LargeVector<std::int64_t> addresses, const AddressFacts& facts) {
  return assign_any(std::move(addresses), facts);
}

Distinct assign_ids(LargeVector<std::uint32_t> offsets) {
  const AddressFacts facts = facts_of(offsets);
  return assign_any(std::move(offsets), facts);
}

}  // namespace multibuffer
