#include "host/resolve/distinct.hpp"

#include "host/bytes/simd.hpp"
#include "host/resolve/sequence_ops.hpp"
#include "host/support/parallel.hpp"
#include "host/support/rounding.hpp"

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

// `Number` is an address, or a place of 32 bits that stands for one; `Id` is the type that numbers
// of distinct ones are kept in: 32 bits unless there are so many that -1 and negative numbers, by
// which "none yet" and "another share's" are said, would not be told from them.

template <class Id>
constexpr Id none = static_cast<Id>(-1);
template <class Id>
bool is_negative(Id id) {
  return static_cast<std::make_signed_t<Id>>(id) < 0;
}

std::size_t index_of(std::uint64_t number) { return static_cast<std::size_t>(number); }

/// Addresses that lie close together, by their distance from the lowest in units of what divides
/// all distances, as far as that is a power of two.
struct Span {
  explicit Span(const AddressFacts& facts)
      : least(facts.least),
        shift(std::countr_zero(facts.differences)),
        units(((facts.most - facts.least) >> shift) + 1) {}
  template <class Number>
  std::size_t unit(Number address) const {
    return index_of((static_cast<std::uint64_t>(address) - least) >> shift);
  }

  std::uint64_t least;
  int shift;
  std::uint64_t units;
};

using Bitmap = LargeVector<std::uint64_t>;

std::size_t word_of(std::size_t unit) { return unit / 64; }
std::uint64_t bit_of(std::size_t unit) { return std::uint64_t{1} << (unit % 64); }

/// What is looked up at random in tables larger than caches is asked for this many addresses ahead.
constexpr std::size_t lookups_ahead = 16;
constexpr std::size_t bytes_that_stay_near = std::size_t{4} << 20;

/// Calls `visit(i, unit)` for the addresses [begin, end), in order, and `soon(unit)` some time
/// before it.
template <class Number, class Soon, class Visit>
void for_units(const LargeVector<Number>& addresses, const Span& span, std::size_t begin,
               std::size_t end, const Soon& soon, const Visit& visit) {
  const std::size_t late = end - std::min(end - begin, lookups_ahead);
  for (std::size_t i = begin; i < late; ++i) {
    soon(span.unit(addresses[i + lookups_ahead]));
    visit(i, span.unit(addresses[i]));
  }
  for (std::size_t i = late; i < end; ++i) visit(i, span.unit(addresses[i]));
}

/// Addresses dealt out among threads, each of which gets neighbours. There are no more shares than
/// can have `words` of 64 bits each without taking more memory than the addresses do.
class Shares {
 public:
  Shares(std::size_t addresses, std::uint64_t words)
      : addresses_(addresses),
        count_(std::min(addresses / index_of(words), static_cast<std::size_t>(thread_count()))) {}
  std::size_t count() const { return count_; }
  std::size_t begin(std::size_t share) const { return addresses_ * share / count_; }
  std::size_t end(std::size_t share) const { return begin(share + 1); }

  /// Calls `work(share)` for each of them, side by side.
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

/// Sets the bits of the addresses [begin, end). Stops early, and returns false, where one was set
/// before.
template <class Number>
bool add_all(Bitmap& seen, const LargeVector<Number>& addresses, const Span& span,
             std::size_t begin, std::size_t end) {
  constexpr std::size_t chunk = 4096;
  const bool near = seen.size() * sizeof seen[0] <= bytes_that_stay_near;
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
          [&](std::size_t unit) { __builtin_prefetch(&seen[word_of(unit)], 1); }, add);
    }
  }
  return repeated == 0;
}

