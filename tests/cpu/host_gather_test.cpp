#include "host/cpu/host_gather.hpp"

#include "host/bytes/nontemporal_copy.hpp"
#include "host/bytes/simd.hpp"
#include "host/cpu/copy_items.hpp"
#include "host/cpu/copy_plane.hpp"
#include "host/support/rounding.hpp"
#include "tests/testing/cases.hpp"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <random>
#include <sstream>
#include <string>
#include <vector>

namespace multibuffer {
namespace {

/// Memory that ends, or begins, where none is mapped.
class Guarded {
 public:
  explicit Guarded(std::size_t bytes, bool at_end)
      : page_(static_cast<std::size_t>(sysconf(_SC_PAGESIZE))),
        inner_(round_up(bytes, page_)),
        region_(static_cast<std::byte*>(
            mmap(nullptr, inner_ + 2 * page_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))) {
    mprotect(region_ + page_, inner_, PROT_READ | PROT_WRITE);
    data_ = region_ + page_ + (at_end ? inner_ - bytes : 0);
  }
  ~Guarded() { munmap(region_, inner_ + 2 * page_); }
  Guarded(const Guarded&) = delete;
  Guarded& operator=(const Guarded&) = delete;
  std::byte* data() const { return data_; }

 private:
  std::size_t page_, inner_;
  std::byte* region_;
  std::byte* data_;
};

class Random {
 public:
  explicit Random(unsigned seed) : engine_(seed) {}
  std::int64_t operator()(std::int64_t low, std::int64_t high) {
    return std::uniform_int_distribution<std::int64_t>(low, high)(engine_);
  }
  bool chance() { return (*this)(0, 1) == 1; }
  template <std::size_t N>
  std::int64_t one_of(const std::array<std::int64_t, N>& values) {
    return values[static_cast<std::size_t>((*this)(0, static_cast<std::int64_t>(N) - 1))];
  }

 private:
  std::mt19937_64 engine_;
};

/// Bytes among which no two short stretches are equal.
void fill(std::byte* bytes, std::int64_t count, Random& random) {
  auto state = static_cast<std::uint64_t>(random(1, INT64_MAX));
  for (std::int64_t i = 0; i < count; ++i) {
    state = state * 6364136223846793005U + 1442695040888963407U;
    bytes[i] = static_cast<std::byte>(state >> 56);
  }
}

constexpr std::array<std::int64_t, 19> item_sizes{1,  2,  3,  4,  5,  6,   7,   8,    12,  16,
                                                  17, 24, 32, 64, 96, 200, 600, 1024, 2100};

/// A plane with its strides between items and lines as they come in transposes, steps, reversals,
/// interleaved channels, pixels whose channels change places, and rows with gaps.
Plane random_plane(Random& random) {
  Plane plane;
  const std::int64_t size = random.one_of(item_sizes);
  plane.row_bytes = size;
  const std::int64_t most = size > 64 ? 6 : random.one_of(std::array<std::int64_t, 3>{5, 40, 300});
  plane.outer = random(1, most);
  plane.rows = random(1, most);
  plane.out_stride = size;
  plane.outer_out_stride = plane.rows * size;
  if (random(0, 3) == 0) plane.outer_out_stride += random(0, 70);
  if (random(0, 3) == 0) plane.outer_out_stride = (plane.outer_out_stride + 63) / 64 * 64;
  switch (random(0, 4)) {
    case 0:  // lines side by side, whose items are a few steps apart
      plane.stride = size * random(1, 5);
      plane.outer_stride = plane.stride * plane.rows + random(0, 9);
      break;
    case 1:  // a transpose, or channels
      plane.outer_stride = size;
      plane.stride = size * (plane.outer + random(0, 3));
      break;
    case 2:  // a line is a pixel, of some of its channels
      plane.rows = random(1, std::min<std::int64_t>(most, 5));
      plane.outer_out_stride = plane.rows * size;
      plane.stride = size * random(0, 2);
      plane.outer_stride = size * (2 * plane.rows + random(-5, 5));
      break;
    case 3:  // one item for many
      plane.stride = random.chance() ? 0 : size;
      plane.outer_stride = random.chance() ? 0 : size;
      break;
    default:  // anything
      plane.stride = random(1, 3 * size);
      plane.outer_stride = random(1, 3 * size);
      break;
  }
  if (random.chance()) plane.stride = -plane.stride;
  if (random(0, 3) == 0) plane.outer_stride = -plane.outer_stride;
  return plane;
}

/// From the lowest byte that is read to `from`, and to the end of the highest.
struct Hull {
  std::int64_t before = 0, after = 0;
};
Hull hull_of(const Plane& plane) {
  Hull hull{0, plane.row_bytes};
  for (const std::int64_t reach :
       {plane.stride * (plane.rows - 1), plane.outer_stride * (plane.outer - 1)}) {
    if (reach < 0) hull.before -= reach;
    if (reach > 0) hull.after += reach;
  }
  return hull;
}

void copy_by_bytes(const Plane& plane) {
  for (std::int64_t l = 0; l < plane.outer; ++l)
    for (std::int64_t r = 0; r < plane.rows; ++r)
      std::copy_n(plane.from + l * plane.outer_stride + r * plane.stride, plane.row_bytes,
                  plane.to + l * plane.outer_out_stride + r * plane.out_stride);
}

std::string text_of(const Plane& plane) {
  std::ostringstream out;
  out << plane.outer << " lines " << plane.outer_stride << " apart, to " << plane.outer_out_stride
      << "; " << plane.rows << " rows " << plane.stride << " apart, of " << plane.row_bytes;
  return out.str();
}

/// What a plane is copied from and to: sources between guard pages, outputs at any address.
struct Scene {
  Scene(Plane& plane, Random& random)
      : hull(hull_of(plane)),
        source(static_cast<std::size_t>(hull.before + hull.after), random.chance()),
        out_bytes(static_cast<std::size_t>((plane.outer - 1) * plane.outer_out_stride +
                                           plane.rows * plane.out_stride)),
        out(out_bytes, random.chance()),
        expected(out_bytes, std::byte{0x5A}) {
    fill(source.data(), hull.before + hull.after, random);
    std::fill_n(out.data(), out_bytes, std::byte{0x5A});
    plane.from = source.data() + hull.before;
    plane.to = expected.data();
    copy_by_bytes(plane);
    plane.to = out.data();
  }
  bool is_right() const { return std::equal(expected.begin(), expected.end(), out.data()); }

