#include <multibuffer/multibuffer.hpp>

#include "cuda/kernels/ragged_kernel.hpp"
#include "host/ragged/ragged_storage.hpp"
#include "host/ragged/ready_ragged.hpp"
#include "host/support/rounding.hpp"
#include "host/support/text.hpp"
#include "tests/cuda/kernel_grid/run_ragged.hpp"
#include "tests/cuda/kernel_memory.hpp"
#include "tests/testing/cases.hpp"
#include "tests/testing/random_ragged.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <numeric>
#include <optional>
#include <string>
#include <vector>

// The bodies of ragged copies on the CPU, grid after grid, over memory that checks every access:
// loads are aligned and within the rows, and each byte of the dense side is written once.
namespace multibuffer::testing {
namespace {

using cuda::RaggedKernel;
using Numbers = std::vector<std::int64_t>;

/// Memory that anything may be done to.
class PlainMemory final : public KernelMemory {
 public:
  void atomic_min(Address at, std::uint64_t value) override {
    auto& word = *reinterpret_cast<std::uint64_t*>(at);
    word = std::min(word, value);
  }

 private:
  void read(Address at, std::size_t bytes, void* value) override {
    std::memcpy(value, reinterpret_cast<const void*>(at), bytes);
  }
  void read_beyond(Address at, std::size_t bytes, void* value) override { read(at, bytes, value); }
  void write(Address at, std::size_t bytes, const void* value) override {
    std::memcpy(reinterpret_cast<void*>(at), value, bytes);
  }
};

/// Allows reads of what a plan's ragged side has, which is `array` or views of it.
void allow_reads(CheckedMemory& memory, const RaggedPlan& plan, const RaggedArray& array) {
  for (std::int64_t row = 0; row < array.rows(); ++row) {
    const DeviceBuffer elements = *array.row(row).as_buffer();
    if (elements.nbytes() > 0) memory.allow_reads(address_of(elements.data()), elements.nbytes());
  }
  for (const PlanTable& table : {plan.ragged.starts, plan.ragged.lengths})
    memory.allow_reads(address_of(table.data), array.rows() * (table.wide ? 8 : 4));
  if (plan.packed)
    memory.allow_reads(address_of(plan.packed->offsets),
                       (plan.rows.count + 1) * (plan.packed->wide ? 8 : 4));
}

/// Runs a ready copy by its kernel's body, in a grid of any size. Returns true if all accesses were
/// right.
bool runs_right(Random& random, const RaggedPlan& plan, const RaggedArray& array,
                const std::int64_t* entries) {
  if (plan.dense_bytes() == 0) return true;
  CheckedMemory memory;
  allow_reads(memory, plan, array);
  if (entries) memory.allow_reads(address_of(entries), 8 * plan.rows.count);
  const std::vector<std::byte> pattern = cuda::fill_pattern(plan);
  Block fill(std::max<std::int64_t>(16, std::ssize(pattern)));
  std::ranges::copy(pattern, fill.data());
  memory.allow_reads(address_of(fill.data()), std::ssize(pattern));
  memory.allow_writes(plan.dense.base, plan.dense_bytes());
  const RaggedKernel kernel = cuda::ragged_kernel(
      plan, address_of(entries), pattern.empty() ? 0 : address_of(fill.data()), random.chance(30));
  const Grid grid{static_cast<std::uint32_t>(random.between(1, 5)),
                  random.pick<std::uint32_t>({32, 64, 128})};
  for (std::uint32_t block = 0; block < grid.blocks; ++block)
    run_ragged_block(kernel, memory, block, grid);
  return memory.failures() == 0;
}

/// What the look-up of indices makes, as it does on a device.
struct LookedUp {
  Numbers indices, entries, sums;
  std::uint64_t word = cuda::BadIndex::none;

  /// `rows` are those of the view, and the plan is ready but for the indices.
  LookedUp(RaggedPlan& plan, const RandomRows& rows, const RaggedArray& view)
      : indices(*rows.expected().indices), entries(indices.size()), sums(indices.size()) {
    plan.rows.entries = nullptr;
    plan.mode = rows.expected().mode;
    plan.indices.emplace();
    plan.indices->data = indices.data();
    plan.indices->extent = view.rows();
    const Layout layout = detail_rows(view);
    plan.rows.first = layout.origins()[0];
    plan.rows.step = layout.axes()[0].stride;
    PlainMemory memory;
    const Address sums_at = plan.packed ? address_of(sums.data()) : 0;
    run_look_up(cuda::row_indices(plan, address_of(entries.data()), sums_at, address_of(&word)),
                memory);
    if (!plan.packed) return;
    std::partial_sum(sums.begin(), sums.end(), sums.begin());
    run_offsets(cuda::row_offsets(plan, sums_at, address_of(&word)), memory);
  }

