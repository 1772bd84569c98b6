// Views with MULTIBUFFER_CHECKED, beside a library that was compiled without.
#define MULTIBUFFER_CHECKED
#include <multibuffer/multibuffer.hpp>

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <vector>

namespace multibuffer {

/// Element (row, column) by code that does not check: `unchecked.cpp`.
float unchecked_element(const DeviceArray& array, std::int64_t row, std::int64_t column);

namespace {

DeviceArray upload_with_a_table(const std::vector<const float*>& pointers) {
  UploadOptions options;
  options.simplify.flatten = false;
  return upload(ArrayView::from_rows(pointers, 4), Device::host(), options);
}

TEST(CheckedViewsDeathTest, StopAtAnIndexOutOfRangeAndNameIt) {
  const std::array<float, 8> memory{};
  const std::vector<const float*> pointers{memory.data() + 4, memory.data()};
  const DeviceArray array = upload(ArrayView::from_rows(pointers, 4), Device::host());
  const auto view = elements<float, 2>(array);
  EXPECT_EQ(view(1, 3), 0.0F);
  EXPECT_DEATH(static_cast<void>(view(1, 4)), "index 4 on axis 1, whose extent is 4");
  EXPECT_DEATH(static_cast<void>(view(-1, 0)), "index -1 on axis 0, whose extent is 2");
  EXPECT_DEATH(static_cast<void>(view.row(2)), "index 2 on axis 0, whose extent is 2");
  EXPECT_DEATH(static_cast<void>(view.row(1)[4]), "index 4 on axis 0, whose extent is 4");
  const DeviceArray transposed = upload_with_a_table(pointers).transpose();
  const auto turned = elements<float, 2>(transposed);
  EXPECT_EQ(turned(3, 0), 0.0F);
  EXPECT_DEATH(static_cast<void>(turned.row(0)), "no rows along axis 1");
  EXPECT_DEATH(static_cast<void>(rows<float>(array)[2]), "index 2 on axis 0, whose extent is 2");
}

TEST(CheckedViews, CodeThatDoesNotCheckIsTheSameBesideCodeThatDoes) {
  const std::array<float, 8> memory{0, 1, 2, 3, 4, 5, 6, 7};
  const std::vector<const float*> pointers{memory.data(), memory.data() + 4};
  UploadOptions options;
  options.placement = PlacementKind::in_place;
  const DeviceArray array = upload(ArrayView::from_rows(pointers, 4), Device::host(), options);
  EXPECT_EQ(unchecked_element(array, 0, 5), 5.0F) << "beyond the row, and within the memory";
}

}  // namespace
}  // namespace multibuffer
