// The kernels' bodies, run over whole grids on the CPU: every block, every thread, with every
// access to memory checked. What a GPU adds to this is time and the order of threads.

#include "cuda/arena_image.hpp"
#include "cuda/compare_body.hpp"
#include "cuda/gather_body.hpp"
#include "cuda/kernel_choice.hpp"
#include "cuda/kernel_plan.hpp"
#include "tests/random_plan.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace multibuffer::cuda {
namespace {

using namespace multibuffer::testing;

/// Memory as a kernel may touch it: reads inside of what was named, aligned; every byte written at
/// most once.
class CheckedMemory {
 public:
  void allow_reads(const void* begin, std::int64_t bytes) {
    const Address at = address_of(begin);
    readable_.emplace_back(at, at + static_cast<Address>(bytes));
  }
  void allow_writes(std::byte* begin, std::int64_t bytes) {
    out_ = address_of(begin);
    written_.assign(static_cast<std::size_t>(bytes), false);
  }

  template <class T>
  T load(Address at) {
    T value{};
    const bool inside = std::ranges::any_of(readable_, [&](const auto& range) {
      return range.first <= at && at + sizeof(T) <= range.second;
    });
    if (at % sizeof(T) != 0 || !inside) {
      fail("load", at, sizeof(T));
      return value;
    }
    std::memcpy(&value, reinterpret_cast<const void*>(at), sizeof(T));
    return value;
  }

  template <class T>
  T stream(Address at) {
    return load<T>(at);
  }

  template <class T>
  void store(Address at, T value) {
    if (at % sizeof(T) != 0 || at < out_ || at + sizeof(T) > out_ + written_.size()) {
      fail("store", at, sizeof(T));
      return;
    }
    for (std::size_t i = at - out_; i < at - out_ + sizeof(T); ++i) {
      if (written_[i]) fail("second store", at, sizeof(T));
      written_[i] = true;
    }
    std::memcpy(reinterpret_cast<void*>(at), &value, sizeof(T));
  }

  void lower(Address at, std::uint64_t value) {
    auto& word = *reinterpret_cast<std::uint64_t*>(at);
    word = std::min(word, value);
  }

  int failures() const { return failures_; }

 private:
  void fail(const char* what, Address at, std::size_t bytes) {
    if (failures_++ == 0)
      ADD_FAILURE() << what << " of " << bytes << " bytes at " << std::hex << at;
  }

