// What decides how an upload travels, on the CPU: the choice, what it is made from, the pieces of a
// copy, the gather that reads page-locked memory, and the slots that threads share.

#include <multibuffer/multibuffer.hpp>

#include "cuda/memory/slot_queue.hpp"
#include "cuda/upload/source_runs.hpp"
#include "cuda/upload/upload_choice.hpp"
#include "host/backend/backend.hpp"
#include "host/backend/pack.hpp"
#include "tests/testing/random_plan.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <thread>
#include <utility>
#include <vector>

namespace multibuffer::cuda {
namespace {

using multibuffer::testing::Random;

constexpr std::int64_t KiB = 1024;

UploadFacts page_locked_runs(std::int64_t runs, std::int64_t run_bytes) {
  return {.bytes = runs * run_bytes,
          .runs = runs,
          .equal_leaves = true,
          .page_locked = true,
          .mapped = true};
}

TEST(UploadChoice, PageableMemoryIsPackedByTheHost) {
  for (const std::int64_t run : {64 * KiB, 64 * KiB * KiB}) {
    UploadFacts facts = page_locked_runs(100, run);
    facts.page_locked = false;
    EXPECT_EQ(choose_upload(facts, 2), UploadWay::packed);
  }
}

TEST(UploadChoice, OnePageLockedRunIsCopiedAsItIs) {
  EXPECT_EQ(choose_upload(page_locked_runs(1, 64 * KiB), 2), UploadWay::straight);
  EXPECT_EQ(choose_upload(page_locked_runs(1, 64 * KiB * KiB), 2), UploadWay::straight);
}

TEST(UploadChoice, LongRunsGoAsABatchAndShorterOnesArePulled) {
  const std::int64_t crossing = upload_thresholds::least_batch_run;
  EXPECT_EQ(choose_upload(page_locked_runs(1000, 256 * KiB), 2), UploadWay::batched);
  EXPECT_EQ(choose_upload(page_locked_runs(1000, crossing), 2), UploadWay::batched);
  EXPECT_EQ(choose_upload(page_locked_runs(1000, crossing - 1), 2), UploadWay::pulled);
  EXPECT_EQ(choose_upload(page_locked_runs(1000, 64 * KiB), 2), UploadWay::pulled);
}

TEST(UploadChoice, ManyThreadsPackShortRunsFasterThanAKernelReadsThem) {
  for (const auto& [threads, crossing] : {std::pair{1, 512}, {2, 1024}, {16, 8192}, {64, 8192}}) {
    EXPECT_EQ(choose_upload(page_locked_runs(1000, crossing), threads), UploadWay::pulled);
    EXPECT_EQ(choose_upload(page_locked_runs(1000, crossing - 1), threads), UploadWay::packed);
  }
}

TEST(UploadChoice, WhatAKernelCannotReadIsPacked) {
  UploadFacts elsewhere = page_locked_runs(1000, 4 * KiB);
  elsewhere.mapped = false;
  EXPECT_EQ(choose_upload(elsewhere, 2), UploadWay::packed);
  UploadFacts hulls = page_locked_runs(1000, 4 * KiB);
  hulls.equal_leaves = false;
  EXPECT_EQ(choose_upload(hulls, 2), UploadWay::packed);
  // A copy needs neither.
  elsewhere.bytes = hulls.bytes = 1000 * 256 * KiB;
  EXPECT_EQ(choose_upload(elsewhere, 2), UploadWay::batched);
  EXPECT_EQ(choose_upload(hulls, 2), UploadWay::batched);
}

TEST(UploadChoice, NothingIsPacked) {
  EXPECT_EQ(choose_upload({.page_locked = true}, 2), UploadWay::packed);
}

/// Memory of which some parts count as page-locked, and pointers to rows of it.
class Rows {
 public:
  Rows(std::int64_t count, std::int64_t row_bytes)
      : row_bytes_(row_bytes), memory_(static_cast<std::size_t>(2 * count * row_bytes)) {
    Random(5).fill(memory_);
    // Every second row, from the last to the first, so that none continue each other.
    for (std::int64_t i = count; i-- > 0;) pointers_.push_back(begin() + 2 * i * row_bytes);
  }
  const std::byte* begin() const { return memory_.data(); }
  const std::byte* end() const { return begin() + memory_.size(); }
  const std::byte* row(std::int64_t i) const { return pointers_[static_cast<std::size_t>(i)]; }

  /// Rows of `count` elements of one byte, every `step`th of a row.
  Placement placement(std::int64_t step = 1, PlacementKind kind = PlacementKind::packed) const {
    const auto count = static_cast<std::int64_t>(pointers_.size());
    const ArrayView view(pointers_.data(), Format(),
                         Layout({{count, 8, 0}, {row_bytes_ / step, step, 1}}, {0, 0}));
    return place(resolve(view), kind);
  }

