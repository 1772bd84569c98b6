#include <multibuffer/stages/resolve.hpp>

#include "host/resolve/distinct.hpp"
#include "host/resolve/slot_set.hpp"
#include "host/support/text.hpp"
#include "tests/testing/cases.hpp"
#include "tests/testing/throws.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>
#include <set>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace multibuffer {
namespace {

using testing::cases;
using testing::expect_error;
using Table = std::vector<const std::byte*>;
using Numbers = std::vector<std::int64_t>;

const Format bytes;

Numbers numbers(const Sequence& sequence) {
  Numbers result;
  for (std::int64_t i = 0; i < sequence.size(); ++i) result.push_back(sequence[i]);
  return result;
}

Numbers addresses(const Table& pointers) {
  Numbers result;
  for (const std::byte* pointer : pointers)
    result.push_back(static_cast<std::int64_t>(reinterpret_cast<std::uintptr_t>(pointer)));
  return result;
}

/// Some memory that leaves can lie in; nothing reads it.
const std::byte* leaf(std::ptrdiff_t i) {
  static std::array<std::byte, 4096> memory;
  return memory.data() + i;
}

TEST(Resolve, ADirectArrayHasNoTableAndOneLeaf) {
  const Resolution r = resolve(ArrayView(leaf(0), bytes, Layout({{4, -2, 0}}, {6})));
  EXPECT_EQ(r.layout, Layout({{4, -2, 0}}, {0}));
  EXPECT_TRUE(r.tables.empty());
  EXPECT_EQ(numbers(r.leaves), addresses({leaf(6)}));
  EXPECT_EQ(r.pointers_read, 0);
}

TEST(Resolve, EntriesMirrorSlotsAndLeavesComeByFirstAppearance) {
  const Table rows{leaf(30), leaf(10), leaf(30), leaf(20)};
  const Resolution r =
      resolve(ArrayView(rows.data(), bytes, Layout({{4, 8, 0}, {5, 1, 1}}, {0, 2})));
  ASSERT_EQ(r.tables.size(), 1u);
  EXPECT_EQ(numbers(r.tables[0]), (Numbers{0, 1, 0, 2}));
  EXPECT_EQ(numbers(r.leaves), addresses({leaf(32), leaf(12), leaf(22)}));
  EXPECT_EQ(r.layout, Layout({{4, 1, 0}, {5, 1, 1}}, {0, 0}));
}

TEST(Resolve, NegativeTableStridesStartAtTheFarEnd) {
  const Table rows{leaf(0), leaf(1), leaf(2)};
  const Resolution r = resolve(ArrayView(rows.data(), bytes, Layout({{3, -8, 0}}, {16, 0})));
  EXPECT_EQ(r.layout, Layout({{3, -1, 0}}, {2, 0}));
  EXPECT_EQ(numbers(r.tables[0]), (Numbers{0, 1, 2}));
}

TEST(Resolve, HolesAreNotRead) {
  const Table rows{leaf(0), nullptr, leaf(2), nullptr, leaf(4)};
  const Resolution r = resolve(ArrayView(rows.data(), bytes, Layout({{3, 16, 0}}, {0, 0})));
  EXPECT_EQ(r.pointers_read, 3);
  // The same with a hole inside of what the strides span.
  const Table sparse{leaf(0), nullptr, leaf(2), leaf(3), nullptr, leaf(5)};
  const Resolution s =
      resolve(ArrayView(sparse.data(), bytes, Layout({{2, 24, 0}, {2, 16, 0}}, {0, 0})));
  EXPECT_EQ(s.pointers_read, 4);
}

TEST(Resolve, TablesMayLieAtOddAddresses) {
  std::array<std::byte, 64> memory{};
  for (int i = 0; i < 3; ++i) {
    const std::byte* pointer = leaf(i * 7);
    std::memcpy(memory.data() + 1 + 11 * i, &pointer, sizeof pointer);
  }
  const Resolution r = resolve(ArrayView(memory.data() + 1, bytes, Layout({{3, 11, 0}}, {0, 0})));
  EXPECT_EQ(numbers(r.leaves), addresses({leaf(0), leaf(7), leaf(14)}));
}

TEST(Resolve, NothingIsFollowedInAnEmptyArray) {
  const Table wild{reinterpret_cast<const std::byte*>(1)};
  const Resolution r =
      resolve(ArrayView(wild.data(), bytes, Layout({{9, 800, 0}, {0, 1, 1}}, {0, 0})));
  EXPECT_EQ(r.layout.shape(), (std::vector<std::int64_t>{9, 0}));
  EXPECT_EQ(r.pointers_read, 0);
  EXPECT_TRUE(r.leaves.empty());
}

TEST(Resolve, SeveralLevelsPointAtEachOthersStarts) {
  const Table row_a{leaf(0), leaf(8)}, row_b{leaf(16), leaf(0)};
  const std::vector<const void*> planes{row_a.data(), row_b.data(), row_a.data()};
  const Resolution r = resolve(
      ArrayView(planes.data(), bytes, Layout({{3, 8, 0}, {2, 8, 1}, {8, 1, 2}}, {0, 0, 0})));
  ASSERT_EQ(r.tables.size(), 2u);
  EXPECT_EQ(numbers(r.tables[0]), (Numbers{0, 2, 0}));
  EXPECT_EQ(numbers(r.tables[1]), (Numbers{0, 1, 2, 0}));
  EXPECT_EQ(r.pointers_read, 3 + 4) << "the shared table is read once";
}

// The next tests would not end, or not fit in memory, if the cost followed the product of extents.

TEST(ResolveCost, AMillionOuterEntriesShareOneInnerTable) {
  constexpr std::int64_t million = 1'000'000;
  const Table inner(1000, leaf(0));
  const std::vector<const void*> outer(million, inner.data());
  const Resolution r = resolve(ArrayView(
      outer.data(), bytes, Layout({{million, 8, 0}, {1000, 8, 1}, {64, 1, 2}}, {0, 0, 0})));
  EXPECT_EQ(r.tables[1].size(), 1000);
  EXPECT_EQ(r.pointers_read, million + 1000);
}

TEST(ResolveCost, SlidingWindowsOverOneTable) {
  constexpr std::int64_t million = 1'000'000;
  const Table rows(2 * million, leaf(0));
  const Resolution r = resolve(ArrayView(
      rows.data(), bytes, Layout({{million, 8, 0}, {million, 8, 0}, {64, 1, 1}}, {0, 0})));
  EXPECT_EQ(r.tables[0].size(), 2 * million - 1);
  EXPECT_EQ(r.pointers_read, 2 * million - 1);
}

TEST(ResolveCost, SlidingStartsIntoOneTableBehindPointers) {
  constexpr std::int64_t count = 100'000;
  const Table rows(2 * count, leaf(0));
  std::vector<const void*> starts;
  for (std::int64_t i = 0; i < count; ++i) starts.push_back(rows.data() + i);
  const Resolution r = resolve(ArrayView(
      starts.data(), bytes, Layout({{count, 8, 0}, {count, 8, 1}, {64, 1, 2}}, {0, 0, 0})));
  EXPECT_EQ(r.tables[1].size(), 2 * count - 1);
}

TEST(ResolveCost, BroadcastAxesOfABillionEach) {
  constexpr std::int64_t billion = 1'000'000'000;
  const Table rows{leaf(0)};
  const Resolution r = resolve(
      ArrayView(rows.data(), Format("q", 8), Layout({{billion, 0, 0}, {billion, 0, 1}}, {0, 0})));
  EXPECT_EQ(r.tables[0].size(), 1);
}

TEST(ResolveCost, TablesFarApartDoNotTakeTheGapBetweenThem) {
  std::vector<std::byte> memory(std::size_t{1} << 26);
  const auto put = [&](std::size_t at) {
    const std::byte* pointer = leaf(0);
    std::memcpy(memory.data() + at, &pointer, sizeof pointer);
  };
  constexpr std::int64_t apart = (1 << 25) + 3;
  for (std::size_t i = 0; i < 2; ++i)
    for (std::size_t j = 0; j < 100; ++j) put(i * apart + 8 * j);
  const Resolution r = resolve(
      ArrayView(memory.data(), bytes, Layout({{2, apart, 0}, {100, 8, 0}, {4, 1, 1}}, {0, 0})));
  EXPECT_EQ(r.tables[0].size(), 200);
  EXPECT_EQ(r.layout, Layout({{2, 100, 0}, {100, 1, 0}, {4, 1, 1}}, {0, 0}));
}

TEST(ResolveCost, SlidingStartsIntoTablesFarApart) {
  constexpr std::int64_t apart = 1 << 25;
  constexpr std::int64_t starts_count = 5000, window = 1000;
  std::vector<std::byte> memory(2 * apart);
  for (std::int64_t i = 0; i < 2; ++i) {
    for (std::int64_t j = 0; j < starts_count + window; ++j) {
      const std::byte* pointer = leaf((i + j) % 100);
      std::memcpy(memory.data() + i * apart + 8 * j, &pointer, sizeof pointer);
    }
  }
  std::vector<const void*> starts;
  for (std::int64_t i = 0; i < starts_count; ++i) starts.push_back(memory.data() + 8 * i);
  const Resolution r =
      resolve(ArrayView(starts.data(), bytes,
                        Layout({{starts_count, 8, 0}, {2, apart, 1}, {window, 8, 1}}, {0, 0, 0})));
  EXPECT_EQ(r.tables[1].size(), 2 * (starts_count + window - 1));
  EXPECT_EQ(r.pointers_read, starts_count + 2 * (starts_count + window - 1));
}

TEST(Resolve, NullIsAnErrorWithItsPath) {
  const Table row_a{leaf(0), leaf(8), leaf(0)}, row_b{leaf(16), nullptr, leaf(0)};
  const std::vector<const void*> planes{row_a.data(), row_a.data(), row_b.data(), row_a.data()};
  const ArrayView view(planes.data(), bytes, Layout({{4, 8, 0}, {3, 8, 1}, {8, 1, 2}}, {0, 0, 0}));
  expect_error(Errc::null_pointer, "level 1 of 2 at index [2, 1, :] of shape (4, 3, 8)",
               [&] { resolve(view); });
  expect_error(Errc::null_pointer, "at index [1, 1, :]",
               [&] { resolve(view.reverse(0).reverse(1)); });
  expect_error(Errc::null_pointer, "at index [:, 1, 2] of shape (8, 3, 4)",
               [&] { resolve(view.transpose()); });
  EXPECT_NO_THROW(resolve(view.slice(0, {0, 2, 1}))) << "what is not asked for is not read";
  EXPECT_NO_THROW(resolve(view.slice(1, {{}, {}, 2})));

  const std::vector<const void*> holes{row_a.data(), nullptr};
  expect_error(Errc::null_pointer, "level 0 of 1 at index [1]", [&] {
    resolve(ArrayView(holes.data(), bytes, Layout({{2, 8, 0}}, {0, 0})));
  });
  expect_error(Errc::null_pointer, "level 0 of 1 at index []", [&] {
    resolve(ArrayView(holes.data() + 1, bytes, Layout({}, {0, 0})));
  });
}

// Tables are read in pieces by several threads, and only where pointers are not affine are
// they listed: where they cease to be is tried around the edges of chunks (1024) and pieces
// (65536).

TEST(Resolve, PointersThatCeaseToBeEvenlySpacedAreAllListed) {
  constexpr std::int64_t count = 200'000;
  constexpr std::int64_t base = std::int64_t{1} << 40;
  for (const std::int64_t at : {1, 2, 1023, 1024, 1025, 65535, 65536, 65537, 131072, 199999}) {
    Numbers rows(count);
    for (std::int64_t i = 0; i < count; ++i) rows[static_cast<std::size_t>(i)] = base + 48 * i;
    rows[static_cast<std::size_t>(at)] += 7;
    const Resolution r =
        resolve(ArrayView(rows.data(), bytes, Layout({{count, 8, 0}, {4, 1, 1}}, {0, 5})));
    EXPECT_FALSE(r.leaves.is_affine());
    EXPECT_TRUE(r.tables[0].is_affine());
    for (std::int64_t& row : rows) row += 5;
    EXPECT_EQ(numbers(r.leaves), rows);
  }
}

TEST(Resolve, EvenlySpacedPointersTakeNoMemory) {
  constexpr std::int64_t count = 200'000;
  for (const std::int64_t step :
       {std::int64_t{64}, std::int64_t{-64}, std::int64_t{0}, (std::int64_t{1} << 33) + 8}) {
    Numbers rows(count);
    for (std::int64_t i = 0; i < count; ++i)
      rows[static_cast<std::size_t>(i)] = (std::int64_t{1} << 40) + step * i;
    const Resolution r =
        resolve(ArrayView(rows.data(), bytes, Layout({{count, 8, 0}, {4, 1, 1}}, {0, 0})));
    EXPECT_TRUE(r.leaves.is_affine());
    EXPECT_EQ(r.leaves.size(), step == 0 ? 1 : count);
    EXPECT_EQ(r.tables[0], Sequence::affine(0, step == 0 ? 0 : 1, count));
  }
}

TEST(Resolve, NullIsFoundWhereverItStands) {
  constexpr std::int64_t count = 200'000;
  for (const std::int64_t at : {0, 1, 2, 1024, 65536, 199999}) {
    // Among affine pointers, as one of them, rising and falling; and among others.
    for (const std::int64_t step : {std::int64_t{16}, std::int64_t{-16}, std::int64_t{0}}) {
      Numbers rows(count);
      for (std::int64_t i = 0; i < count; ++i)
        rows[static_cast<std::size_t>(i)] = step == 0 ? 4096 + i * i % 1000 * 8 : (i - at) * step;
      rows[static_cast<std::size_t>(at)] = 0;
      expect_error(Errc::null_pointer, text("at index [", at, ", :]"), [&] {
        resolve(ArrayView(rows.data(), bytes, Layout({{count, 8, 0}, {4, 1, 1}}, {0, 24})));
      });
    }
  }
}

/// At the end of the address space, a window of offsets must not reach around to NULL.
TEST(Resolve, NullIsFoundBesidePointersToTheLastAddresses) {
  constexpr std::int64_t count = 4000;
  Numbers rows(count);
  for (std::int64_t i = 0; i < count; ++i)
    rows[static_cast<std::size_t>(i)] = -8 - i * i % 1009 * 8;
  for (const std::int64_t at : {65, 1001}) {  // where the sample does not look
    Numbers with_null = rows;
    with_null[static_cast<std::size_t>(at)] = 0;
    expect_error(Errc::null_pointer, text("at index [", at, ", :]"), [&] {
      resolve(ArrayView(with_null.data(), bytes, Layout({{count, 8, 0}, {4, 1, 1}}, {0, 0})));
    });
  }
}

TEST(Resolve, AliasesMayBeIgnored) {
  const Table rows{leaf(30), leaf(10), leaf(30)};
  const Resolution r =
      resolve(ArrayView(rows.data(), bytes, Layout({{3, 8, 0}, {5, 1, 1}}, {0, 0})),
              {.aliases = Aliases::ignored});
  EXPECT_EQ(numbers(r.leaves), addresses(rows));
  EXPECT_EQ(numbers(r.tables[0]), (Numbers{0, 1, 2}));
}

TEST(Resolve, ManyAliasesGetIdsByFirstAppearance) {
  // Close together (a number for every place) and far apart (a hash table).
  for (const std::int64_t apart : {std::int64_t{64}, std::int64_t{1} << 20}) {
    Numbers rows;
    for (std::int64_t i = 0; i < 100'000; ++i)
      rows.push_back((std::int64_t{1} << 40) + i * 7919 % 30'011 * apart);
    const Resolution r = resolve(
        ArrayView(rows.data(), bytes, Layout({{std::ssize(rows), 8, 0}, {4, 1, 1}}, {0, 0})));
    EXPECT_EQ(r.leaves.size(), 30'011);
    for (std::int64_t i = 0; i < std::ssize(rows); ++i) {
      EXPECT_EQ(r.tables[0][i], i % 30'011);
      EXPECT_EQ(r.leaves[r.tables[0][i]], rows[static_cast<std::size_t>(i)]);
    }
  }
}

/// Tables of made-up pointers, none of which is followed.
class RandomTables {
 public:
  static constexpr std::array kinds{"dense",     "reversed", "sparse",  "rising", "drawn",
                                    "one often", "evenly",   "outlier", "far",    "one"};

  Numbers table(std::string_view kind, std::int64_t count, std::int64_t apart) {
    Numbers rows(static_cast<std::size_t>(count));
    const std::int64_t base = (std::int64_t{1} << 44) + below(1 << 20) * apart;
    for (std::int64_t i = 0; i < count; ++i) rows[static_cast<std::size_t>(i)] = base + i * apart;
    if (kind == "reversed") std::ranges::reverse(rows);
    if (kind == "rising" || kind == "sparse")
      for (std::size_t i = 1; i < rows.size(); ++i)
        rows[i] = rows[i - 1] + (1 + below(100)) * apart;
    if (kind == "far")
      for (std::int64_t& row : rows) row = base + (row - base) * (std::int64_t{1} << 20);
    if (kind == "one")
      for (std::int64_t& row : rows) row = base;
    if (kind == "dense" || kind == "sparse" || kind == "far" || kind == "one often")
      std::ranges::shuffle(rows, random_);
    if (kind == "one often")
      for (std::int64_t& row : rows)
        if (below(3) == 0) row = rows[0];
    if (kind == "drawn")
      for (std::int64_t& row : rows) row = base + below(count) * apart;
    if (kind == "outlier") any_of(rows) += std::int64_t{1} << 46;
    return rows;
  }
  std::int64_t& any_of(Numbers& rows) {
    return rows[static_cast<std::size_t>(below(std::ssize(rows)))];
  }

 private:
  std::int64_t below(std::int64_t end) {
    return std::uniform_int_distribution<std::int64_t>(0, end - 1)(random_);
  }
  std::mt19937_64 random_{2026};
};

/// What `resolve` finds is what a map of the pointers finds.
void expect_resolved(const Numbers& rows, std::int64_t step) {
  // Between the slots lies what must not be read as a pointer: NULL.
  Numbers memory(rows.size() * static_cast<std::size_t>(step), 0);
  for (std::size_t i = 0; i < rows.size(); ++i)
    memory[i * static_cast<std::size_t>(step)] = rows[i];
  const ArrayView view(memory.data(), bytes,
                       Layout({{std::ssize(rows), step * 8, 0}, {4, 1, 1}}, {0, 24}));
  std::unordered_map<std::int64_t, std::int64_t> id_of;
  Numbers ids, leaves;
  for (const std::int64_t row : rows) {
    const auto [at, is_new] = id_of.try_emplace(row, std::ssize(leaves));
    if (is_new) leaves.push_back(row + 24);
    ids.push_back(at->second);
  }
  if (const auto null = std::ranges::find(rows, 0); null != rows.end()) {
    const auto at = rows.size() == 1 ? 0 : null - rows.begin();
    expect_error(Errc::null_pointer, text("at index [", at, ", :]"), [&] { resolve(view); });
    return;
  }
  const Resolution found = resolve(view);
  ASSERT_EQ(numbers(found.leaves), leaves);
  ASSERT_EQ(numbers(found.tables[0]), ids);
  const Resolution ignored = resolve(view, {.aliases = Aliases::ignored});
  for (std::int64_t i = 0; i < std::ssize(rows); ++i)
    ASSERT_EQ(ignored.leaves[ignored.tables[0][i]], rows[static_cast<std::size_t>(i)] + 24);
}

// Short tables are one thread's, long ones several threads'.
TEST(Resolve, AgreesWithAMapWhateverTheTable) {
  RandomTables random;
  const auto expect_all = [&](std::int64_t count, std::int64_t apart, std::int64_t step) {
    for (const char* kind : RandomTables::kinds) {
      SCOPED_TRACE(text(kind, ": ", count, " pointers, ", apart, " bytes apart, every ", step));
      Numbers rows = random.table(kind, count, apart);
      expect_resolved(rows, step);
      random.any_of(rows) = 0;
      expect_resolved(rows, step);
    }
  };
  const std::vector<std::int64_t> distances{1, 2, 4, 8, 16, 24, 32, 48, 64};
  for (const std::int64_t count : {1, 2, 3, 7, 8, 9, 100})
    for (const std::int64_t apart : distances)
      for (const std::int64_t step : {1, 3}) expect_all(count, apart, step);
  // In an order whose beginning has both counts, both steps and all distances.
  for (std::size_t i = 0; i < cases(36U); ++i)
    expect_all(i % 2 == 0 ? 3000 : 1025, distances[i % 9], (i / 18 + i % 18 / 2) % 2 == 0 ? 1 : 3);
  expect_all(cases(300'000), 8, 1);
  expect_all(cases(300'000), 48, 2);
}

TEST(Resolve, StopsWhenAsked) {
  std::stop_source source;
  source.request_stop();
  const Table rows(std::size_t{1} << 21, leaf(0));
  expect_error(Errc::cancelled, "pointer tables", [&] {
    resolve(ArrayView(rows.data(), bytes, Layout({{1 << 21, 8, 0}}, {0, 0})),
            {.watch = {source.get_token(), {}}});
  });
}

TEST(SlotSet, SpreadsLikeTheProductOfAllIndices) {
  for (const auto& [extent, stride, more, step] :
       {std::array<std::int64_t, 4>{5, 3, 4, 7}, {1, 9, 64, 1}, {63, 65, 2, 1}, {7, 64, 9, 128}}) {
    std::set<std::int64_t> expected;
    SlotSet set(100 + extent * stride + more * step);
    for (const std::int64_t start : {0, 1, 70}) {
      set.insert(start);
      for (std::int64_t i = 0; i < extent; ++i)
        for (std::int64_t j = 0; j < more; ++j) expected.insert(start + i * stride + j * step);
    }
    set.spread(extent, stride);
    set.spread(more, step);
    std::set<std::int64_t> found;
    set.for_each([&](std::int64_t position) { found.insert(position); });
    EXPECT_EQ(found, expected);
    EXPECT_EQ(set.count(), static_cast<std::int64_t>(expected.size()));
  }
}

TEST(SlotSet, CountsAStretchThatDoesNotBeginAtTheStart) {
  SlotSet set(10);
  set.insert(5);
  set.insert(6);
  EXPECT_EQ(set.count(), 2);
  EXPECT_FALSE(set.is_full());
}

TEST(Distinct, IdsFollowFirstAppearanceHoweverAddressesLie) {
  const auto* far = reinterpret_cast<const std::byte*>(std::uintptr_t{1} << 46);
  struct Case {
    Table addresses;
    std::vector<std::int64_t> ids;
  };
  const Case cases[] = {
      {{}, {}},
      {{leaf(5)}, {0}},
      {{leaf(1), leaf(2), leaf(9)}, {0, 1, 2}},  // ascending
      {{leaf(9), leaf(2), leaf(1)}, {0, 1, 2}},  // descending
      {{leaf(2), leaf(9), leaf(1)}, {0, 1, 2}},  // a bitmap tells
      {{leaf(9), far, leaf(1)}, {0, 1, 2}},      // too far apart for one
      {{leaf(4), leaf(4)}, {0, 0}},              // all the same
      {{leaf(9), leaf(1), leaf(9), leaf(2)}, {0, 1, 0, 2}},
      {{far, leaf(1), far, leaf(1)}, {0, 1, 0, 1}},
  };
  for (const Case& c : cases) {
    const Numbers given = addresses(c.addresses);
    AddressFacts facts;
    facts.add(given);
    const Distinct distinct = assign_ids({given.begin(), given.end()}, facts);
    EXPECT_EQ(numbers(distinct.ids), c.ids);
    for (std::size_t i = 0; i < c.ids.size(); ++i)
      EXPECT_EQ(distinct.addresses[c.ids[i]], given[i]);
  }
}

/// Facts are found piece by piece: rising, or falling, are only those in which every piece goes on.
TEST(Distinct, AddressesThatRiseOrFallAtFirstMayRepeatLater) {
  constexpr std::uint32_t piece = 1 << 16;
  for (const bool rising : {true, false})
    for (const std::uint32_t again : {0U, piece - 1}) {
      LargeVector<std::uint32_t> offsets(2 * piece);
      for (std::uint32_t i = 0; i < 2 * piece; ++i) offsets[i] = (rising ? i : 2 * piece - i) * 3;
      offsets[piece] = offsets[again];
      const std::int64_t repeated = offsets[piece];
      const Distinct distinct = assign_ids(LargeVector<std::uint32_t>(offsets));
      EXPECT_EQ(distinct.addresses.size(), 2 * piece - 1);
      EXPECT_EQ(distinct.ids[piece], again);
      EXPECT_EQ(distinct.addresses[again], repeated);
    }
}

/// Tables long enough for several threads, with few repetitions and many, near and far.
TEST(Distinct, IdsOfLongTablesAreThoseOfAMap) {
  const std::int64_t count = cases(300'000);
  std::mt19937_64 random(11);
  for (const std::int64_t apart : {8, 24, 248, 100'000}) {
    Numbers rows(static_cast<std::size_t>(count));
    for (std::int64_t i = 0; i < count; ++i)
      rows[static_cast<std::size_t>(i)] = (std::int64_t{1} << 40) + i * apart;
    std::ranges::shuffle(rows, random);
    for (const char* what : {"distinct", "one often", "last is first", "halves", "drawn", "few"}) {
      SCOPED_TRACE(text(what, ", ", apart, " bytes apart"));
      Numbers given = rows;
      const std::string_view name = what;
      if (name == "one often")
        for (std::size_t i = 7; i < given.size(); i += 3) given[i] = rows[7];
      if (name == "last is first") given.back() = rows.front();
      if (name == "halves") std::copy_n(rows.begin(), count / 2, given.begin() + count / 2);
      if (name == "drawn" || name == "few")
        for (std::int64_t& address : given)
          address = rows[random() % (name == "few" ? 40 : rows.size())];

      std::unordered_map<std::int64_t, std::int64_t> number_of;
      Numbers ids;
      for (const std::int64_t address : given)
        ids.push_back(number_of.try_emplace(address, static_cast<std::int64_t>(number_of.size()))
                          .first->second);

      AddressFacts facts;
      facts.add(given);
      const Distinct distinct = assign_ids({given.begin(), given.end()}, facts);
      ASSERT_EQ(distinct.addresses.size(), static_cast<std::int64_t>(number_of.size()));
      EXPECT_EQ(numbers(distinct.ids), ids);
      for (std::int64_t id = 0; id < distinct.addresses.size(); ++id)
        ASSERT_EQ(number_of.at(distinct.addresses[id]), id);
    }
  }
}

}  // namespace
}  // namespace multibuffer