 private:
  static Layout detail_rows(const RaggedArray& view) { return detail::RaggedInternals::rows(view); }
};

std::vector<std::byte> dense_side(const RaggedPlan& plan) {
  return {plan.dense.base, plan.dense.base + plan.dense_bytes()};
}

/// Random rows, a view of them, and a request: as the kernels do it and as the reference does.
void check_kernels(std::uint64_t seed) {
  Random random(seed);
  const RandomRagged source(random, std::int64_t{1} << 15);
  const RaggedView view = source.view();
  UploadOptions upload_options;
  upload_options.placement = random.pick({PlacementKind::packed, PlacementKind::in_place});
  upload_options.simplify.narrow = random.chance(70);
  const RaggedArray array = upload(view, Device::host(), upload_options);
  const RandomRows rows(random, array.rows(), 400);
  const RandomConversion conversion(random, view.format());
  const Format& to = conversion.format ? *conversion.format : view.format();
  const std::string what = text("seed ", seed, ": ", source.describe(), ", ", rows.describe(), " ",
                                conversion.describe());
  const reference::Options by{.overflow = conversion.overflow};

  // At any address.
  const auto memory_for = [&](std::vector<std::byte>& memory, std::size_t bytes) {
    const std::size_t skip = static_cast<std::size_t>(random.between(0, 16));
    memory.resize(bytes + skip);
    return Output{.data = memory.data() + skip, .bytes = static_cast<std::int64_t>(bytes)};
  };
  std::vector<std::byte> memory;
  const bool looks_up =
      rows.expected().indices && !rows.expected().indices->empty() && random.chance(50);
  {
    const auto expected = reference::pack(view, rows.expected(), conversion.format, by);
    PackOptions options{.format = conversion.format, .overflow = conversion.overflow};
    options.offset_bytes = random.pick({4, 8});
    options.out = memory_for(memory, expected.values.bytes.size());
    ReadyRagged ready = ready_pack(array, rows.selection(), options, true);
    std::optional<LookedUp> looked_up;
    if (looks_up) looked_up.emplace(ready.plan, rows, array);
    ASSERT_TRUE(runs_right(random, ready.plan, array,
                           looked_up ? looked_up->entries.data() : ready.plan.rows.entries))
        << what;
    ASSERT_TRUE(dense_side(ready.plan) == expected.values.bytes) << "pack, " << what;
    if (looked_up) {
      EXPECT_EQ(looked_up->word, cuda::BadIndex::none);
    }
  }
  {
    reference::Padding padding;
    padding.length =
        random.between(std::int64_t{0}, std::min<std::int64_t>(array.longest(), 40) + 2);
    padding.before = random.chance(50);
    padding.keeps_end = random.chance(50);
    std::vector<std::byte> fill(static_cast<std::size_t>(to.itemsize()));
    random.fill(fill);
    padding.fill = fill.data();
    const auto expected = reference::pad(view, padding, rows.expected(), conversion.format, by);
    PadOptions options{.length = padding.length, .fill = fill.data()};
    options.side = padding.before ? PadSide::before : PadSide::after;
    options.truncation = padding.keeps_end ? Truncation::drop_begin : Truncation::drop_end;
    options.format = conversion.format;
    options.overflow = conversion.overflow;
    options.out = memory_for(memory, expected.bytes.size());
    ReadyRagged ready = ready_pad(array, rows.selection(), options);
    std::optional<LookedUp> looked_up;
    if (looks_up) looked_up.emplace(ready.plan, rows, array);
    ASSERT_TRUE(runs_right(random, ready.plan, array,
                           looked_up ? looked_up->entries.data() : ready.plan.rows.entries))
        << what;
    ASSERT_TRUE(dense_side(ready.plan) == expected.bytes) << "pad, " << what;
  }
}

TEST(RaggedKernels, DoWhatTheReferenceDoes) {
  for (std::uint64_t seed = 80'000'000; seed < 80'000'000 + cases(3000U) && !HasFailure(); ++seed)
    check_kernels(seed);
}

/// Fields lie between gaps: each part has an address of its own.
TEST(RaggedKernels, CopyAndConvertFields) {
  Random random(1);
  for (int i = 0; i < 200 && !HasFailure(); ++i) {
    std::vector<std::byte> memory(60 * 2 * 26 + 7);
    random.fill(memory);
    const auto items = random.between(std::int64_t{1}, std::int64_t{60});
    const Format format("T{b:a:3x(2)<f:x:(3)<h:y:<d:z:}", 26);
    const auto values =
        ArrayView::dense(memory.data() + random.between(0, 7), Numbers{items, 2}, format);
    Numbers offsets{0};
    while (offsets.back() < items)
      offsets.push_back(std::min(items, offsets.back() + random.between(0, 9)));
    const RaggedArray array =
        upload(RaggedView::from_offsets(values, offsets), Device::host(),
               {.placement = random.pick({PlacementKind::packed, PlacementKind::in_place})});
    for (const char* const name : {"a", "x", "y", "z"}) {
      const RaggedArray field = array.field(name);
      PackOptions pack_options;
      PadOptions pad_options{.length = 5, .truncation = Truncation::drop_end};
      if (random.chance(50)) pack_options.format = pad_options.format = Format(">f", 4);
      ReadyRagged packed = ready_pack(field, {}, pack_options, true);
      ASSERT_TRUE(runs_right(random, packed.plan, array, nullptr));
      EXPECT_TRUE(dense_side(packed.plan) == pack(field, {}, pack_options).values.to_host())
          << name;
      ReadyRagged padded = ready_pad(field, {}, pad_options);
      ASSERT_TRUE(runs_right(random, padded.plan, array, nullptr));
      EXPECT_TRUE(dense_side(padded.plan) == pad(field, {}, pad_options).to_host()) << name;
    }
  }
}

/// Rows of items behind 2^31 bytes: the far end of a plan that no memory holds.
TEST(RaggedKernels, CountBeyond31Bits) {
  const std::int64_t row_bytes = std::int64_t{3} << 30;
  const std::uint32_t starts[] = {0, 7};
  const std::int64_t lengths[] = {row_bytes, row_bytes};
  const std::int64_t offsets[] = {0, row_bytes, 2 * row_bytes};
  RaggedPlan plan;
  plan.ragged.base = reinterpret_cast<const std::byte*>(std::uintptr_t{1} << 45);
  plan.ragged.starts = {starts, false};
  plan.ragged.lengths = {lengths, true};
  plan.ragged.item_stride = plan.run_bytes = 1;
  plan.dense.base = reinterpret_cast<std::byte*>(std::uintptr_t{1} << 46);
  plan.rows.count = 2;
  plan.items = 2 * row_bytes;
  plan.packed = PackedSide{reinterpret_cast<std::byte*>(const_cast<std::int64_t*>(offsets)), true};
  const RaggedKernel kernel = cuda::ragged_kernel(plan, 0, 0);
  ASSERT_EQ(kernel.plan.index(), 1U);

  /// Tables are memory; all else follows from its address.
  class FarMemory final : public KernelMemory {
   public:
    void atomic_min(Address, std::uint64_t) override {}
    std::map<Address, std::byte> written;

   private:
    void read(Address at, std::size_t bytes, void* value) override {
      if (at >= Address{1} << 45 && at < Address{1} << 46) {
        for (std::size_t i = 0; i < bytes; ++i)
          static_cast<std::byte*>(value)[i] = PatternMemory::at(at + i);
      } else {
        std::memcpy(value, reinterpret_cast<const void*>(at), bytes);
      }
    }
    void read_beyond(Address at, std::size_t bytes, void* value) override {
      read(at, bytes, value);
    }
    void write(Address at, std::size_t bytes, const void* value) override {
      for (std::size_t i = 0; i < bytes; ++i)
        written[at + i] = static_cast<const std::byte*>(value)[i];
    }
  } memory;
  // The block that has the end of the first row, and the last one.
  const auto turn = std::int64_t{128} * cuda::batch * 16;
  const Grid grid{static_cast<std::uint32_t>(ceil_divide(2 * row_bytes, turn)), 128};
  for (const std::int64_t byte : {row_bytes, 2 * row_bytes - 1})
    run_ragged_block(kernel, memory, static_cast<std::uint32_t>(byte / turn), grid);
  ASSERT_FALSE(memory.written.empty());
  for (const auto& [address, value] : memory.written) {
    const auto byte = static_cast<std::int64_t>(address - (Address{1} << 46));
    const std::int64_t row = byte / row_bytes;
    EXPECT_EQ(value, PatternMemory::at((Address{1} << 45) + starts[row] +
                                       static_cast<Address>(byte - row * row_bytes)));
  }
}

TEST(RaggedKernels, BadIndicesAndRowsBeyondTheRoomAreReported) {
  const std::vector<std::int64_t> lengths{3, 4, 5};
  RaggedPlan plan;
  plan.ragged.lengths = {lengths.data(), true};
  plan.rows.count = 3;
  plan.items = 8;
  Numbers offsets(4), entries(3), sums(3);
  plan.packed = PackedSide{reinterpret_cast<std::byte*>(offsets.data()), true};
  const auto word_after = [&](const Numbers& indices) {
    plan.indices.emplace();
    plan.indices->data = indices.data();
    plan.indices->extent = 3;
    std::uint64_t word = cuda::BadIndex::none;
    PlainMemory memory;
    run_look_up(cuda::row_indices(plan, address_of(entries.data()), address_of(sums.data()),
                                  address_of(&word)),
                memory);
    std::partial_sum(sums.begin(), sums.end(), sums.begin());
    run_offsets(cuda::row_offsets(plan, address_of(sums.data()), address_of(&word)), memory);
    return word;
  };
  EXPECT_EQ(word_after({0, -3, 0}), cuda::too_many_items(9).word());
  EXPECT_EQ(offsets, (Numbers{0, 3, 6, 9}));
  EXPECT_EQ(word_after({0, 1, 3}), (cuda::BadIndex{0, 2}.word()));
  EXPECT_EQ(entries, (Numbers{0, 1, -1}));
  EXPECT_EQ(offsets, (Numbers{0, 3, 7, 7})) << "a row that is not there has no items";
  plan.items = 12;
  EXPECT_EQ(word_after({-1, 0, 1}), cuda::BadIndex::none);
}

}  // namespace
}  // namespace multibuffer::testing
