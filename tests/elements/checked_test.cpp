// Views with MULTIBUFFER_CHECKED, beside a library that was compiled without.
#define MULTIBUFFER_CHECKED
#include <multibuffer/multibuffer.hpp>

#include <gtest/gtest.h>

#include <array>
#include <vector>

namespace multibuffer {
namespace {

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
  EXPECT_DEATH(static_cast<void>(rows<float>(array)[2]), "index 2 on axis 0, whose extent is 2");
}

}  // namespace
}  // namespace multibuffer