  Hull hull;
  Guarded source;
  std::size_t out_bytes;
  Guarded out;
  std::vector<std::byte> expected;
};

TEST(CopyPlane, CopiesEveryItemAndReadsNothingElse) {
  Random random(1);
  for (int i = 0; i < testing::cases(6000); ++i) {
    Plane plane = random_plane(random);
    const Scene scene(plane, random);
    const bool nontemporal = random.chance();
    copy_plane(plane, nontemporal);
    nontemporal_fence();
    ASSERT_TRUE(scene.is_right()) << text_of(plane) << (nontemporal ? ", nontemporal" : "");
  }
}

/// Lines of whole cache lines' worth of items: those that few loads have, and those that they have
/// not; of sizes that make up a line, and not; to places between cache lines, and between items.
TEST(CopyPlane, CopiesLongLinesOfItemsHoweverTheyLie) {
  Random random(4);
  for (int i = 0; i < testing::cases(300); ++i) {
    Plane plane;
    plane.row_bytes = random.one_of(std::array<std::int64_t, 8>{1, 2, 3, 4, 6, 8, 16, 32});
    plane.out_stride = plane.row_bytes;
    plane.outer = random(1, 3);
    plane.rows = random(4000, 20'000) / plane.row_bytes;
    plane.outer_out_stride = plane.rows * plane.row_bytes;
    if (random.chance()) plane.outer_out_stride += plane.row_bytes * random(0, 9);
    if (random(0, 3) == 0) plane.outer_out_stride += random(0, 9);
    const std::int64_t distance = plane.row_bytes + random(0, random.chance() ? 8 : 64);
    plane.outer_stride = plane.rows * distance + random(0, 9);
    plane.stride = random.chance() ? distance : -distance;
    const Scene scene(plane, random);
    const bool nontemporal = random.chance();
    copy_plane(plane, nontemporal);
    nontemporal_fence();
    ASSERT_TRUE(scene.is_right()) << text_of(plane) << (nontemporal ? ", nontemporal" : "");
  }
}

TEST(CopyEvery, IsNotForItemsThatAVectorFitsBetween) {
  for (const std::int64_t item : {1, 2, 4, 8})
    for (std::int64_t step = -4; step <= 4; ++step)
      if (can_copy_every(step, item)) {
        EXPECT_LT((std::abs(step) - 1) * item, 16) << item << " by " << step;
      }
  EXPECT_FALSE(can_copy_every(3, 8));
  EXPECT_FALSE(can_copy_every(-4, 8));
}

/// The plane as the last two axes of a plan, behind another axis of two planes or none.
CopyPlan plan_of(const Plane& plane) {
  CopyPlan plan;
  plan.indexed.origins = {0};
  plan.indexed.base = plane.from;
  plan.dense.base = plane.to;
  plan.run_bytes = plane.row_bytes;
  plan.axes = {{plane.outer, plane.outer_out_stride, 0, plane.outer_stride},
               {plane.rows, plane.out_stride, 0, plane.stride}};
  plan.rows = plane.outer * plane.rows;
  return plan;
}

TEST(HostPlans, MayBeCutBetweenAnyTwoRows) {
  Random random(2);
  for (int i = 0; i < testing::cases(1500); ++i) {
    Plane plane = random_plane(random);
    if (random.chance() && plane.row_bytes < 64) plane.rows += random(200, 5000);
    plane.outer_out_stride = std::max(plane.outer_out_stride, plane.rows * plane.out_stride);
    const Scene scene(plane, random);
    const CopyPlan whole = plan_of(plane);
    const HostPlans plans(whole);
    const std::span<const CopyPlan> parts = plans.parts();
    std::int64_t bytes = 0;
    for (const CopyPlan& part : parts) bytes += part.rows * part.run_bytes;
    ASSERT_EQ(bytes, plane.outer * plane.rows * plane.row_bytes) << text_of(plane);
    // Anywhere: within rows, and across plans.
    for (std::int64_t begin = 0, end = 0; begin < bytes; begin = end) {
      end = std::min(bytes, begin + random(1, bytes));
      host_gather_bytes(parts, begin, end, random.chance());
    }
    ASSERT_TRUE(scene.is_right()) << text_of(plane);
  }
}

TEST(HostPlans, RunsThatBecomeWiderAreCutByWhatTheyBecome) {
  const std::vector<std::byte> source(300'000);
  std::vector<std::byte> output(source.size() * sizeof(double));
  const Plane plane{.to = output.data(),
                    .from = source.data(),
                    .outer = 1,
                    .rows = 1,
                    .row_bytes = std::ssize(source)};
  CopyPlan plan = plan_of(plane);
  const auto longest_run = [](const HostPlans& plans) {
    return std::ranges::max_element(plans.parts(), {}, &CopyPlan::run_bytes)->run_bytes;
  };
  const std::int64_t plain = longest_run(HostPlans(plan));
  plan.conversion = Conversion{.from = ScalarType::uint8, .to = ScalarType::float64};
  const HostPlans plans(plan);
  EXPECT_LT(longest_run(plans), plain);
  std::int64_t bytes = 0;
  for (const CopyPlan& part : plans.parts()) {
    EXPECT_LE(part.dense_bytes(part.run_bytes), 1 << 18);
    bytes += part.rows * part.run_bytes;
  }
  EXPECT_EQ(bytes, plane.row_bytes);
}

/// A transpose into memory that begins within a cache line, as NumPy's does.
TEST(HostPlans, StripsBeginWhereCacheLinesDo) {
  constexpr std::int64_t lines = 128, rows = 640, size = 4, misaligned = 16;
  std::vector<std::byte> source(lines * rows * size);
  for (std::size_t i = 0; i < source.size(); ++i) source[i] = static_cast<std::byte>(i * 31 >> 5);
  std::vector<std::byte> memory(source.size() + 2 * cache_line_bytes);
  std::byte* aligned = memory.data();
  while (reinterpret_cast<std::uintptr_t>(aligned) % cache_line_bytes != 0) ++aligned;
  const Plane plane{.to = aligned + misaligned,
                    .from = source.data(),
                    .outer = lines,
                    .outer_out_stride = rows * size,
                    .outer_stride = size,
                    .rows = rows,
                    .out_stride = size,
                    .stride = lines * size,
                    .row_bytes = size};
  const CopyPlan whole = plan_of(plane);
  const HostPlans plans(whole);
  const std::span<const CopyPlan> parts = plans.parts();
  ASSERT_EQ(parts.size(), 3U);
  EXPECT_EQ(parts[0].dense.base, aligned + cache_line_bytes);
  EXPECT_EQ(parts[0].axes[0].dense_stride % cache_line_bytes, 0);
  EXPECT_EQ(parts[1].dense.base, plane.to);
  EXPECT_EQ(parts[1].rows, lines * (cache_line_bytes - misaligned) / size);
  EXPECT_EQ(parts[2].dense.base,
            parts[0].dense.base + parts[0].axes[0].extent * parts[0].axes[0].dense_stride);
}

TEST(HostPlans, LongRunsAreCutIntoPieces) {
  const std::int64_t run = (std::int64_t{5} << 18) + 77;
  std::vector<std::byte> source(static_cast<std::size_t>(2 * run));
  for (std::size_t i = 0; i < source.size(); ++i) source[i] = static_cast<std::byte>(i * 31 >> 5);
  std::vector<std::byte> out(source.size());
  Plane plane{.to = out.data(),
              .from = source.data() + run,
              .outer = 1,
              .outer_out_stride = 0,
              .outer_stride = 0,
              .rows = 2,
              .out_stride = run,
              .stride = -run,
              .row_bytes = run};
  const CopyPlan whole = plan_of(plane);
  const HostPlans plans(whole);
  const std::span<const CopyPlan> parts = plans.parts();
  EXPECT_EQ(parts.size(), 2U);
  for (const CopyPlan& part : parts) host_gather(part, 0, part.rows, true);
  EXPECT_TRUE(std::equal(out.begin(), out.begin() + run, source.begin() + run));
  EXPECT_TRUE(std::equal(out.begin() + run, out.end(), source.begin()));
}

TEST(HostGather, RowsOfAnySizeAtAnyAddress) {
  Random random(3);
  for (int i = 0; i < testing::cases(600); ++i) {
    const std::int64_t size = random.chance() ? random(1, 2100) : 64 * random(1, 70);
    const std::int64_t rows = random(1, 150);
    const Guarded source(static_cast<std::size_t>(rows * size), random.chance());
    fill(source.data(), rows * size, random);
    std::vector<std::int64_t> offsets;
    std::vector<std::byte> expected;
    for (std::int64_t row = 0; row < rows; ++row) {
      offsets.push_back(random(0, rows - 1) * size);
      expected.insert(expected.end(), source.data() + offsets.back(),
                      source.data() + offsets.back() + size);
    }
    // Not all outputs begin where cache lines do, and not all rows end where the next begins.
    const std::int64_t gap = random.chance() ? 0 : random(1, 64);
    const std::int64_t stride = size + (random.chance() ? 0 : random(1, 64));
    const Guarded out(static_cast<std::size_t>(gap + (rows - 1) * stride + size), random.chance());
    CopyPlan plan;
    plan.indexed.base = source.data();
    plan.indexed.tables = {{offsets.data(), true}};
    plan.indexed.origins = {0, 0};
    plan.axes = {{rows, stride, 0, 1}};
    plan.run_bytes = size;
    plan.rows = rows;
    plan.dense.base = out.data() + gap;
    const std::int64_t cut = random(0, rows);
    host_gather(plan, 0, cut, random.chance());
    host_gather(plan, cut, rows, random.chance());
    for (std::int64_t row = 0; row < rows; ++row)
      ASSERT_EQ(std::memcmp(plan.dense.base + row * stride, expected.data() + row * size,
                            static_cast<std::size_t>(size)),
                0)
          << "row " << row << " of " << rows << ", of " << size << " bytes";
  }
}

TEST(Nontemporal, IsForWhatTheCachesWouldNotKeep) {
  EXPECT_FALSE(worth_nontemporal(std::int64_t{1} << 20));
  EXPECT_EQ(worth_nontemporal((std::int64_t{8} << 20) * sysconf(_SC_NPROCESSORS_ONLN) + (16 << 20)),
            has_nontemporal_stores);
}

/// The caller may write to its index array from another thread: what comes out is then nothing to
/// rely on, but it comes out of the array, whichever side of a table the indices are on.
TEST(HostGather, IndicesThatChangedAfterTheirCheckLeadNowhereElse) {
  const std::array<std::int32_t, 4> values{10, 11, 12, 13};
  const std::array<std::int64_t, 4> offsets{0, 4, 8, 12};
  const std::array<std::int64_t, 5> wide{3, std::int64_t{1} << 40, -1, -5, INT64_MIN};
  const std::array<std::int32_t, 5> narrow{3, 1 << 30, -1, -5, INT32_MIN};
  CopyPlan direct;
  direct.indexed.base = reinterpret_cast<const std::byte*>(values.data());
  direct.indexed.origins = {0};
  direct.axes = {{5, 4, 0, 0}};
  direct.indices = {{.data = wide.data(),
                     .bytes_each = 8,
                     .axis = 0,
                     .extent = 4,
                     .level = 0,
                     .stride = 4,
                     .shape = {5},
                     .steps = {1}}};
  direct.run_bytes = 4;
  direct.rows = 5;
  CopyPlan before_table = direct;
  before_table.indexed.tables = {{offsets.data(), true}};
  before_table.indexed.origins = {0, 0};
  before_table.indices[0].stride = 1;
  CopyPlan behind_table = before_table;
  behind_table.indices[0].level = 1;
  behind_table.indices[0].stride = 4;
  for (CopyPlan plan : {direct, before_table, behind_table}) {
    for (const bool is_wide : {true, false}) {
      std::array<std::int32_t, 5> out{};
      plan.indices[0].data = is_wide ? static_cast<const void*>(wide.data()) : narrow.data();
      plan.indices[0].bytes_each = is_wide ? 8 : 4;
      plan.dense.base = reinterpret_cast<std::byte*>(out.data());
      host_gather(plan, 0, 5, false);
      EXPECT_EQ(out, (std::array<std::int32_t, 5>{13, 10, 13, 10, 10}));
    }
  }
}

}  // namespace
}  // namespace multibuffer
