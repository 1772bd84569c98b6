#include <multibuffer/stages/place.hpp>
#include <multibuffer/stages/resolve.hpp>

#include "host/backend/pack.hpp"
#include "tests/testing/throws.hpp"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <numeric>
#include <string>
#include <vector>

namespace multibuffer {
namespace {

using testing::expect_error;
using Table = std::vector<const std::byte*>;
constexpr Simplify plain{.flatten = false, .duplicate = false, .narrow = false};

/// 4096 bytes that count up, in groups of 251 so that no power of two repeats.
const std::byte* memory(std::ptrdiff_t at) {
  static const std::vector<std::byte> bytes = [] {
    std::vector<std::byte> made(4096);
    for (std::size_t i = 0; i < made.size(); ++i) made[i] = static_cast<std::byte>(i % 251);
    return made;
  }();
  return bytes.data() + at;
}

ArrayView rows_of(const Table& rows, std::int64_t length) {
  return ArrayView(
      rows.data(), Format(),
      Layout({{static_cast<std::int64_t>(rows.size()), 8, 0}, {length, 1, 1}}, {0, 0}));
}

std::vector<std::byte> packed_arena(const Placement& placement) {
  std::vector<std::byte> arena(static_cast<std::size_t>(placement.arena_bytes));
  pack(placement, 0, placement.arena_bytes, arena.data());
  return arena;
}

std::vector<std::uint32_t> narrow(const Placement& placement, std::size_t level) {
  const auto& entries = std::get<LargeVector<std::uint32_t>>(placement.tables[level]);
  return {entries.begin(), entries.end()};
}

TEST(Place, DistinctRowsPackedInOrderBecomeOneDenseTensor) {
  const Table rows{memory(300), memory(100), memory(200)};
  const Placement p = place(resolve(rows_of(rows, 16)));
  EXPECT_EQ(p.kind, PlacementKind::packed);
  EXPECT_EQ(p.layout, Layout({{3, 16, 0}, {16, 1, 0}}, {0}));
  EXPECT_TRUE(p.tables.empty());
  EXPECT_EQ(p.arena_bytes, 48);
  EXPECT_EQ(packed_arena(p)[16], *memory(100));
}

TEST(Place, AliasedRowsTravelOnceAndKeepATable) {
  Table rows(100, memory(0));
  rows[7] = memory(64);
  const Placement p = place(resolve(rows_of(rows, 32)));
  EXPECT_EQ(p.arena_bytes, 64);
  EXPECT_EQ(p.layout.levels(), 1);
  EXPECT_EQ(p.unit, 32);
  EXPECT_EQ(narrow(p, 0)[6], 0u);
  EXPECT_EQ(narrow(p, 0)[7], 1u);
}

TEST(Place, FewAliasesAreDuplicatedIfThatIsCheaperThanATable) {
  Table rows;
  for (std::ptrdiff_t i = 0; i < 100; ++i) rows.push_back(memory(i * 16));
  rows[99] = rows[0];
  const Placement p = place(resolve(rows_of(rows, 16)));
  EXPECT_EQ(p.layout.levels(), 0);
  EXPECT_EQ(p.arena_bytes, 1600);
  const Placement kept = place(resolve(rows_of(rows, 16)), PlacementKind::packed,
                               {.flatten = true, .duplicate = false, .narrow = true});
  EXPECT_EQ(kept.layout.levels(), 1);
  EXPECT_EQ(kept.arena_bytes, 1584);
}

TEST(Place, AliasesThatAreRegularAlreadyAreNotDuplicated) {
  // Rows so short that copies would be cheaper than a table, but no table is needed: the stride is
  // 0.
  const Table rows(1000, memory(0));
  const Placement p = place(resolve(rows_of(rows, 4)));
  EXPECT_EQ(p.layout, Layout({{1000, 0, 0}, {4, 1, 0}}, {0}));
  EXPECT_EQ(p.arena_bytes, 4);
}

TEST(Place, RegularPlanesOfPointersFlatten) {
  // Two levels, every row on its own: both tables vanish.
  const Table a{memory(0), memory(500)}, b{memory(300), memory(40)};
  const std::vector<const void*> planes{b.data(), a.data()};
  const ArrayView view(planes.data(), Format(),
                       Layout({{2, 8, 0}, {2, 8, 1}, {8, 1, 2}}, {0, 0, 0}));
  EXPECT_EQ(place(resolve(view)).layout, Layout({{2, 16, 0}, {2, 8, 0}, {8, 1, 0}}, {0}));
  EXPECT_EQ(place(resolve(view), PlacementKind::packed, plain).layout.levels(), 2);
}

TEST(Place, AnIrregularLevelBehindARegularOneStaysAlone) {
  // The planes share rows, so the inner table stays; the outer one is affine and goes.
  const Table a{memory(0), memory(0)}, b{memory(0), memory(1000)};
  const std::vector<const void*> planes{a.data(), b.data()};
  const ArrayView view(planes.data(), Format(),
                       Layout({{2, 8, 0}, {2, 8, 1}, {256, 1, 2}}, {0, 0, 0}));
  const Placement p = place(resolve(view));
  EXPECT_EQ(p.layout, Layout({{2, 2, 0}, {2, 1, 0}, {256, 1, 1}}, {0, 0}));
  EXPECT_EQ(p.arena_bytes, 512);
}

TEST(Place, AnIrregularLevelInFrontOfARegularOneTakesItsConstants) {
  // Planes are shared, rows inside of each are affine.
  const Table a{memory(0), memory(32), memory(64)}, b{memory(1000), memory(1032), memory(1064)};
  const std::vector<const void*> planes{a.data(), b.data(), a.data(), a.data()};
  const ArrayView view(planes.data(), Format(),
                       Layout({{4, 8, 0}, {3, 8, 1}, {32, 1, 2}}, {0, 0, 0}));
  const Placement p = place(resolve(view));
  EXPECT_EQ(p.layout, Layout({{4, 1, 0}, {3, 32, 1}, {32, 1, 1}}, {0, 0}));
  EXPECT_EQ(p.unit, 96);
  EXPECT_EQ(narrow(p, 0), (std::vector<std::uint32_t>{0, 1, 0, 0}));
  EXPECT_EQ(p.segments.size(), 2u) << "rows that lie one after the other travel as one piece";
}

TEST(Place, StridedLeavesArePackedDenseInTheirMemoryOrder) {
  // Fortran-ordered leaves with gaps, read backwards along one axis.
  const Table rows{memory(2000), memory(1000)};
  const ArrayView view(rows.data(), Format(), Layout({{2, 8, 0}, {3, 2, 1}, {4, -10, 1}}, {0, 30}));
  const Placement p = place(resolve(view), PlacementKind::packed);
  EXPECT_EQ(p.layout, Layout({{2, 12, 0}, {3, 1, 0}, {4, -3, 0}}, {9}));
  EXPECT_EQ(p.packing, (std::vector<PackAxis>{{4, 10}, {3, 2}}));
  const std::vector<std::byte> arena = packed_arena(p);
  for (std::ptrdiff_t i = 0; i < 2; ++i)
    for (std::ptrdiff_t j = 0; j < 3; ++j)
      for (std::ptrdiff_t k = 0; k < 4; ++k)
        EXPECT_EQ(arena[static_cast<std::size_t>(12 * i + j + 9 - 3 * k)],
                  rows[static_cast<std::size_t>(i)][30 + 2 * j - 10 * k]);
}

TEST(Place, BroadcastLeafAxesTravelOnce) {
  const ArrayView view(memory(0), Format(), Layout({{1000, 0, 0}, {16, 1, 0}}, {0}));
  EXPECT_EQ(place(resolve(view)).arena_bytes, 16);
}

TEST(Place, LeavesThatOverlapEachOtherArePreserved) {
  Table rows;
  for (std::ptrdiff_t i = 0; i < 100; ++i) rows.push_back(memory(3 * i));
  const Placement p = place(resolve(rows_of(rows, 64)));
  EXPECT_EQ(p.kind, PlacementKind::preserved);
  EXPECT_EQ(p.segments.size(), 1u);
  EXPECT_EQ(p.segments[0].bytes, 3 * 99 + 64);
  EXPECT_EQ(p.layout.levels(), 0);
  EXPECT_EQ(p.layout.axes()[0].stride, 3);
}

TEST(Place, LeavesThatOverlapThemselvesAreNotPacked) {
  const ArrayView windows(memory(0), Format(), Layout({{50, 1, 0}, {20, 1, 0}}, {0}));
  const Placement p = place(resolve(windows), PlacementKind::packed);
  EXPECT_EQ(p.kind, PlacementKind::preserved);
  EXPECT_EQ(p.arena_bytes % 256, (reinterpret_cast<std::intptr_t>(memory(0)) + 69) % 256);
}

TEST(Place, PreservedLeavesKeepTheirAddressModulo256) {
  const Table rows{memory(1), memory(700), memory(1900)};
  const Placement p = place(resolve(rows_of(rows, 10)), PlacementKind::preserved);
  ASSERT_EQ(p.segments.size(), 3u);
  for (const Segment& segment : p.segments)
    EXPECT_EQ((reinterpret_cast<std::intptr_t>(segment.source) - segment.offset) % 256, 0);
  const std::vector<std::byte> arena = packed_arena(p);
  EXPECT_EQ(arena[static_cast<std::size_t>(p.segments[1].offset)], *memory(700));
}

TEST(Place, InPlaceOffsetsAreAddresses) {
  const Table rows{memory(640), memory(0), memory(128)};
  for (const Simplify& simplify : {Simplify{}, plain}) {
    const Placement p = place(resolve(rows_of(rows, 64)), PlacementKind::in_place, simplify);
    EXPECT_EQ(p.arena_bytes, 0);
    const std::int64_t entry =
        simplify.narrow ? narrow(p, 0)[2] : std::get<LargeVector<std::int64_t>>(p.tables[0])[2];
    EXPECT_EQ(entry * p.unit + p.layout.origins()[1], reinterpret_cast<std::intptr_t>(memory(128)));
  }
}

TEST(Place, EntriesThatDoNotFitIn32BitsStayWide) {
  // Offsets 6 GiB apart whose common factor is 1.
  const auto* far = memory(0) + (std::int64_t{3} << 31) + 1;
  const Table rows{memory(0), far, memory(0), memory(1)};
  const Placement p = place(resolve(rows_of(rows, 1)), PlacementKind::in_place);
  EXPECT_TRUE(std::holds_alternative<LargeVector<std::int64_t>>(p.tables[0]));
  EXPECT_EQ(p.unit, 1);
}

TEST(Place, TheLargestEntryOf32BitsStaysNarrow) {
  constexpr std::int64_t largest = 0xffff'ffff;
  for (const std::int64_t distance : {largest, largest + 1}) {
    const Table rows{memory(0), memory(0) + distance, memory(0), memory(1)};
    const Placement p = place(resolve(rows_of(rows, 1)), PlacementKind::in_place);
    EXPECT_EQ(std::holds_alternative<LargeVector<std::uint32_t>>(p.tables[0]), distance == largest);
    EXPECT_EQ(p.unit, 1);
  }
}

TEST(Place, WideEntriesKeepTheirCommonUnit) {
  // The unit is what kernels read the alignment off.
  const auto* far = memory(0) + (std::int64_t{1} << 40);
  const Table rows{memory(0), far, memory(0), memory(64)};
  const Placement p = place(resolve(rows_of(rows, 1)), PlacementKind::in_place);
  EXPECT_EQ(p.unit, 64);
  EXPECT_EQ(std::get<LargeVector<std::int64_t>>(p.tables[0])[1], std::int64_t{1} << 34);
}

TEST(Place, RefusesWhatCannotBeCopied) {
  const ArrayView objects(memory(0), Format("O", 8), Layout({{4, 8, 0}}, {0}));
  expect_error(Errc::format_unsupported, "format 'O' holds references to Python objects",
               [&] { place(resolve(objects)); });
  const ArrayView elsewhere(memory(0), Format(), Layout({{4, 8, 0}}, {0}), true,
                            MemorySpace::device);
  expect_error(Errc::invalid_argument, "only be placed in place",
               [&] { place(resolve(elsewhere), PlacementKind::packed); });
  EXPECT_EQ(place(resolve(elsewhere)).kind, PlacementKind::in_place);
}

TEST(Place, AnEmptyArrayTakesNothing) {
  const ArrayView empty(nullptr, Format(), Layout({{3, 8, 0}, {0, 1, 1}}, {0, 0}));
  for (const PlacementKind kind : {PlacementKind::automatic, PlacementKind::packed,
                                   PlacementKind::preserved, PlacementKind::in_place}) {
    const Placement p = place(resolve(empty), kind);
    EXPECT_EQ(p.arena_bytes, 0);
    EXPECT_EQ(p.layout.shape(), (std::vector<std::int64_t>{3, 0}));
  }
}

TEST(Pack, AnyCutGivesTheSameBytes) {
  // Strided leaves with a run that no cut respects, and preserved hulls with gaps between them.
  const Table rows{memory(2000), memory(1001), memory(17)};
  const ArrayView strided(rows.data(), Format("3s", 3),
                          Layout({{3, 8, 0}, {4, 40, 1}, {5, 3, 1}}, {0, 0}));
  for (const PlacementKind kind : {PlacementKind::packed, PlacementKind::preserved}) {
    const Placement p = place(resolve(strided), kind);
    const std::vector<std::byte> whole = packed_arena(p);
    for (const std::int64_t cut : {1, 2, 7, 64, 100}) {
      std::vector<std::byte> pieces(whole.size(), std::byte{0xEE});
      for (std::int64_t begin = 0; begin < p.arena_bytes; begin += cut)
        pack(p, begin, std::min(begin + cut, p.arena_bytes), pieces.data() + begin);
      EXPECT_EQ(pieces, whole) << "cut every " << cut;
    }
  }
}

}  // namespace
}  // namespace multibuffer