  std::vector<std::pair<Address, Address>> readable_;
  Address out_ = 0;
  std::vector<bool> written_;
  int failures_ = 0;
};

// Launches. ------------------------------------------------------------------------------------

struct Grid {
  std::uint32_t blocks = 1;
  std::uint32_t threads = threads_per_block;
};

template <class Vector, int Levels, class Plan, class Access>
void run_threads(const Plan& plan, const KernelChoice& choice, Access& memory, const Grid& grid) {
  for (std::uint32_t block = 0; block < grid.blocks; ++block)
    for (std::uint32_t thread = 0; thread < grid.threads; ++thread) {
      const Place place{block, grid.blocks, thread, grid.threads};
      if (choice.family == Family::rows)
        gather_rows<Vector, Levels>(plan, memory, place);
      else
        gather_elements<Vector, Levels>(plan, memory, place);
    }
}

template <int Levels, class Plan, class Access>
void run_grid(const Plan& plan, const KernelChoice& choice, Access& memory, const Grid& grid) {
  switch (choice.vector_bytes) {
    case 16:
      return run_threads<Bytes16, Levels>(plan, choice, memory, grid);
    case 8:
      return run_threads<std::uint64_t, Levels>(plan, choice, memory, grid);
    case 4:
      return run_threads<std::uint32_t, Levels>(plan, choice, memory, grid);
    case 2:
      return run_threads<std::uint16_t, Levels>(plan, choice, memory, grid);
    default:
      return run_threads<std::uint8_t, Levels>(plan, choice, memory, grid);
  }
}

template <class Plan, class Access>
void run_small(const Plan& plan, const KernelChoice& choice, Access& memory, const Grid& grid) {
  switch (choice.levels) {
    case 0:
      return run_grid<0>(plan, choice, memory, grid);
    case 1:
      return run_grid<1>(plan, choice, memory, grid);
    default:
      return run_grid<2>(plan, choice, memory, grid);
  }
}

/// What the backend does, without a device.
template <class Access>
void run_kernel(const GatherPlan& plan, const KernelChoice& choice, Access& memory,
                const Grid& grid, std::uint64_t* bad_index = nullptr) {
  const Address word = address_of(bad_index);
  if (choice.levels == any_levels) {
    const auto parts = plan_parts<std::int64_t>(plan, choice, word);
    Block block(static_cast<std::int64_t>(large_plan_bytes(parts)));
    std::vector<std::byte> lists;
    const LargePlan large = large_plan(parts, block.data(), lists);
    ASSERT_EQ(static_cast<std::int64_t>(lists.size()), block.bytes());
    std::ranges::copy(lists, block.data());
    run_grid<any_levels>(large, choice, memory, grid);
  } else if (choice.wide) {
    run_small(small_plan(plan_parts<std::int64_t>(plan, choice, word)), choice, memory, grid);
  } else {
    run_small(small_plan(plan_parts<std::int32_t>(plan, choice, word)), choice, memory, grid);
  }
}

CheckedMemory checked_memory(Case& c) {
  CheckedMemory memory;
  for (std::vector<Block>* blocks : {&c.tables, &c.index_arrays, &c.leaves})
    for (Block& block : *blocks) memory.allow_reads(block.data(), block.bytes());
  memory.allow_writes(c.out[0].data(), c.out[0].bytes());
  return memory;
}

void expect_gathers(Case& c, const KernelChoice& choice, const Grid& grid,
                    const std::vector<std::byte>& expected) {
  std::fill_n(c.out[0].data(), c.out[0].bytes(), prefill);
  CheckedMemory memory = checked_memory(c);
  run_kernel(c.plan, choice, memory, grid);
  const bool same = std::memcmp(c.out[0].data(), expected.data(), expected.size()) == 0;
  EXPECT_TRUE(same && memory.failures() == 0) << describe(c.plan, choice);
}

void expect_all_choices_agree(unsigned seed, const Size& size, int cases) {
  Random random(seed);
  for (int i = 0; i < cases && !::testing::Test::HasFailure(); ++i) {
    Case c = CaseMaker(random, size).make();
    const std::vector<std::byte> expected = c.expected();
    const KernelChoice chosen = choose_kernel(c.plan);
    if (chosen.family != Family::copy) expect_gathers(c, chosen, {2, 64}, expected);
    for (int variant = 0; variant < 4; ++variant)
      expect_gathers(
          c, random_choice(random, c.plan),
          {static_cast<std::uint32_t>(random.between(1, 5)), random.pick({32u, 64u, 256u})},
          expected);
  }
}

TEST(KernelBodies, GatherWhatThePlanSays) { expect_all_choices_agree(1, {}, 600); }

TEST(KernelBodies, GatherWithoutTablesOrIndices) {
  expect_all_choices_agree(2, {.most_axes = 5, .most_levels = 0, .most_indices = 0}, 250);
}

TEST(KernelBodies, GatherThroughManyLevels) {
  expect_all_choices_agree(3, {.most_axes = 5, .most_levels = 7, .most_indices = 3}, 150);
}

TEST(KernelBodies, GatherWithMoreAxesAndIndicesThanParametersHold) {
  expect_all_choices_agree(
      4, {.most_axes = 14, .most_levels = 3, .most_indices = 8, .most_rows = 100}, 60);
  expect_all_choices_agree(
      5, {.most_axes = 64, .most_levels = 2, .most_indices = 64, .most_rows = 3}, 10);
}

TEST(KernelBodies, ReportTheLowestBadIndexAndSkipItsRows) {
  Random random(6);
  int bad_cases = 0;
  for (int i = 0; i < 600 && !HasFailure(); ++i) {
    Case c = CaseMaker(random, {.most_axes = 4, .most_levels = 3, .most_indices = 5}).make();
    if (c.plan.mode != IndexMode::raise || c.plan.indices.empty()) continue;
    for (int n = 0; n < 2; ++n) {
      const auto k =
          static_cast<std::size_t>(random.between(0, static_cast<int>(c.plan.indices.size()) - 1));
      const PlanIndices& indices = c.plan.indices[k];
      const std::int64_t position = random.between(std::int64_t{0}, indices.shape[0] - 1);
      const std::int64_t value = random.chance(50) ? indices.extent : -indices.extent - 1;
      std::byte* data = c.index_arrays[k].data();
      if (indices.bytes_each == 4)
        reinterpret_cast<std::int32_t*>(data)[position] = static_cast<std::int32_t>(value);
      else
        reinterpret_cast<std::int64_t*>(data)[position] = value;
    }
    std::pair<int, std::int64_t> lowest{64, 0};
    for_each_row(c.plan, [&](const Row& row) {
      for (const auto& bad : row.bad) lowest = std::min(lowest, bad);
    });
    const std::vector<std::byte> expected = c.expected();
    const KernelChoice choice = random_choice(random, c.plan);
    std::fill_n(c.out[0].data(), c.out[0].bytes(), prefill);
    CheckedMemory memory = checked_memory(c);
    std::uint64_t word = BadIndex::none;
    run_kernel(c.plan, choice, memory, {3, 64}, &word);
    ASSERT_NE(word, BadIndex::none);
    const BadIndex reported = BadIndex::from_word(word);
    EXPECT_EQ(std::pair(reported.array, reported.position), lowest) << describe(c.plan, choice);
    EXPECT_EQ(std::memcmp(c.out[0].data(), expected.data(), expected.size()), 0);
    ++bad_cases;
  }
  EXPECT_GT(bad_cases, 100);
}

TEST(KernelBodies, ReportNothingWhereAllIndicesAreGood) {
  std::array<std::int64_t, 4> values{-3, 2, 0, -1};
  std::array<std::byte, 3> source{std::byte{1}, std::byte{2}, std::byte{3}};
  Block out(4);
  GatherPlan plan;
  plan.base = source.data();
  plan.origins = {0};
  plan.axes = {{4, 1, 0, 0}};
  plan.indices = {{values.data(), 8, 0, 3, 0, 1, {4}, {1}}};
  plan.run_bytes = 1;
  plan.rows = 4;
  plan.out = out.data();
  CheckedMemory memory;
  memory.allow_reads(values.data(), sizeof(values));
  memory.allow_reads(source.data(), sizeof(source));
  memory.allow_writes(out.data(), 4);
  std::uint64_t word = BadIndex::none;
  run_kernel(plan, choose_kernel(plan), memory, {}, &word);
  EXPECT_EQ(word, BadIndex::none);
  const std::array<std::byte, 4> expected{std::byte{1}, std::byte{3}, std::byte{1}, std::byte{3}};
  EXPECT_TRUE(std::equal(expected.begin(), expected.end(), out.data()));
}

// Far ends of large arrays: addresses instead of memory.
// -------------------------------------------

/// Loads give back their own address, so that a store tells where its value came from.
class AddressRecorder {
 public:
  template <class T>
  T load(Address at) {
    return static_cast<T>(at);
  }
  template <class T>
  T stream(Address at) {
    return load<T>(at);
  }
  void store(Address at, std::uint64_t source) { source_of[at] = source; }
  void lower(Address, std::uint64_t) {}

