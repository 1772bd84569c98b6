#include <multibuffer/multibuffer.hpp>

#include "tests/testing/cases.hpp"
#include "tests/testing/number_samples.hpp"
#include "tests/testing/on_device.hpp"
#include "tests/testing/random_array.hpp"
#include "tests/testing/throws.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <numeric>
#include <string>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

// Elements that are scaled as they become float32: what the reference makes of the elements that a
// gather without a scaling gives. On every backend; those that this machine lacks are skipped.

namespace multibuffer {
namespace {

using testing::cases;
using testing::expect_error;
using testing::Random;
using Numbers = std::vector<std::int64_t>;

const Format float32("f", 4);

class ScalingTest : public testing::OnDevice {};

std::vector<float> random_list(Random& random, std::int64_t count) {
  std::vector<float> list;
  for (std::int64_t i = 0; i < count; ++i)
    list.push_back(random.chance(80)
                       ? static_cast<float>(random.between(-500, 500)) / 127
                       : std::bit_cast<float>(static_cast<std::uint32_t>(random.next())));
  return list;
}

Scaling random_scaling(Random& random, const Numbers& shape) {
  Scaling scaling;
  const int ndim = static_cast<int>(shape.size());
  scaling.axis = ndim == 0 ? 0 : random.between(-ndim, ndim - 1);
  const auto at = static_cast<std::size_t>(scaling.axis < 0 ? scaling.axis + ndim : scaling.axis);
  const std::int64_t extent = ndim == 0 ? 1 : shape[at];
  const auto list = [&] {
    return random_list(random, random.pick<std::int64_t>({0, 1, extent, extent}));
  };
  scaling.factors = list();
  scaling.terms = list();
  return scaling;
}

void expect_scaled(const DeviceBuffer& plain, const DeviceBuffer& scaled, const Scaling& scaling,
                   const Format& to, const std::string& what) {
  ASSERT_EQ(scaled.shape(), plain.shape()) << what;
  ASSERT_EQ(scaled.format(), to) << what;
  const reference::Result expected = reference::converted({plain.shape(), plain.to_host()},
                                                          plain.format(), to, {.scaling = scaling});
  EXPECT_EQ(scaled.to_host(), expected.bytes) << what;
}

GatherOptions scaled_by(const Scaling& scaling, const Format& to = float32) {
  GatherOptions options;
  options.format = to;
  options.scaling = scaling;
  return options;
}

struct Source {
  std::vector<std::byte> bytes;
  Numbers shape;
  Format format;
  ArrayView view() const { return ArrayView::dense(bytes.data(), shape, format); }
};

Source random_source(Random& random, const Numbers& shape, const Format& format) {
  std::int64_t count = 1;
  for (const std::int64_t extent : shape) count *= extent;
  const std::vector<std::byte> samples = testing::samples_of(format);
  const auto size = static_cast<std::size_t>(format.itemsize());
  Source source{std::vector<std::byte>(static_cast<std::size_t>(count) * size), shape, format};
  for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i)
    std::memcpy(source.bytes.data() + i * size,
                samples.data() + random.next() % (samples.size() / size) * size, size);
  return source;
}

std::vector<Format> sources() {
  std::vector<Format> formats;
  for (const auto& [text, size] : std::vector<std::pair<const char*, int>>{{"?", 1},
                                                                           {"b", 1},
                                                                           {"B", 1},
                                                                           {"h", 2},
                                                                           {"H", 2},
                                                                           {">H", 2},
                                                                           {"i", 4},
                                                                           {"I", 4},
                                                                           {"q", 8},
                                                                           {"Q", 8},
                                                                           {"e", 2},
                                                                           {">e", 2},
                                                                           {"f", 4},
                                                                           {">f", 4},
                                                                           {"d", 8},
                                                                           {">d", 8},
                                                                           {"bfloat16", 2},
                                                                           {"float8_e4m3fn", 1},
                                                                           {"float8_e5m2", 1}})
    formats.emplace_back(text, size);
  return formats;
}

/// Images in either order of axes, cut, mirrored and with their channels reversed.
TEST_P(ScalingTest, OfRandomViewsIsWhatTheReferenceMakesOfThem) {
  Random random(3);
  const std::vector<Format> formats = sources();
  for (int i = 0; i < cases(400) && !HasFailure(); ++i) {
    const Format& format = formats[static_cast<std::size_t>(i) % formats.size()];
    Numbers shape;
    for (int axes = random.between(0, 4); axes > 0; --axes)
      shape.push_back(random.pick<std::int64_t>({1, 2, 3, 3, 4, 7, 16, 33, 70}));
    const Source source = random_source(random, shape, format);
    DeviceArray array = upload(source.view(), device());
    std::vector<int> axes(shape.size());
    std::iota(axes.begin(), axes.end(), 0);
    for (std::size_t n = axes.size(); n > 1; --n) std::swap(axes[n - 1], axes[random.next() % n]);
    if (random.chance(60)) array = array.permute(axes);
    for (int axis = 0; axis < array.ndim(); ++axis)
      if (random.chance(20)) array = array.reverse(axis);
    for (int axis = 0; axis < array.ndim(); ++axis)
      if (random.chance(15))
        array = array.slice(axis, {0, array.shape()[static_cast<std::size_t>(axis)], 2});
    Selection selection;
    Numbers indices;
    if (array.ndim() > 0 && random.chance(40)) {
      const int axis = random.between(0, array.ndim() - 1);
      const std::int64_t extent = array.shape()[static_cast<std::size_t>(axis)];
      for (int n = random.between(1, 40); n > 0; --n)
        indices.push_back(random.between(-extent, extent - 1));
      selection.groups.push_back({{axis}, {Indices(indices)}, {}});
    }
    const DeviceBuffer plain = gather(array, selection, {});
    const Scaling scaling = random_scaling(random, plain.shape());
    const Format to = random.chance(20) ? Format(">f", 4) : float32;
    GatherOptions options = scaled_by(scaling, to);
    options.order = random.pick({Order::C, Order::F});
    const std::string what = "array " + std::to_string(i) + " of '" + format.text() + "'";
    expect_scaled(plain, gather(array, selection, options), scaling, to, what);
    const Plan plan(array, selection, options);
    plan.run();
    expect_scaled(plain, plan.run(), scaling, to, what + ", by a plan");
  }
}

TEST_P(ScalingTest, OfManyImagesIsWhatTheReferenceMakesOfThem) {
  Random random(4);
  const Source source = random_source(random, {20, 90, 110, 3}, Format("B", 1));
  const DeviceArray images = upload(source.view(), device());
  const DeviceArray channels = images.permute(std::array{0, 3, 1, 2});
  for (const DeviceArray& array : {images, channels, images.reverse(3), channels.reverse(3)}) {
    const DeviceBuffer plain = copy(array);
    Scaling scaling;
    scaling.axis = plain.shape()[1] == 3 ? 1 : -1;
    scaling.factors = {1 / 58.4F, 1 / 57.1F, 1 / 57.4F};
    scaling.terms = {-2.1F, -2.0F, -1.8F};
    expect_scaled(plain, copy(array, scaled_by(scaling)), scaling, float32, "images");
    const Numbers some{17, 3, 3, -1};
    expect_scaled(take(array, 0, Indices(some)), take(array, 0, Indices(some), scaled_by(scaling)),
                  scaling, float32, "some images");
  }
}

TEST_P(ScalingTest, GoesIntoMemoryWithStrides) {
  const std::array<std::uint8_t, 6> source{1, 2, 3, 4, 5, 6};
  const DeviceArray array =
      upload(ArrayView::dense(source.data(), Numbers{2, 3}, Format("B", 1)), device());
  std::vector<float> memory(16, -77);
  GatherOptions options = scaled_by({.axis = 1, .factors = {1, 10, 100}, .terms = {0.5F}});
  options.out = Output{memory.data(), 64, MemorySpace::host, {32, 8}};
  copy(array, options);
  EXPECT_EQ(memory, (std::vector<float>{1.5F, -77, 20.5F, -77, 300.5F, -77, -77, -77,  //
                                        4.5F, -77, 50.5F, -77, 600.5F, -77, -77, -77}));
}

TEST_P(ScalingTest, KeepsTheSignOfZeroWhereNothingIsAdded) {
  const std::array<float, 2> zeros{0.0F, -0.0F};
  const DeviceArray array = upload(ArrayView::dense(zeros.data(), Numbers{2}, float32), device());
  const auto bits = [&](const Scaling& scaling) {
    const std::vector<std::byte> bytes = copy(array, scaled_by(scaling)).to_host();
    std::array<std::uint32_t, 2> result{};
    std::memcpy(result.data(), bytes.data(), bytes.size());
    return result;
  };
  constexpr std::uint32_t minus = 0x80000000;
  EXPECT_EQ(bits({}), (std::array<std::uint32_t, 2>{0, minus}));
  EXPECT_EQ(bits({.factors = {-3}}), (std::array<std::uint32_t, 2>{minus, 0}));
  EXPECT_EQ(bits({.terms = {0}}), (std::array<std::uint32_t, 2>{0, 0}));
}

TEST_P(ScalingTest, NeedsNoFormatForFloats) {
  const std::array<float, 2> numbers{1.5F, std::numeric_limits<float>::quiet_NaN()};
  const DeviceArray array = upload(ArrayView::dense(numbers.data(), Numbers{2}, float32), device());
  GatherOptions options;
  options.scaling = Scaling{.factors = {2}};
  const std::vector<std::byte> bytes = copy(array, options).to_host();
  EXPECT_EQ(std::memcmp(bytes.data(), "\0\0\x40\x40\0\0\xc0\x7f", 8), 0);
}

TEST_P(ScalingTest, OfGathersInPieces) {
  Random random(5);
  const Source source = random_source(random, {40, 37, 3}, Format("H", 2));
  const DeviceArray array = upload(source.view(), Device::host());
  const Numbers rows{3, 39, 0, 0, 17, 8};
  for (const Selection& selection :
       {Selection{}, Selection{.groups = {{{0}, {Indices(rows)}, {}}}}}) {
    const DeviceBuffer plain = gather(array, selection, {});
    for (int i = 0; i < 12; ++i) {
      const Scaling scaling = random_scaling(random, plain.shape());
      const DeviceBuffer made = gather_in_pieces(
          source.view(), device(), selection, {.gather = scaled_by(scaling), .memory_limit = 4096});
      expect_scaled(plain, made, scaling, float32, "pieces " + std::to_string(i));
    }
  }
}

TEST_P(ScalingTest, IsRefusedWhereItHasNoMeaning) {
  const std::array<std::uint8_t, 6> source{1, 2, 3, 4, 5, 6};
  const ArrayView view = ArrayView::dense(source.data(), Numbers{2, 3}, Format("B", 1));
  const DeviceArray array = upload(view, device());
  const auto refused = [&](Errc code, const std::string& why, const GatherOptions& options) {
    expect_error(code, why, [&] { copy(array, options); });
    expect_error(code, why, [&] { Plan(array, {}, options); });
    expect_error(code, why, [&] {
      gather_in_pieces(view, device(), {}, {.gather = options, .memory_limit = 4096});
    });
  };
  refused(Errc::invalid_argument, "2 factors for axis 1 of the result, whose extent is 3: give 3",
          scaled_by({.factors = {1, 2}}));
  refused(Errc::invalid_argument, "3 terms for axis 0 of the result, whose extent is 2: give 2",
          scaled_by({.axis = -2, .factors = {1, 2}, .terms = {1, 2, 3}}));
  refused(Errc::invalid_argument, "axis 2 of an array with 2 axes",
          scaled_by({.axis = 2, .factors = {1, 2}}));
  for (const Format& to :
       {Format("e", 2), Format("d", 8), Format("i", 4), Format("Zf", 8), Format("bfloat16", 2)})
    refused(Errc::format_unsupported, "become '" + to.text() + "'", scaled_by({}, to));
  GatherOptions options;
  options.scaling.emplace();
  refused(Errc::format_unsupported, "stay 'B'", options);
}

TEST_P(ScalingTest, IsRefusedForWhatIsNoReal) {
  const std::array<float, 4> numbers{1, 2, 3, 4};
  const auto refused = [&](const Format& format, const std::string& why) {
    const DeviceArray array =
        upload(ArrayView::dense(numbers.data(), Numbers{16 / format.itemsize()}, format), device());
    expect_error(Errc::format_unsupported, why, [&] { copy(array, scaled_by({})); });
  };
  refused(Format("Zf", 8), "imaginary parts would be lost");
  refused(Format("4s", 4), "is no number");
  refused(Format("T{f:x:}", 4), "is a struct");
}

#if defined(__x86_64__)
TEST_P(ScalingTest, KnowsSubnormalNumbersInThreadsThatDoNot) {
  const std::array<float, 3> numbers{1e-40F, 1.2e-38F, 3e-39F};
  const DeviceArray array = upload(ArrayView::dense(numbers.data(), Numbers{3}, float32), device());
  const Scaling scaling{.factors = {0.25F}};
  const DeviceBuffer expected = copy(array, scaled_by(scaling));
  const std::uint32_t before = _mm_getcsr();
  _mm_setcsr(before | 0x8040);  // subnormal numbers are zero, read and written
  const std::vector<std::byte> made = copy(array, scaled_by(scaling)).to_host();
  const bool is_restored = (_mm_getcsr() & 0x8040) == 0x8040;
  const std::vector<std::byte> read(reinterpret_cast<const std::byte*>(numbers.data()),
                                    reinterpret_cast<const std::byte*>(numbers.data() + 3));
  const std::vector<std::byte> reference =
      reference::converted({{3}, read}, float32, float32, {.scaling = scaling}).bytes;
  _mm_setcsr(before);
  EXPECT_TRUE(is_restored);
  EXPECT_EQ(made, expected.to_host());
  EXPECT_EQ(reference, expected.to_host());
  EXPECT_EQ(expected.format(), float32);
  float first = 0;
  std::memcpy(&first, made.data(), sizeof first);
  EXPECT_GT(first, 0);
}
#endif

INSTANTIATE_TEST_SUITE_P(EveryBackend, ScalingTest, ::testing::Values("host", "cuda"),
                         [](const auto& parameter) { return std::string(parameter.param); });

}  // namespace
}  // namespace multibuffer
