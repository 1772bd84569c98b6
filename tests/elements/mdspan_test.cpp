#include <multibuffer/cuda/mdspan.hpp>
#include <multibuffer/multibuffer.hpp>

#include "tests/testing/throws.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <optional>
#include <type_traits>
#include <vector>

// `cuda::std::mdspan` over arrays of pointers, compiled by a host's compiler alone.

namespace multibuffer {
namespace {

using testing::expect_error;
using Span = cuda::ElementSpan<const float, 2>;
static_assert(std::is_trivially_copyable_v<Span>);
static_assert(!Span::is_always_strided() && !Span::is_always_unique());

class Mdspan : public ::testing::Test {
 protected:
  Mdspan() {
    for (int i = 0; i < 12; ++i) memory_[static_cast<std::size_t>(i)] = static_cast<float>(i);
    UploadOptions options;
    options.simplify.duplicate = false;
    array_.emplace(upload(ArrayView::from_rows(pointers_, 3), Device::host(), options));
  }
  std::array<float, 12> memory_{};
  // Row 1 is there twice.
  std::vector<const float*> pointers_{memory_.data() + 9, memory_.data() + 3, memory_.data(),
                                      memory_.data() + 3};
  std::optional<DeviceArray> array_;
};

TEST_F(Mdspan, ReadsByIndices) {
  const auto span = cuda::mdspan<float, 2>(*array_);
  static_assert(std::is_same_v<decltype(span), const Span>);
  ASSERT_EQ(span.extent(0), 4);
  ASSERT_EQ(span.extent(1), 3);
  for (std::int64_t i = 0; i < 4; ++i) {
    for (std::int64_t j = 0; j < 3; ++j) {
      EXPECT_EQ(span(i, j), pointers_[static_cast<std::size_t>(i)][j]);
      EXPECT_EQ((span[::cuda::std::array<std::int64_t, 2>{i, j}]), span(i, j));
    }
  }
}

TEST_F(Mdspan, ItsRowsStandForSubmdspan) {
  const auto span = cuda::mdspan<float, 2>(*array_);
  for (std::int64_t i = 0; i < 4; ++i) {
    const RowView<const float> found = cuda::row(span, i);
    ASSERT_EQ(found.size(), 3);
    EXPECT_EQ(found.data(), &span(i, 0));
    EXPECT_EQ(found[2], span(i, 2));
  }
}

TEST_F(Mdspan, RefusesWhatElementsRefuses) {
  expect_error(Errc::invalid_argument, "ask for a Rank of 2",
               [&] { cuda::mdspan<float, 3>(*array_); });
  expect_error(Errc::invalid_argument, "format 'i'",
               [&] { cuda::mdspan<std::int32_t, 2>(*array_); });
}

TEST_F(Mdspan, LayoutsAreEqualIfTheyLeadToTheSamePlaces) {
  const auto span = cuda::mdspan<float, 2>(*array_);
  EXPECT_TRUE(span.mapping() == (cuda::mdspan<float, 2>(*array_).mapping()));
  EXPECT_FALSE(span.mapping() == (cuda::mdspan<float, 2>(array_->reverse(0)).mapping()));
}

}  // namespace
}  // namespace multibuffer