  std::map<Address, Address> source_of;
};
/// Runs the first and the last tile of `plan` alone, and checks the addresses at both ends.
void expect_far_ends(const GatherPlan& plan, const KernelChoice& choice) {
  ASSERT_EQ(choice.vector_bytes, 8);
  const std::int64_t tile = std::int64_t{threads_per_block} / choice.lanes * batch;
  const auto tiles = static_cast<std::uint32_t>((work_items(plan, choice) + tile - 1) / tile);
  AddressRecorder recorder;
  const auto run = [&](const auto& small) {
    for (const std::uint32_t block : {0u, tiles - 1})
      for (std::uint32_t thread = 0; thread < threads_per_block; ++thread) {
        const Place place{block, tiles, thread, threads_per_block};
        if (choice.family == Family::rows)
          gather_rows<std::uint64_t, 0>(small, recorder, place);
        else
          gather_elements<std::uint64_t, 0>(small, recorder, place);
      }
  };
  if (choice.wide)
    run(small_plan(plan_parts<std::int64_t>(plan, choice, 0)));
  else
    run(small_plan(plan_parts<std::int32_t>(plan, choice, 0)));

  const auto expect_copied = [&](const std::vector<std::int64_t>& index, std::int64_t within) {
    const Row row = interpret(plan, index);
    const Address out = address_of(plan.out) + static_cast<Address>(row.out_offset + within);
    ASSERT_TRUE(recorder.source_of.contains(out));
    EXPECT_EQ(recorder.source_of[out], row.source + static_cast<Address>(within));
  };
  std::vector<std::int64_t> last;
  for (const PlanAxis& axis : plan.axes) last.push_back(axis.extent - 1);
  expect_copied(std::vector<std::int64_t>(plan.axes.size(), 0), 0);
  expect_copied(last, plan.run_bytes - 8);
}

/// Addresses that nothing lies at.
GatherPlan far_plan(std::vector<PlanAxis> axes, std::int64_t run_bytes) {
  GatherPlan plan;
  plan.base = reinterpret_cast<const std::byte*>(std::uintptr_t{1} << 45);
  plan.out = reinterpret_cast<std::byte*>(std::uintptr_t{1} << 46);
  plan.origins = {0};
  plan.axes = std::move(axes);
  plan.run_bytes = run_bytes;
  plan.rows = 1;
  for (const PlanAxis& axis : plan.axes) plan.rows *= axis.extent;
  return plan;
}

TEST(KernelBodies, ReachTheFarEndsOfLargeArrays) {
  constexpr std::int64_t big = largest<std::int32_t>;
  // As many vectors as 31 bits can count, and one more.
  for (const std::int64_t extent : {big - 1, big, big + 1}) {
    const GatherPlan plan = far_plan({{extent, 8, 0, -8}}, 8);
    const KernelChoice choice = choose_kernel(plan);
    EXPECT_EQ(choice.wide, extent >= big);
    expect_far_ends(plan, choice);
  }
  // A stride that alone goes beyond 31 bits, and a last row of an odd number of pieces.
  const GatherPlan apart = far_plan({{3, std::int64_t{1} << 40, 0, std::int64_t{1} << 41}}, 8);
  EXPECT_TRUE(choose_kernel(apart).wide);
  expect_far_ends(apart, choose_kernel(apart));
  const GatherPlan rows = far_plan({{1000, 16392, 0, -24584}}, 16392);
  EXPECT_FALSE(choose_kernel(rows).wide);
  expect_far_ends(rows, choose_kernel(rows));
  const GatherPlan row = far_plan({{2, std::int64_t{1} << 36, 0, std::int64_t{1} << 37}},
                                  (std::int64_t{1} << 36) - 24);
  EXPECT_TRUE(choose_kernel(row).wide);
  expect_far_ends(row, choose_kernel(row));
}

// The choice of a kernel.
// --------------------------------------------------------------------------

/// One axis of rows, each contiguous, through one table.
GatherPlan rows_plan(std::int64_t rows, std::int64_t run_bytes) {
  GatherPlan plan = far_plan({{rows, run_bytes, 0, 1}}, run_bytes);
  plan.tables = {{plan.base, false}};
  plan.origins = {0, 0};
  plan.unit = 256;
  return plan;
}

TEST(ChooseKernel, CopiesWhatIsOneRun) {
  EXPECT_EQ(choose_kernel(far_plan({}, 4096)).family, Family::copy);
  GatherPlan through_a_table = rows_plan(1, 4096);
  through_a_table.axes.clear();
  EXPECT_EQ(choose_kernel(through_a_table).family, Family::rows);
}

TEST(ChooseKernel, SpreadsRowsOverLanes) {
  struct Expected {
    std::int64_t run_bytes;
    Family family;
    int lanes;
    std::int64_t piece;
  };
  const Family rows = Family::rows;
  const Family elements = Family::elements;
  for (const Expected& e : std::initializer_list<Expected>{
           {1, elements, 1, 0},        // one vector, of one byte
           {16, elements, 1, 0},       // one vector
           {32, rows, 2, 2},           // two lanes
           {48, rows, 4, 3},           // three of four lanes have work
           {64, rows, 4, 4},           //
           {80, elements, 1, 0},       // five of eight do not: spread the vectors instead
           {96, rows, 8, 6},           //
           {256, rows, 16, 16},        //
           {512, rows, 32, 32},        //
           {16 * 33, elements, 1, 0},  // a second step for one vector alone
           {16 * 48, rows, 32, 48},    //
           {4096, rows, 32, 256},      // the longest piece
           {8192, rows, 32, 256},      // two of them
           {8193, rows, 32, 256},      // vectors of one byte
       }) {
    const KernelChoice choice = choose_kernel(rows_plan(1'000'000, e.run_bytes));
    EXPECT_EQ(choice.family, e.family) << e.run_bytes;
    EXPECT_EQ(choice.lanes, e.lanes) << e.run_bytes;
    EXPECT_EQ(choice.piece, e.piece) << e.run_bytes;
  }
}

TEST(ChooseKernel, CutsFewLongRowsIntoShortPieces) {
  for (const auto& [rows, piece] : std::initializer_list<std::pair<std::int64_t, std::int64_t>>{
           {16384, 256}, {64, 256}, {63, 128}, {31, 64}, {16, 64}, {15, 32}, {1, 32}})
    EXPECT_EQ(choose_kernel(rows_plan(rows, 1 << 20)).piece, piece) << rows;
}

TEST(ChooseKernel, TakesTheWidestVectorThatEverythingIsAlignedTo) {
  const GatherPlan plain = rows_plan(100, 64);
  EXPECT_EQ(choose_kernel(plain).vector_bytes, 16);
  const auto vector_with = [&](auto change) {
    GatherPlan plan = plain;
    change(plan);
    return choose_kernel(plan).vector_bytes;
  };
  EXPECT_EQ(vector_with([](GatherPlan& p) { p.base += 8; }), 8);
  EXPECT_EQ(vector_with([](GatherPlan& p) { p.base += 3; }), 1);
  EXPECT_EQ(vector_with([](GatherPlan& p) { p.out += 4; }), 4);
  EXPECT_EQ(vector_with([](GatherPlan& p) { p.unit = 2; }), 2);
  EXPECT_EQ(vector_with([](GatherPlan& p) { p.run_bytes = 36; }), 4);
  EXPECT_EQ(vector_with([](GatherPlan& p) { p.origins[1] = -8; }), 8);
  EXPECT_EQ(vector_with([](GatherPlan& p) { p.origins[0] = 1; }), 16);  // counts entries
  EXPECT_EQ(vector_with([](GatherPlan& p) { p.axes[0].out_stride = 72; }), 8);
  EXPECT_EQ(vector_with([](GatherPlan& p) { p.axes.push_back({2, 64, 1, -4}); }), 4);
  EXPECT_EQ(vector_with([](GatherPlan& p) { p.axes.push_back({2, 64, 0, -1}); }), 16);
  EXPECT_EQ(vector_with([](GatherPlan& p) {
              p.indices = {{nullptr, 8, 0, 5, 1, 2, {100}, {1}}};
            }),
            2);
  EXPECT_EQ(vector_with([](GatherPlan& p) {
              p.tables.clear(), p.origins = {0}, p.unit = 1;
              p.axes[0].stride = 64;
            }),
            16);                             // a unit that nothing counts in
  EXPECT_EQ(vector_with([](GatherPlan& p) {  // base and origin are off, their sum is not
              p.base += 8;
              p.origins[1] = 8;
            }),
            16);
}

TEST(ChooseKernel, KnowsSmallPlansFromLargeOnes) {
  for (const std::size_t tables : {0u, 1u, 2u, 3u}) {
    GatherPlan plan = rows_plan(10, 64);
    plan.tables.assign(tables, {plan.base, false});
    plan.origins.assign(tables + 1, 0);
    const KernelChoice choice = choose_kernel(plan);
    EXPECT_EQ(choice.levels, tables <= 2 ? static_cast<int>(tables) : any_levels);
    EXPECT_EQ(choice.wide, tables > 2);
  }
  const auto levels_with = [](std::int64_t run_bytes, std::size_t axes, std::size_t indices) {
    GatherPlan plan = rows_plan(2, run_bytes);
    plan.axes.assign(axes, {2, run_bytes, 0, 1});
    plan.indices.assign(indices, {nullptr, 8, 0, 5, 0, 1, {1}, std::vector<std::int64_t>(axes, 0)});
    return choose_kernel(plan).levels;
  };
  EXPECT_EQ(levels_with(64, small_axes, 0), 1);
  EXPECT_EQ(levels_with(64, small_axes + 1, 0), any_levels);
  EXPECT_EQ(levels_with(80, small_axes - 1, 0), 1);
  EXPECT_EQ(levels_with(80, small_axes, 0), any_levels);  // the vectors of a row take an axis
  EXPECT_EQ(levels_with(64, 1, small_indices), 1);
  EXPECT_EQ(levels_with(64, 1, small_indices + 1), any_levels);
}

TEST(ChooseKernel, CountsIn64BitsWhere31AreTooFew) {
  const auto wide_with = [](auto change) {
    GatherPlan plan = rows_plan(1000, 64);
    change(plan);
    return choose_kernel(plan).wide;
  };
  constexpr std::int64_t limit = largest<std::int32_t>;
  const std::vector<std::int64_t> step{1};
  EXPECT_FALSE(wide_with([](GatherPlan&) {}));
  EXPECT_FALSE(wide_with([](GatherPlan& p) { p.origins = {1L << 40, 1L << 40}; }));
  EXPECT_TRUE(wide_with([](GatherPlan& p) { p.axes[0].stride = limit / 900; }));
  EXPECT_TRUE(wide_with([](GatherPlan& p) { p.axes[0].stride = -limit / 900; }));
  EXPECT_FALSE(wide_with([](GatherPlan& p) { p.axes[0].stride = limit / 1100; }));
  EXPECT_FALSE(wide_with([](GatherPlan& p) { p.axes[0].out_stride = limit / 1100 * 16; }));
  EXPECT_TRUE(wide_with([](GatherPlan& p) { p.axes[0].out_stride = limit / 900 * 16; }));
  EXPECT_FALSE(wide_with([](GatherPlan& p) { p.axes.push_back({9, 64, 1, limit / 10 * 16}); }));
  EXPECT_TRUE(wide_with([](GatherPlan& p) { p.axes.push_back({9, 64, 1, limit / 7 * 16}); }));
  EXPECT_TRUE(wide_with([](GatherPlan& p) { p.axes.push_back({1, 64, 0, limit + 1}); }));
  EXPECT_TRUE(wide_with([](GatherPlan& p) {
    p.axes.push_back({3, 64, 0, smallest<std::int64_t>});
  }));
  EXPECT_TRUE(wide_with([](GatherPlan& p) { p.axes[0].extent = p.rows = 1L << 31; }));
  EXPECT_FALSE(wide_with([&](GatherPlan& p) {
    p.indices = {{nullptr, 8, 0, 5, 0, 1, {9}, step}};
  }));
  EXPECT_TRUE(wide_with([&](GatherPlan& p) {
    p.indices = {{nullptr, 8, 0, limit + 2, 0, 0, {9}, step}};
  }));
  EXPECT_TRUE(wide_with([&](GatherPlan& p) {
    p.indices = {{nullptr, 8, 0, 1000, 1, limit / 100 * 16, {9}, step}};
  }));
  EXPECT_TRUE(wide_with([&](GatherPlan& p) {
    p.indices = {{nullptr, 8, 0, 5, 0, 1, {9}, {limit / 900}}};
  }));
}

TEST(KernelPlan, FitsIntoKernelParameters) {
  EXPECT_LE(sizeof(SmallPlan<std::int32_t>), 4096u);
  EXPECT_LE(sizeof(SmallPlan<std::int64_t>), 4096u);
  EXPECT_LE(sizeof(LargePlan), 4096u);
}

TEST(BadIndexWord, IsInTheOrderInWhichIndicesAreChecked) {
  const BadIndex first{0, 5};
  const BadIndex later{0, (std::int64_t{1} << 48) - 1};
  const BadIndex other_array{63, 0};
  EXPECT_LT(first.word(), later.word());
  EXPECT_LT(later.word(), other_array.word());
  EXPECT_LT(other_array.word(), BadIndex::none);
  EXPECT_EQ(BadIndex::from_word(later.word()).position, later.position);
  EXPECT_EQ(BadIndex::from_word(other_array.word()).array, 63);
}

// Division.
// ----------------------------------------------------------------------------------------

/// Numbers around all powers of two, up to `last`.
template <class Count>
std::vector<Count> edges(Count last) {
  std::vector<Count> result;
  for (int bit = 0; bit < Divisor<Count>::bits; ++bit)
    for (int off = -2; off <= 2; ++off) {
      const Count value = (Count{1} << bit) + static_cast<Count>(off);
      if (value <= last) result.push_back(value);
    }
  for (Count value = 0; value <= 300; ++value) result.push_back(value);
  for (Count value = 0; value <= 10; ++value) result.push_back(last - value);
  return result;
}

template <class Count>
void expect_divides_like_the_operator() {
  constexpr Count half = Count{1} << (Divisor<Count>::bits - 1);
  const std::vector<Count> numerators = edges<Count>(half - 1);
  int wrong = 0;
  for (const Count divisor : edges<Count>(half)) {
    if (divisor == 0) continue;
    const Divisor<Count> magic = make_divisor(divisor);
    for (const Count numerator : numerators)
      wrong += magic.divide(numerator) != numerator / divisor;
    // Multiples of the divisor, where a quotient changes.
    for (Count quotient = half / divisor, n = 0; quotient > 0 && n < 20;
         quotient = quotient * 3 / 4, ++n)
      for (const Count numerator : {quotient * divisor - 1, quotient * divisor})
        wrong += numerator < half && magic.divide(numerator) != numerator / divisor;
  }
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(Divisor<Count>{}.divide(half - 1), half - 1);
}

TEST(Divisor, DividesLikeTheOperatorIn32Bits) { expect_divides_like_the_operator<std::uint32_t>(); }
TEST(Divisor, DividesLikeTheOperatorIn64Bits) { expect_divides_like_the_operator<std::uint64_t>(); }

TEST(Divisor, DividesRandomNumbers) {
  std::mt19937_64 engine(7);
  int wrong = 0;
  for (int i = 0; i < 200'000; ++i) {
    const std::uint64_t numerator = engine() >> (1 + engine() % 63);
    const std::uint64_t divisor = (engine() >> (1 + engine() % 63)) + 1;
    wrong += make_divisor(divisor).divide(numerator) != numerator / divisor;
    const auto numerator32 = static_cast<std::uint32_t>(numerator) >> 1;
    const auto divisor32 = (static_cast<std::uint32_t>(divisor) >> 1) + 1;
    wrong += make_divisor(divisor32).divide(numerator32) != numerator32 / divisor32;
  }
  EXPECT_EQ(wrong, 0);
}

// Comparison.
// --------------------------------------------------------------------------------------

TEST(CompareBody, CountsMismatchesAndFindsTheFirst) {
  Random random(8);
  for (int i = 0; i < 400 && !HasFailure(); ++i) {
    const auto itemsize = random.pick<std::int64_t>({1, 2, 3, 4, 5, 6, 8, 12, 16, 20, 24, 32, 48});
    const std::int64_t elements = random.between(1, 700);
    const std::int64_t shift = random.pick<std::int64_t>({0, 0, 1, 2, 4, 8});
    const std::int64_t bytes = elements * itemsize;
    Block actual(bytes + shift);
    actual.fill(random);
    Block expected = actual;
    std::memcpy(expected.data(), actual.data(), static_cast<std::size_t>(bytes + shift));
    for (int n = random.between(0, 4); n > 0; --n)
      expected.data()[shift + random.between(std::int64_t{0}, bytes - 1)] ^= std::byte{0x10};

    Difference naive;
    for (std::int64_t e = 0; e < elements; ++e)
      if (std::memcmp(actual.data() + shift + e * itemsize, expected.data() + shift + e * itemsize,
                      static_cast<std::size_t>(itemsize)) != 0)
        naive = Together{}(naive, {1, e});

    CheckedMemory memory;
    memory.allow_reads(actual.data() + shift, bytes);
    memory.allow_reads(expected.data() + shift, bytes);
    const Comparands arrays = comparands(address_of(actual.data() + shift),
                                         address_of(expected.data() + shift), elements, itemsize);
    Difference found;
    for (std::int64_t block = 0; block < arrays.blocks(); ++block)
      found = Together{}(found, compare_block(arrays, memory, block));
    EXPECT_EQ(found.mismatches, naive.mismatches) << itemsize << " bytes, shifted by " << shift;
    EXPECT_EQ(found.first, naive.first);
  }
}

// Upload.
// ------------------------------------------------------------------------------------------

TEST(ArenaImage, IsTheSameInWhateverPiecesItIsFilled) {
  std::array<std::byte, 300> leaves{};
  for (std::size_t i = 0; i < leaves.size(); ++i) leaves[i] = static_cast<std::byte>(i + 1);
  Placement placement;
  placement.kind = PlacementKind::preserved;
  placement.segments = {{leaves.data(), 0, 100}, {leaves.data() + 150, 120, 150}};
  placement.arena_bytes = 270;
  placement.tables = {std::vector<std::uint32_t>{1, 2, 3}, std::vector<std::int64_t>{4, 5}};
  const std::vector<std::int64_t> table_offsets{512, 768};

  const ArenaImage image(placement, table_offsets);
  ASSERT_EQ(image.bytes(), 768 + 16);
  ASSERT_EQ(image.leaf_bytes(), 270);
  std::vector<std::byte> whole(static_cast<std::size_t>(image.bytes()), prefill);
  image.fill(0, image.bytes(), whole.data());
  EXPECT_EQ(whole[0], std::byte{1});
  EXPECT_EQ(whole[110], std::byte{0});
  EXPECT_EQ(whole[120], leaves[150]);
  EXPECT_EQ(whole[300], std::byte{0});
  EXPECT_EQ(whole[512 + 4], std::byte{2});
  EXPECT_EQ(whole[768 + 8], std::byte{5});

  for (const std::int64_t piece : {1, 7, 100, 270, 513, 783}) {
    std::vector<std::byte> pieces(whole.size(), prefill);
    for (std::int64_t begin = 0; begin < image.bytes(); begin += piece)
      image.fill(begin, std::min(begin + piece, image.bytes()), pieces.data() + begin);
    EXPECT_EQ(pieces, whole) << piece;
  }
}

TEST(ArenaImage, HasOnlyTablesWhereLeavesStayInPlace) {
  Placement placement;
  placement.kind = PlacementKind::in_place;
  placement.segments = {{nullptr, 0, 1 << 20}};
  placement.arena_bytes = 1 << 20;
  placement.tables = {std::vector<std::int64_t>{7}};
  const std::vector<std::int64_t> table_offsets{0};
  const ArenaImage image(placement, table_offsets);
  EXPECT_EQ(image.bytes(), 8);
  std::int64_t entry = 0;
  image.fill(0, 8, reinterpret_cast<std::byte*>(&entry));
  EXPECT_EQ(entry, 7);
}

}  // namespace
}  // namespace multibuffer::cuda