 private:
  std::int64_t row_bytes_;
  std::vector<std::byte> memory_;
  std::vector<const std::byte*> pointers_;
};

/// So that nothing is packed unasked.
constexpr std::int64_t nobody_packs = 0;

FindPageLocked always(PageLockedRange range) {
  return [range](const std::byte* address) -> std::optional<PageLockedRange> {
    if (address < range.begin || address >= range.end) return std::nullopt;
    return range;
  };
}

TEST(UploadFacts, RowsInOnePageLockedBlockCostOneQuestion) {
  const Rows rows(100, 4 * KiB);
  int questions = 0;
  const UploadFacts facts = upload_facts(rows.placement(), nobody_packs,
                                         [&](const std::byte*) -> std::optional<PageLockedRange> {
                                           ++questions;
                                           return PageLockedRange{rows.begin(), rows.end(), true};
                                         });
  EXPECT_EQ(questions, 1);
  EXPECT_TRUE(facts.page_locked);
  EXPECT_TRUE(facts.mapped);
  EXPECT_TRUE(facts.equal_leaves);
  EXPECT_EQ(facts.runs, 100);
  EXPECT_EQ(facts.bytes, 400 * KiB);
}

TEST(UploadFacts, OnePageableRowAmongOthersIsEnough) {
  const Rows rows(100, 4 * KiB);
  // All but the row that comes last, the first in memory.
  EXPECT_FALSE(upload_facts(rows.placement(), nobody_packs,
                            always({rows.begin() + 4 * KiB, rows.end(), true}))
                   .page_locked);
}

TEST(UploadFacts, ARowAcrossTwoRegistrationsIsNotPageLocked) {
  const Rows rows(100, 4 * KiB);
  const std::byte* const middle = rows.row(50) + KiB;
  const auto two = [&](const std::byte* address) -> std::optional<PageLockedRange> {
    if (address < middle) return PageLockedRange{rows.begin(), middle, true};
    return PageLockedRange{middle, rows.end(), true};
  };
  EXPECT_FALSE(upload_facts(rows.placement(), nobody_packs, two).page_locked);
  PageLockedRanges ranges(two);
  EXPECT_TRUE(ranges.around(rows.row(50), KiB));
  EXPECT_FALSE(ranges.around(rows.row(50), KiB + 1));
  EXPECT_TRUE(ranges.around(middle, 1));
  EXPECT_EQ(ranges.questions(), 2);
}

TEST(UploadFacts, GapsOfALeafArePageLockedTooOrNoneOfItIs) {
  const Rows rows(100, 4 * KiB);
  const Placement strided = rows.placement(2);
  ASSERT_FALSE(strided.packing.empty());
  EXPECT_EQ(upload_facts(strided, nobody_packs, always({rows.begin(), rows.end(), true})).runs,
            100 * 2 * KiB);
  // The first row in memory that is pointed to at the end of the list: only its half is locked.
  const auto half = [&](const std::byte* address) -> std::optional<PageLockedRange> {
    if (address < rows.begin() + 2 * KiB)
      return PageLockedRange{rows.begin(), rows.begin() + 2 * KiB, true};
    return PageLockedRange{rows.begin() + 4 * KiB, rows.end(), true};
  };
  EXPECT_FALSE(upload_facts(strided, nobody_packs, half).page_locked);
}

TEST(UploadFacts, MemoryThatTheDeviceSeesElsewhereIsNotMapped) {
  const Rows rows(100, 4 * KiB);
  const UploadFacts facts =
      upload_facts(rows.placement(), nobody_packs, always({rows.begin(), rows.end(), false}));
  EXPECT_TRUE(facts.page_locked);
  EXPECT_FALSE(facts.mapped);
}

TEST(UploadFacts, QuestionsAreGivenUpWhereTheyCostMoreThanPacking) {
  const Rows rows(10'000, 64);
  int questions = 0;
  const UploadFacts facts =
      upload_facts(rows.placement(), nobody_packs,
                   [&](const std::byte* address) -> std::optional<PageLockedRange> {
                     ++questions;
                     return PageLockedRange{address, address + 64, true};
                   });
  EXPECT_FALSE(facts.page_locked);
  EXPECT_LE(questions, 11);  // 640 kB
  const Rows few(100, 64);
  upload_facts(few.placement(), nobody_packs,
               [&](const std::byte*) -> std::optional<PageLockedRange> {
                 ADD_FAILURE() << "a question about 6 kB";
                 return std::nullopt;
               });
}

TEST(UploadFacts, ShortRunsArePackedUnasked) {
  for (const auto& [row_bytes, asked] : {std::pair{1000, 0}, {1024, 1}}) {
    const Rows rows(1000, row_bytes);
    int questions = 0;
    upload_facts(rows.placement(), 2, [&](const std::byte*) -> std::optional<PageLockedRange> {
      ++questions;
      return PageLockedRange{rows.begin(), rows.end(), true};
    });
    EXPECT_EQ(questions, asked) << row_bytes;
  }
}

// ---- The pieces of a copy, and the gather that reads what a copy would

std::vector<std::byte> packed(const Placement& placement) {
  std::vector<std::byte> arena(static_cast<std::size_t>(placement.arena_bytes));
  pack(placement, 0, placement.arena_bytes, arena.data());
  return arena;
}

/// Placements whose leaves have no gaps, one, and two axes of them.
std::vector<Placement> placements(const Rows& rows, std::vector<const std::byte*>& blocks) {
  std::vector<Placement> result{rows.placement(), rows.placement(3)};
  for (std::int64_t i = 0; i < 8; ++i) blocks.push_back(rows.row(i * 8 + 7));
  const ArrayView planes(blocks.data(), Format("i", 4),
                         Layout({{8, 8, 0}, {3, -160, 1}, {5, 24, 1}, {2, 4, 1}}, {0, 320}));
  result.push_back(place(resolve(planes), PlacementKind::packed));
  return result;
}

TEST(SourceRuns, CopiedOneByOneTheyMakeTheArena) {
  const Rows rows(64, 96);
  std::vector<const std::byte*> blocks;
  for (const Placement& placement : placements(rows, blocks)) {
    std::vector<std::byte> arena(static_cast<std::size_t>(placement.arena_bytes));
    for (const SourceRun& run : source_runs(placement))
      std::memcpy(arena.data() + run.offset, run.source, static_cast<std::size_t>(run.bytes));
    EXPECT_TRUE(arena == packed(placement));
  }
}

TEST(PullPlan, GathersTheArenaInPlaceAllOfItOrInParts) {
  const auto host = open_host_backend();
  const Rows rows(64, 96);
  std::vector<const std::byte*> blocks;
  for (const Placement& placement : placements(rows, blocks)) {
    const PullPlan plan = pull_plan(placement);
    EXPECT_EQ(plan.leaves * plan.leaf_bytes, placement.arena_bytes);
    for (const std::int64_t step : {std::int64_t{1}, std::int64_t{5}, plan.leaves}) {
      std::vector<std::byte> arena(static_cast<std::size_t>(placement.arena_bytes));
      for (std::int64_t first = 0; first < plan.leaves; first += step)
        host->copy(plan.gather(first, std::min(step, plan.leaves - first), plan.table().data(),
                               arena.data()),
                   false, {}, {}, {});
      EXPECT_TRUE(arena == packed(placement)) << step;
    }
  }
}

TEST(PullPlan, AlignedRowsAreReadInWholeVectors) {
  alignas(256) static std::array<std::byte, 32 * KiB> memory{};
  std::vector<const std::byte*> pointers;
  for (std::size_t i = 0; i < 64; ++i) pointers.push_back(memory.data() + (i * 37 % 64) * 512);
  const ArrayView view(pointers.data(), Format(), Layout({{64, 8, 0}, {256, 1, 1}}, {0, 0}));
  const PullPlan plan = pull_plan(place(resolve(view), PlacementKind::packed));
  EXPECT_TRUE(std::holds_alternative<LargeVector<std::uint32_t>>(plan.addresses));
  const CopyPlan gather = plan.gather(0, plan.leaves, plan.table().data(), nullptr);
  EXPECT_EQ(common_vector(gather), 16);
  EXPECT_EQ(choose_kernel(gather).levels, 1);
  EXPECT_FALSE(choose_kernel(gather).wide);
}

TEST(PullPlan, AddressesFarApartTakeSixtyFourBits) {
  Placement placement;
  placement.run_bytes = 3;
  placement.segments = {{reinterpret_cast<const std::byte*>(std::uintptr_t{1} << 40), 0, 3},
                        {reinterpret_cast<const std::byte*>(std::uintptr_t{4097}), 3, 6}};
  placement.arena_bytes = 9;
  const PullPlan plan = pull_plan(placement);
  EXPECT_EQ(plan.origin, 4097);
  EXPECT_EQ(plan.unit, 1);
  EXPECT_EQ(std::get<LargeVector<std::int64_t>>(plan.addresses),
            (LargeVector<std::int64_t>{(std::int64_t{1} << 40) - 4097, 0, 3}));
}

// ---- Slots

TEST(SlotQueue, LendsTheSlotThatCameBackFirst) {
  SlotQueue queue(3);
  EXPECT_EQ(queue.take(), 0u);
  EXPECT_EQ(queue.take(), 1u);
  queue.put_back(1);
  queue.put_back(0);
  EXPECT_EQ(queue.take(), 2u);
  EXPECT_EQ(queue.take_another(), 1u);
  EXPECT_EQ(queue.take_another(), 0u);
  EXPECT_EQ(queue.take_another(), std::nullopt);
}

TEST(SlotQueue, NoSlotIsLentTwiceHoweverManyThreadsAsk) {
  constexpr std::size_t slots = 3;
  SlotQueue queue(slots);
  std::array<std::atomic<int>, slots> holders{};
  std::atomic<int> twice = 0;
  const auto hold = [&](std::size_t slot) {
    twice += holders[slot]++ != 0;
    std::this_thread::yield();
    holders[slot]--;
    queue.put_back(slot);
  };
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 2000; ++i) {
        const std::size_t slot = queue.take();
        if (const auto another = queue.take_another()) hold(*another);
        hold(slot);
      }
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(twice, 0);
}

}  // namespace
}  // namespace multibuffer::cuda