/// Whether no address repeats, as far as bitmaps, one a share, can tell.
template <class Number>
bool distinct_by_bitmap(const LargeVector<Number>& addresses, const Span& span) {
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

/// Numbers addresses by first appearance, where some repeat, without a table of numbers for all:
///
///     1. each share marks what it sees, and what it sees again
///     2. marks of all together tell which addresses are shared, and how many of a share's are new
///     3. each share counts on from there; what it knows from an earlier share it leaves open
///     4. what was left open has its number by now
///
/// An address that is not shared is new wherever it is seen, and needs two bits; the shared ones,
/// counted through, have a table.
template <class Number, class Id>
class NumberByMarks {
 public:
  NumberByMarks(const LargeVector<Number>& addresses, const Span& span)
      : addresses_(addresses),
        span_(span),
        words_(index_of(span.units / 64 + 1)),
        shares_(addresses.size(), 2 * words_),
        shared_(words_),
        rank_(words_),
        first_number_(shares_.count() + 1, 0),
        ids_(addresses.size()) {
    for (std::size_t share = 0; share < shares_.count(); ++share) marks_.emplace_back(words_);
    shares_.for_each([this](std::size_t share) { mark(share); });
    join();
  }

  static bool fits(std::size_t addresses, const Span& span) {
    return 2 * (span.units / 64 + 1) <= addresses;
  }

  /// Whether steps 3 and 4 are quicker than a table with room for a number wherever an address
  /// could lie: each shared address costs several look-ups here, but threads do them side by side.
  bool is_quick() const {
    constexpr std::size_t enough_threads = 4;
    return shares_.count() >= enough_threads || numbers_.size() <= addresses_.size() / 32;
  }

  Distinct number() && {
    shares_.for_each([this](std::size_t share) { count_on(share); });
    if (shares_.count() > 1) fill_in();
    return {sequence_of(std::move(distinct_)), sequence_of(std::move(ids_))};
  }

 private:
  struct Mark {
    std::uint64_t seen;
    std::uint64_t again;  ///< seen twice in this share; after `join`: seen in an earlier one
  };
  using Marks = LargeVector<Mark>;

  void mark(std::size_t share) {
    Marks& marks = marks_[share];
    std::ranges::fill(marks, Mark{0, 0});
    for_units(
        addresses_, span_, shares_.begin(share), shares_.end(share),
        [&](std::size_t unit) { __builtin_prefetch(&marks[word_of(unit)], 1); },
        [&](std::size_t, std::size_t unit) {
          Mark& mark = marks[word_of(unit)];
          mark.again |= mark.seen & bit_of(unit);
          mark.seen |= bit_of(unit);
        });
  }

  void join() {
    std::int64_t shared = 0;
    for (std::size_t w = 0; w < words_; ++w) {
      std::uint64_t before = 0;
      std::uint64_t again = 0;
      for (std::size_t share = 0; share < marks_.size(); ++share) {
        Mark& mark = marks_[share][w];
        again |= mark.again | (mark.seen & before);
        first_number_[share + 1] += std::popcount(mark.seen & ~before);
        mark.again = before;
        before |= mark.seen;
      }
      shared_[w] = again;
      rank_[w] = shared;
      shared += std::popcount(again);
    }
    for (std::size_t share = 0; share < marks_.size(); ++share)
      first_number_[share + 1] += first_number_[share];
    numbers_.assign(index_of(static_cast<std::uint64_t>(shared)), none<Id>);
    distinct_.resize(index_of(static_cast<std::uint64_t>(first_number_.back())));
  }

  void count_on(std::size_t share) {
    const Marks& marks = marks_[share];
    const bool is_first = share == 0;
    auto next = static_cast<Id>(first_number_[share]);
    const auto take_next = [&](std::size_t i) {
      distinct_[static_cast<std::size_t>(next)] = addresses_[i];
      return next++;
    };
    for_units(
        addresses_, span_, shares_.begin(share), shares_.end(share),
        [&](std::size_t unit) { __builtin_prefetch(&shared_[word_of(unit)]); },
        [&](std::size_t i, std::size_t unit) {
          const std::size_t w = word_of(unit);
          if ((shared_[w] & bit_of(unit)) == 0) {
            ids_[i] = take_next(i);
            return;
          }
          const auto rank =
              static_cast<Id>(rank_[w] + std::popcount(shared_[w] & (bit_of(unit) - 1)));
          if (!is_first && (marks[w].again & bit_of(unit)) != 0) {
            ids_[i] = ~rank;
            return;
          }
          Id& number = numbers_[static_cast<std::size_t>(rank)];
          if (is_negative(number)) number = take_next(i);
          ids_[i] = number;
        });
  }

  void fill_in() {
    shares_.for_each([this](std::size_t share) {
      for (std::size_t i = shares_.begin(share); i < shares_.end(share); ++i)
        if (const auto rank = ~ids_[i]; is_negative(ids_[i]))
          ids_[i] = numbers_[static_cast<std::size_t>(rank)];
    });
  }

  const LargeVector<Number>& addresses_;
  Span span_;
  std::size_t words_;
  Shares shares_;
  std::vector<Marks> marks_;  ///< per share; first touched by who works on it
  Bitmap shared_;
  LargeVector<std::int64_t> rank_;          ///< per word: how many shared ones are before it
  std::vector<std::int64_t> first_number_;  ///< per share
  LargeVector<Id> numbers_;                 ///< of the shared ones, by rank
  LargeVector<Number> distinct_;
  LargeVector<Id> ids_;
};

/// `Table::place` says where the number of an address is, to be asked for early; `Table::find` is
/// the number itself, -1 where the address is not among `distinct` yet.
template <class Id, class Number, class Table>
Distinct number_by(Table table, const LargeVector<Number>& addresses) {
  LargeVector<Id> ids(addresses.size());
  LargeVector<Number> distinct;
  for (std::size_t i = 0; i < addresses.size(); ++i) {
    if (i + lookups_ahead < addresses.size())
      __builtin_prefetch(table.place(addresses[i + lookups_ahead]), 1);
    Id& id = table.find(addresses[i], distinct);
    if (id == none<Id>) {
      id = static_cast<Id>(distinct.size());
      distinct.push_back(addresses[i]);
    }
    ids[i] = id;
  }
  return {sequence_of(std::move(distinct)), sequence_of(std::move(ids))};
}

/// A number for every place where an address could lie.
template <class Number, class Id>
class NumberByPlace {
 public:
  explicit NumberByPlace(const Span& span) : span_(span), ids_(index_of(span.units), none<Id>) {}
  const Id* place(Number address) const { return &ids_[span_.unit(address)]; }
  Id& find(Number address, const LargeVector<Number>& /*distinct*/) {
    return ids_[span_.unit(address)];
  }

 private:
  Span span_;
  LargeVector<Id> ids_;
};

/// Open addressing at half load: one probe a pointer, mostly.
template <class Number, class Id>
class NumberByHash {
 public:
  explicit NumberByHash(std::size_t addresses)
      : shift_(64 - std::countr_zero(std::bit_ceil(addresses * 2))),
        ids_(std::bit_ceil(addresses * 2), none<Id>) {}
  const Id* place(Number address) const { return &ids_[slot(address)]; }
  Id& find(Number address, const LargeVector<Number>& distinct) {
    std::size_t at = slot(address);
    while (ids_[at] != none<Id> && distinct[static_cast<std::size_t>(ids_[at])] != address)
      at = (at + 1) & (ids_.size() - 1);
    return ids_[at];
  }

 private:
  std::size_t slot(Number address) const {
    return static_cast<std::uint64_t>(address) * 0x9E3779B97F4A7C15u >> shift_;  // Fibonacci
  }

  int shift_;
  LargeVector<Id> ids_;
};

/// What lies between the least and the greatest address, and the bits in which any differs from
/// `first`.
struct Extremes {
  std::uint64_t least = ~std::uint64_t{0};
  std::uint64_t most = 0;
  std::uint64_t differences = 0;
};
template <class Number>
Extremes extremes_of(std::span<const Number> addresses, std::uint64_t first) {
  Extremes found;
  for (const Number address : addresses) {
    const auto number = static_cast<std::uint64_t>(address);
    found.least = number < found.least ? number : found.least;
    found.most = number > found.most ? number : found.most;
    found.differences |= number ^ first;
  }
  return found;
}
template <class Number>
MULTIBUFFER_WIDE Extremes extremes_of_wide(std::span<const Number> addresses, std::uint64_t first) {
  return extremes_of(addresses, first);
}

template <class Number>
void add_to(AddressFacts& facts, std::span<const Number> addresses) {
  if (addresses.empty()) return;
  auto& [count, first, last, least, most, differences, rising, falling] = facts;
  const auto number = [&](std::size_t i) { return static_cast<std::uint64_t>(addresses[i]); };
  if (count == 0) first = number(0);
  static const auto find_extremes =
      has_wide_vectors() ? extremes_of_wide<Number> : extremes_of<Number>;
  const Extremes found = find_extremes(addresses, first);
  least = std::min(least, found.least);
  most = std::max(most, found.most);
  differences |= found.differences;

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

/// The facts of all of them, found on all threads.
template <class Number>
AddressFacts facts_of(const LargeVector<Number>& numbers) {
  constexpr std::size_t piece = std::size_t{1} << 16;
  constexpr std::size_t chunk = 1024;  // what is looked at twice stays in the first cache
  std::vector<AddressFacts> pieces(ceil_divide(numbers.size(), piece));
  parallel_for(std::ssize(pieces), static_cast<std::int64_t>(piece * sizeof(Number)), {},
               [&](std::int64_t from, std::int64_t to) {
                 for (auto p = static_cast<std::size_t>(from); p < static_cast<std::size_t>(to);
                      ++p)
                   for (std::span rest = std::span(numbers).subspan(
                            p * piece, std::min(piece, numbers.size() - p * piece));
                        !rest.empty(); rest = rest.subspan(std::min(chunk, rest.size())))
                     pieces[p].add(rest.first(std::min(chunk, rest.size())));
               });
  AddressFacts all;
  for (const AddressFacts& facts : pieces) all.append(facts);
  return all;
}

/// Numbers addresses of which some repeat.
template <class Id, class Number>
Distinct number_repeated(const LargeVector<Number>& addresses, const Span& span) {
  // Four places an address are still less than a table at half load is with its misses.
  const bool has_places = span.units / 4 <= addresses.size();
  using ByMarks = NumberByMarks<Number, Id>;
  if (ByMarks::fits(addresses.size(), span)) {
    ByMarks by_marks(addresses, span);
    if (by_marks.is_quick() || !has_places) return std::move(by_marks).number();
  }
  if (has_places) return number_by<Id>(NumberByPlace<Number, Id>(span), addresses);
  return number_by<Id>(NumberByHash<Number, Id>(addresses.size()), addresses);
}

template <class Number>
Distinct number_any(LargeVector<Number> addresses, const AddressFacts& facts) {
  const std::int64_t count = facts.count;
  if (count == 0) return {};
  if (facts.differences == 0)
    return {Sequence::evenly(static_cast<std::int64_t>(addresses[0]), 0, 1),
            Sequence::evenly(0, 0, count)};
  const Span span(facts);
  if (facts.rising || facts.falling || distinct_by_bitmap(addresses, span))
    return {list_of(std::move(addresses)), Sequence::evenly(0, 1, count)};
  if (count <= std::numeric_limits<std::int32_t>::max())
    return number_repeated<std::uint32_t>(addresses, span);
  return number_repeated<std::int64_t>(addresses, span);
}

}  // namespace

void AddressFacts::add(std::span<const std::int64_t> addresses) { add_to(*this, addresses); }
void AddressFacts::add(std::span<const std::uint32_t> places) { add_to(*this, places); }

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
  return number_any(std::move(addresses), facts);
}

Distinct number_distinct(LargeVector<std::uint32_t> places) {
  const AddressFacts facts = facts_of(places);
  return number_any(std::move(places), facts);
}

}  // namespace multibuffer
