// The kernels' bodies, run over whole grids on the CPU: every block, every thread, with every
// access to memory checked. What a GPU adds to this is time and the order of threads.

#include "cuda/kernels/choose_kernel.hpp"
#include "cuda/kernels/compare_body.hpp"
#include "cuda/kernels/kernel_plan.hpp"
#include "cuda/kernels/row_words.hpp"
#include "cuda/kernels/tiles_body.hpp"
#include "cuda/upload/arena_image.hpp"
#include "host/cpu/convert_items.hpp"
#include "host/support/rounding.hpp"
#include "tests/cuda/kernel_memory.hpp"
#include "tests/testing/cases.hpp"
#include "tests/testing/far_plan.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <map>
#include <random>
#include <utility>
#include <vector>

namespace multibuffer::cuda {
namespace {

using namespace multibuffer::testing;

void expect_gathers(Case& c, const KernelChoice& choice, const Grid& grid,
                    const std::vector<std::byte>& expected) {
  std::fill_n(c.out[0].data(), c.out[0].bytes(), prefill);
  CheckedMemory memory = checked_memory(c);
  run_kernel(c.plan, choice, memory, grid);
  const bool same = std::memcmp(c.out[0].data(), expected.data(), expected.size()) == 0;
  EXPECT_TRUE(same && memory.failures() == 0) << describe(c.plan, choice);
}

/// How often each family was the one that is chosen.
std::map<Family, int> expect_all_choices_agree(unsigned seed, const Size& size, int count) {
  std::map<Family, int> chosen_families;
  Random random(seed);
  for (int i = 0; i < cases(count) && !::testing::Test::HasFailure(); ++i) {
    Case c = CaseMaker(random, size).make();
    const std::vector<std::byte> expected = c.expected();
    const KernelChoice chosen = choose_kernel(c.plan);
    ++chosen_families[chosen.family];
    if (chosen.family != Family::copy) expect_gathers(c, chosen, {2, 64}, expected);
    for (int variant = 0; variant < 4; ++variant)
      expect_gathers(
          c, random_choice(random, c.plan),
          {static_cast<std::uint32_t>(random.between(1, 5)), random.pick({32u, 64u, 256u})},
          expected);
  }
  return chosen_families;
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

TEST(KernelBodies, GatherTransposes) {
  expect_all_choices_agree(7,
                           {.most_axes = 3,
                            .most_indices = 1,
                            .most_rows = 20'000,
                            .most_extent = 250,
                            .transposes = 100},
                           150);
}

TEST(KernelBodies, GatherSteppedAndReversedItems) {
  auto chosen = expect_all_choices_agree(
      10, {.most_axes = 3, .most_rows = 100, .transposes = 0, .lines = 100}, 400);
  EXPECT_GE(chosen[Family::strided], cases(41));
  EXPECT_GE(chosen[Family::pixels], cases(21));
}

/// Three lines of so many pixels, `shift` bytes into a word where they lie and `head` bytes where
/// they go.
struct PixelCase {
  PixelShape shape;
  bool backwards;
  bool reversed;
  std::int64_t count;
  std::int64_t shift;
  std::int64_t head;
};
void expect_picks_pixels(Random& random, const PixelCase& c) {
  constexpr std::int64_t lines = 3;
  const std::int64_t bytes = c.shape.bytes;
  const std::int64_t pitch = c.shape.pitch;
  const std::int64_t line = (c.count - 1) * pitch + bytes;
  const std::int64_t out_line = c.count * bytes;
  Block in(c.shift + lines * line);
  Block out(c.head + lines * out_line + word_bytes);
  in.fill(random);
  CopyPlan plan;
  plan.indexed.base = in.data();
  plan.indexed.origins = {c.shift + (c.backwards ? (c.count - 1) * pitch : 0) +
                          (c.reversed ? bytes - 1 : 0)};
  plan.dense.base = out.data() + c.head;
  plan.axes = {{lines, out_line, 0, line}, {c.count, bytes, 0, c.backwards ? -pitch : pitch}};
  plan.run_bytes = bytes;
  if (c.reversed) {
    plan.axes.push_back({bytes, 1, 0, -1});
    plan.run_bytes = 1;
  }
  plan.rows = lines * c.count * (bytes / plan.run_bytes);

  std::vector<std::byte> expected(static_cast<std::size_t>(out.bytes()), prefill);
  CheckedMemory memory;
  for_each_row(plan, [&](const Row& row) {
    memory.allow_reads(row.source, plan.run_bytes);
    std::copy_n(reinterpret_cast<const std::byte*>(row.source), plan.run_bytes,
                expected.data() + c.head + row.out_offset);
  });
  std::fill_n(out.data(), out.bytes(), prefill);
  memory.allow_writes(out.data(), out.bytes());
  // `lines` loads pixels of four aligned bytes whole, and a few items are the parts of a pixel.
  const int item = common_vector(plan);
  if (item == 4 || (item == bytes && c.count <= 8)) return;
  ASSERT_EQ(pixel_shapes[PlanFacts(plan).pixels.shape], c.shape);
  const KernelChoice narrow{Family::pixels, item, false, 0};
  const KernelChoice wide{Family::pixels, item, true, any_levels};
  run_kernel(plan, random.chance(70) ? narrow : wide, memory, {2, 32});
  EXPECT_TRUE(memory.failures() == 0 &&
              std::memcmp(out.data(), expected.data(), expected.size()) == 0)
      << bytes << " bytes every " << pitch << ", backwards " << c.backwards << ", reversed "
      << c.reversed << ", " << c.count << " pixels, " << c.shift << " into a word to " << c.head;
}

TEST(KernelBodies, PickPixelsOfEveryShape) {
  Random random(11);
  for (const PixelShape& shape : pixel_shapes)
    for (const bool backwards : {false, true})
      for (const bool reversed : {false, true})
        for (int i = 0; i < 40 && !HasFailure(); ++i)
          if (!reversed || shape.bytes > 1)
            expect_picks_pixels(random, {shape, backwards, reversed, random.between(1, 50),
                                         random.between(0, 15), random.between(0, 15)});
}

TEST(KernelBodies, ConvertNumbers) {
  expect_all_choices_agree(8, {.most_rows = 300, .conversions = 100}, 1500);
  expect_all_choices_agree(
      9,
      {.most_axes = 12, .most_levels = 5, .most_indices = 6, .most_rows = 60, .conversions = 100},
      100);
}

TEST(KernelBodies, ScaleNumbers) {
  auto chosen =
      expect_all_choices_agree(12, {.most_rows = 300, .conversions = 100, .scalings = 100}, 1500);
  EXPECT_EQ(chosen[Family::convert_scaled], cases(1500));
  expect_all_choices_agree(13,
                           {.most_axes = 12,
                            .most_levels = 5,
                            .most_indices = 6,
                            .most_rows = 60,
                            .conversions = 100,
                            .scalings = 100},
                           100);
}

TEST(KernelBodies, ReportTheLowestBadIndexAndSkipItsRows) {
  Random random(6);
  int bad_cases = 0;
  for (int i = 0; i < 600 && !HasFailure(); ++i) {
    Case c =
        CaseMaker(random, {.most_axes = 4, .most_levels = 3, .most_indices = 5, .conversions = 25})
            .make();
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
    CheckedMemory memory = checked_memory(c);  // the rows of bad indices are not in it
    std::uint64_t word = BadIndex::none;
    run_kernel(c.plan, choice, memory, {3, 64}, &word);
    ASSERT_NE(word, BadIndex::none);
    const BadIndex reported = BadIndex::from_word(word);
    EXPECT_EQ(std::pair(reported.array, reported.position), lowest) << describe(c.plan, choice);
    // Families that put words together from several rows may write anything for those.
    if (choice.family != Family::words && choice.family != Family::tiles) {
      EXPECT_EQ(std::memcmp(c.out[0].data(), expected.data(), expected.size()), 0);
    }
    EXPECT_EQ(memory.failures(), 0);
    ++bad_cases;
  }
  EXPECT_GT(bad_cases, 100);
}

TEST(KernelBodies, ReportNothingWhereAllIndicesAreGood) {
  std::array<std::int64_t, 4> values{-3, 2, 0, -1};
  std::array<std::byte, 3> source{std::byte{1}, std::byte{2}, std::byte{3}};
  Block out(4);
  CopyPlan plan;
  plan.indexed.base = source.data();
  plan.indexed.origins = {0};
  plan.axes = {{4, 1, 0, 0}};
  plan.indices = {{values.data(), 8, 0, 3, 0, 1, {4}, {1}}};
  plan.run_bytes = 1;
  plan.rows = 4;
  plan.dense.base = out.data();
  CheckedMemory memory;
  memory.allow_reads(address_of(values.data()), sizeof(values));
  memory.allow_reads(address_of(source.data()), sizeof(source));
  memory.allow_writes(out.data(), 4);
  std::uint64_t word = BadIndex::none;
  run_kernel(plan, choose_kernel(plan), memory, {}, &word);
  EXPECT_EQ(word, BadIndex::none);
  const std::array<std::byte, 4> expected{std::byte{1}, std::byte{3}, std::byte{1}, std::byte{3}};
  EXPECT_TRUE(std::equal(expected.begin(), expected.end(), out.data()));
}

// Far ends of large arrays.
// ----------------------------------------------------------------------------

/// What the number (of a gather that converts nothing: the byte) at `source` becomes.
std::vector<std::byte> expected_of(const CopyPlan& plan, Address source) {
  const int bytes = plan.conversion ? bytes_of(plan.conversion->from) : 1;
  std::vector<std::byte> read;
  for (int i = 0; i < bytes; ++i)
    read.push_back(PatternMemory::at(source + static_cast<Address>(i)));
  if (!plan.conversion) return read;
  std::vector<std::byte> made(static_cast<std::size_t>(bytes_of(plan.conversion->to)));
  ConvertItems (*plan.conversion)(made.data(), read.data(), 1);
  return made;
}

/// Runs the first turn and the last two of `plan` alone, and checks what is at both ends.
void expect_far_ends(const CopyPlan& plan, const KernelChoice& choice) {
  const std::int64_t turn = items_per_turn(choice, threads_per_block);
  const auto turns =
      static_cast<std::uint32_t>(ceil_divide(work_of(PlanFacts(plan), choice).items, turn));
  PatternMemory memory;
  // Where lines might have begun elsewhere, the very last word may be empty.
  std::vector<std::uint32_t> ends{0, turns - 1};
  if (turns > 2) ends.push_back(turns - 2);
  run_blocks(plan, choice, memory, {turns, threads_per_block}, ends);

  const auto expect_copied = [&](const std::vector<std::int64_t>& index, std::int64_t within) {
    const Row row = interpret(plan, index);
    Address out = address_of(plan.dense.base) +
                  static_cast<Address>(row.out_offset + plan.dense_bytes(within));
    for (const std::byte byte : expected_of(plan, row.source + static_cast<Address>(within))) {
      ASSERT_TRUE(memory.written.contains(out)) << describe(plan, choice);
      EXPECT_EQ(memory.written[out++], byte) << describe(plan, choice);
    }
  };
  std::vector<std::int64_t> last;
  for (const PlanAxis& axis : plan.axes) last.push_back(axis.extent - 1);
  const int number_bytes = plan.conversion ? bytes_of(plan.conversion->from) : 1;
  for (const std::int64_t byte : {std::int64_t{0}, plan.run_bytes - number_bytes}) {
    if (byte < 4096) expect_copied(std::vector<std::int64_t>(plan.axes.size(), 0), byte);
    if (byte > plan.run_bytes - 17) expect_copied(last, byte);
  }
}

TEST(KernelBodies, ReachTheFarEndsOfLargeArrays) {
  constexpr std::int64_t big = largest<std::int32_t>;
  const auto expect = [](const CopyPlan& plan, Family family, bool wide) {
    const KernelChoice choice = choose_kernel(plan);
    EXPECT_EQ(choice.family, family) << describe(plan, choice);
    EXPECT_EQ(choice.wide, wide) << describe(plan, choice);
    expect_far_ends(plan, choice);
  };
  // As many vectors as 31 bits can count, and one more.
  for (const std::int64_t extent : {big - 1, big, big + 1}) {
    expect(far_plan({{extent, 16, 0, -16}}, 16), Family::elements, extent >= big);
    expect(far_plan({{extent, 8, 0, -8}}, 8), Family::strided, extent >= big);
  }
  // Bytes of pixels are counted from where the first word of their line begins, as far before it as
  // may be.
  for (const std::int64_t extent : {big - 16, big - 15})
    for (const std::int64_t item : {1, 2}) {
      CopyPlan plan = far_plan({{extent, item, 0, -item}}, item);
      plan.dense.base += word_bytes - item;
      expect(plan, Family::pixels, extent == big - 15);
    }
  CopyPlan off = far_plan({{big - 1, 8, 0, -8}}, 8);
  off.dense.base += 8;
  expect(off, Family::strided, false);
  // A stride that alone goes beyond 31 bits, and rows of an odd number of vectors.
  expect(far_plan({{3, std::int64_t{1} << 40, 0, std::int64_t{1} << 41}}, 8), Family::elements,
         true);
  expect(far_plan({{1000, 16400, 0, -24608}}, 16400), Family::elements, false);
  expect(far_plan({{2, std::int64_t{1} << 36, 0, std::int64_t{1} << 37}},
                  (std::int64_t{1} << 36) - 32),
         Family::elements, true);
  // Rows that are not aligned, in outputs of many GiB: words are counted, not bytes.
  expect(far_plan({{1'000'000'000, 20, 0, 4}}, 20), Family::words, false);
  expect(far_plan({{2'000'000'000, 20, 0, 4}}, 20), Family::words, true);
  expect(far_plan({{1000, 16399, 0, -24601}}, 16399), Family::shifted, false);
  expect(far_plan({{1'000'000, 16399, 0, -24601}}, 16399), Family::shifted, true);
  // Signed bytes as unsigned ones: numbers are converted, and bytes stay what they are.
  const auto converted = [](ScalarType from, ScalarType to, CopyPlan plan) {
    plan.conversion = Conversion{.from = from, .to = to};
    return plan;
  };
  const auto to_unsigned = [&](CopyPlan plan) {
    return converted(ScalarType::int8, ScalarType::uint8, std::move(plan));
  };
  for (const std::int64_t extent : {big - 1, big, big + 1})
    expect(to_unsigned(far_plan({{extent, 16, 0, -16}}, 16)), Family::convert, extent >= big);
  expect(to_unsigned(far_plan({{1000, 16400, 0, -24601}}, 16400)), Family::convert, false);
  expect(to_unsigned(far_plan({{3, std::int64_t{1} << 40, 0, std::int64_t{1} << 41}}, 4096)),
         Family::convert, true);
  // Numbers that get larger, and that get smaller, one by one and in rows.
  const ScalarType f32 = ScalarType::float32, f64 = ScalarType::float64,
                   c128 = ScalarType::complex128;
  for (const std::int64_t extent : {big - 1, big, big + 1}) {
    expect(converted(f32, c128, far_plan({{extent, 16, 0, -4}}, 4)), Family::convert,
           extent >= big);
    expect(converted(f64, ScalarType::int8, far_plan({{extent, 1, 0, -8}}, 8)), Family::convert,
           extent >= big);
  }
  expect(converted(f32, c128, far_plan({{1000, 65616, 0, -24604}}, 16404)), Family::convert, false);
  expect(converted(f64, ScalarType::int8, far_plan({{1000, 2051, 0, -24603}}, 16408)),
         Family::convert, false);
  // Columns of a matrix as large as 31 bits can count, and of a larger one.
  expect(far_plan({{40'000, 80'000, 0, 2}, {40'000, 2, 0, 80'000}}, 2), Family::tiles, false);
  expect(far_plan({{50'000, 100'000, 0, 2}, {50'000, 2, 0, 100'000}}, 2), Family::tiles, true);
}

// Words.
// -------------------------------------------------------------------------------------------

Bytes16 counting_from(int first) {
  Bytes16 result;
  std::byte bytes[16];
  for (int i = 0; i < 16; ++i) bytes[i] = static_cast<std::byte>(first + i);
  std::memcpy(&result, bytes, sizeof(result));
  return result;
}

TEST(Bytes16, AreTakenFromTwoNeighboursAtAnyByte) {
  for (int bytes = 0; bytes < 16; ++bytes) {
    const Bytes16 word = funnel(counting_from(0), counting_from(16), bytes);
    const Bytes16 expected = counting_from(bytes);
    EXPECT_EQ(std::memcmp(&word, &expected, 16), 0) << bytes;
  }
}

TEST(Bytes16, ArePermuted) {
  EXPECT_EQ(permuted_bytes(0x33221100, 0x77665544, 0x3210), 0x33221100U);
  EXPECT_EQ(permuted_bytes(0x33221100, 0x77665544, 0x7654), 0x77665544U);
  EXPECT_EQ(permuted_bytes(0x33221100, 0x77665544, 0x0527), 0x00552277U);
}

TEST(Bytes16, AreJoinedAtAnyByte) {
  for (int bytes = 0; bytes < 16; ++bytes) {
    const Bytes16 word = joined(counting_from(0), counting_from(100), bytes);
    std::byte result[16];
    std::memcpy(result, &word, 16);
    for (int i = 0; i < 16; ++i)
      EXPECT_EQ(result[i], static_cast<std::byte>(i < bytes ? i : 100 + i)) << bytes;
  }
}

TEST(StoreWord, WritesWhatIsWantedInFewPieces) {
  for (int begin = 0; begin < 16; ++begin)
    for (int end = begin + 1; end <= 16; ++end) {
      Block out(16);
      std::fill_n(out.data(), 16, prefill);
      CheckedMemory memory;
      memory.allow_writes(out.data() + begin, end - begin);
      store_word(memory, address_of(out.data()), counting_from(0), begin, end);
      EXPECT_EQ(memory.failures(), 0);
      for (int i = 0; i < 16; ++i)
        EXPECT_EQ(out.data()[i], i >= begin && i < end ? static_cast<std::byte>(i) : prefill)
            << begin << " to " << end;
    }
}

// Tiles.
// -------------------------------------------------------------------------------------------

/// Remembers which slots a thread touches, in order.
template <class Word>
struct SlotRecorder {
  Tile tile(int n) const { return {1 << 20, n == 0 ? 1 << 20 : 0, 1 << 20}; }
  Address row(int) const { return 1 << 20; }
  void fetch(int slot, Address) { slots.push_back(slot); }
  void put(int slot, const Word&) { slots.push_back(slot); }
  Word take(int slot) {
    slots.push_back(slot);
    return {};
  }
  std::vector<int> slots;
};

/// The lanes that shared memory serves at once never meet in a bank.
template <int ItemBytes>
void expect_no_bank_conflicts(bool aligned) {
  using Shape = TilesOf<ItemBytes>;
  using Word = typename Shape::Word;
  constexpr int side = Shape::side;
  CopyPlan plan =
      far_plan({{side, side * 64, 0, ItemBytes}, {side, ItemBytes, 0, side * 32}}, ItemBytes);
  if (!aligned) plan.indexed.base += ItemBytes, plan.dense.base += ItemBytes;
  const KernelChoice choice = choose_kernel(plan);
  ASSERT_EQ(choice.family, Family::tiles);
  const KernelPlan kernel_plan = small_plan(PlanFacts(plan), choice, 0);
  const auto& small = std::get<SmallPlan<std::int32_t>>(kernel_plan);
  PatternMemory memory;
  for (const bool writes : {false, true}) {
    std::vector<SlotRecorder<Word>> lanes(warp_lanes);
    for (std::uint32_t lane = 0; lane < warp_lanes; ++lane) {
      const Place place{0, 1, 32 + lane, threads_per_block};
      if (writes)
        write_tiles<ItemBytes>(small, memory, lanes[lane], place);
      else
        read_tiles<ItemBytes>(small, memory, lanes[lane], place);
    }
    constexpr int banks_per_word = sizeof(Word) / 4;
    constexpr std::size_t at_once = 32 / banks_per_word;
    ASSERT_GT(lanes[0].slots.size(), 0u);
    for (std::size_t access = 0; access < lanes[0].slots.size(); ++access)
      for (std::size_t first = 0; first < warp_lanes; first += at_once) {
        std::vector<int> banks;
        for (std::size_t lane = first; lane < first + at_once; ++lane)
          banks.push_back(lanes[lane].slots[access] * banks_per_word % 32);
        std::ranges::sort(banks);
        EXPECT_EQ(std::ranges::adjacent_find(banks), banks.end()) << ItemBytes << " " << writes;
      }
  }
}

TEST(Tiles, HaveNoBankConflicts) {
  for (const bool aligned : {true, false}) {
    expect_no_bank_conflicts<1>(aligned);
    expect_no_bank_conflicts<2>(aligned);
    expect_no_bank_conflicts<4>(aligned);
    expect_no_bank_conflicts<8>(aligned);
    expect_no_bank_conflicts<16>(aligned);
  }
}

TEST(Tiles, AreReadAndWrittenInWordsWhereEveryRowAndColumnIsAligned) {
  const auto parts = [](std::int64_t rows, std::int64_t columns, std::int64_t row_stride) {
    const CopyPlan plan = far_plan({{columns, rows, 0, 1}, {rows, 1, 0, row_stride}}, 1);
    const KernelChoice choice = choose_kernel(plan);
    EXPECT_EQ(choice.family, Family::tiles);
    return plan_parts<std::int32_t>(PlanFacts(plan), choice, 0).scalars.own.tiles;
  };
  EXPECT_TRUE(parts(64, 100, 100).reads_words);
  EXPECT_FALSE(parts(64, 100, 101).reads_words);
  EXPECT_TRUE(parts(64, 101, 104).writes_words);
  EXPECT_FALSE(parts(66, 100, 100).writes_words);
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

TEST(Wrapped, IsTheFloorModuloOfExtentsBeyond32Bits) {
  for (const std::int64_t extent : {std::int64_t{1}, std::int64_t{7}, std::int64_t{3'000'000'000},
                                    std::int64_t{1} << 40, INT64_MAX}) {
    cuda::KernelIndices<std::int64_t> indices;
    indices.extent = extent;
    indices.modulus = make_divisor(static_cast<std::uint64_t>(extent));
    for (const std::int64_t value :
         {std::int64_t{0}, std::int64_t{-1}, extent - 1, -extent, extent / 2 - extent, INT64_MAX,
          INT64_MIN, std::int64_t{2'999'999'999}, std::int64_t{-3'000'000'001}}) {
      const std::int64_t rest = value % extent;
      EXPECT_EQ(cuda::wrapped(indices, value), rest < 0 ? rest + extent : rest)
          << value << " of " << extent;
    }
  }
}

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
        naive = Combine{}(naive, {1, e});

    CheckedMemory memory;
    memory.allow_reads(address_of(actual.data()) + static_cast<Address>(shift), bytes);
    memory.allow_reads(address_of(expected.data()) + static_cast<Address>(shift), bytes);
    const Comparands arrays = comparands(address_of(actual.data() + shift),
                                         address_of(expected.data() + shift), elements, itemsize);
    Difference found;
    for (std::int64_t block = 0; block < arrays.blocks(); ++block)
      found = Combine{}(found, compare_block(arrays, memory, block));
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
  placement.tables = {LargeVector<std::uint32_t>{1, 2, 3}, LargeVector<std::int64_t>{4, 5}};
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
  placement.tables = {LargeVector<std::int64_t>{7}};
  const std::vector<std::int64_t> table_offsets{0};
  const ArenaImage image(placement, table_offsets);
  EXPECT_EQ(image.bytes(), 8);
  std::int64_t entry = 0;
  image.fill(0, 8, reinterpret_cast<std::byte*>(&entry));
  EXPECT_EQ(entry, 7);
}

}  // namespace
}  // namespace multibuffer::cuda
