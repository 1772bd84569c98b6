#include <multibuffer/dataset.hpp>
#include <multibuffer/multibuffer.hpp>

#include "tests/testing/random_array.hpp"
#include "tests/testing/throws.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

// Datasets are read in parts, each of which must take its own part of a scaling.

namespace multibuffer {
namespace {

using testing::expect_error;
using testing::Random;
using Numbers = std::vector<std::int64_t>;

const Format float32("f", 4);

/// Three arrays in memory, along their axis 0.
class Parts {
 public:
  Parts(Random& random, Numbers shape) : shape_(std::move(shape)) {
    std::int64_t bytes = 1;
    for (const std::int64_t extent : shape_) bytes *= extent;
    for (std::vector<std::byte>& part : parts_) {
      part.resize(static_cast<std::size_t>(bytes));
      random.fill(part);
    }
  }
  Dataset dataset() const {
    std::vector<ArrayView> views;
    for (const std::vector<std::byte>& part : parts_)
      views.push_back(ArrayView::dense(part.data(), shape_, Format("B", 1)));
    return Dataset::of_memory(views, std::make_shared<int>());
  }

 private:
  Numbers shape_;
  std::array<std::vector<std::byte>, 3> parts_;
};

std::vector<float> random_list(Random& random, std::int64_t count) {
  std::vector<float> list;
  for (std::int64_t i = 0; i < count; ++i)
    list.push_back(static_cast<float>(random.between(-500, 500)) / 127);
  return list;
}

void expect_scaled_along_every_axis(Random& random, const Dataset& dataset) {
  const DeviceBuffer plain = copy(dataset);
  for (int axis = 0; axis < dataset.ndim(); ++axis)
    for (const bool has_one_term : {false, true}) {
      const std::int64_t extent = dataset.shape()[static_cast<std::size_t>(axis)];
      ReadOptions options;
      options.format = float32;
      options.scaling = Scaling{.axis = axis,
                                .factors = random_list(random, extent),
                                .terms = random_list(random, has_one_term ? 1 : extent)};
      const reference::Result expected = reference::converted(
          {plain.shape(), plain.to_host()}, plain.format(), float32, {.scaling = options.scaling});
      EXPECT_EQ(copy(dataset, options).to_host(), expected.bytes) << axis;
      const Numbers some{0, extent - 1, extent / 2};
      ReadOptions of_some = options;
      of_some.scaling->axis = -1;
      of_some.scaling->factors =
          random_list(random, axis == dataset.ndim() - 1 ? 3 : dataset.shape().back());
      of_some.scaling->terms = {};
      const DeviceBuffer plain_some = take(dataset, axis, Indices(some));
      EXPECT_EQ(take(dataset, axis, Indices(some), of_some).to_host(),
                reference::converted({plain_some.shape(), plain_some.to_host()},
                                     plain_some.format(), float32, {.scaling = of_some.scaling})
                    .bytes)
          << axis;
    }
}

/// Arrays of few bytes for an index are read one part of the result after the other, others all by
/// pointers.
TEST(ScaledReads, AreWhatTheReferenceMakesOfThem) {
  Random random(6);
  for (const Numbers& shape : {Numbers{2000}, Numbers{1500, 2}, Numbers{5, 8, 30}}) {
    const Parts parts(random, shape);
    const Dataset dataset = parts.dataset();
    expect_scaled_along_every_axis(random, dataset);
    expect_scaled_along_every_axis(random, dataset.transpose());
    expect_scaled_along_every_axis(random, dataset.reverse(0));
    expect_scaled_along_every_axis(random, dataset.slice(0, {3, 14, 3}));
  }
}

TEST(ScaledReads, AreRefusedWhereTheyHaveNoMeaning) {
  Random random(7);
  const Parts parts(random, {2, 3});
  ReadOptions options;
  options.format = float32;
  options.scaling = Scaling{.axis = 1, .factors = {1, 2}};
  expect_error(Errc::invalid_argument, "2 factors for axis 1 of the result, whose extent is 3",
               [&] { copy(parts.dataset(), options); });
  options.format = Format("e", 2);
  expect_error(Errc::format_unsupported, "scaled as they become float32",
               [&] { copy(parts.dataset(), options); });
}

}  // namespace
}  // namespace multibuffer
