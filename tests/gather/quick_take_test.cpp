#include "host/gather/quick_take.hpp"

#include <multibuffer/array_view.hpp>
#include <multibuffer/device_array.hpp>
#include <multibuffer/error.hpp>

#include "host/gather/conversion.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

namespace multibuffer {
namespace {

constexpr std::int64_t huge = std::int64_t{1} << 62;

DeviceArray on_host(const void* data, const std::vector<std::int64_t>& shape, const char* format,
                    std::int64_t itemsize) {
  return upload(ArrayView::dense(data, shape, Format(format, itemsize)), Device::host());
}

TEST(QuickTake, IsNotOfArraysWithoutElements) {
  for (const std::vector<std::int64_t>& shape :
       std::vector<std::vector<std::int64_t>>{{0, 3}, {3, 0}, {2, 0, huge, 8}, {huge, 4, 0}, {}})
    EXPECT_FALSE(quick_item_bytes(on_host(&huge, shape, "i", 4)));
}

TEST(QuickTake, ConvertsWhatItTakes) {
  const std::array<std::int16_t, 6> numbers{1, -2, 300, 4, 5, -600};
  const DeviceArray array = on_host(numbers.data(), {3, 2}, "h", 2);
  QuickItems items{*quick_item_bytes(array),
                   conversion_of(Format("h", 2), Format("B", 1), Overflow::saturate)};
  EXPECT_EQ(items.bytes, 4);
  EXPECT_EQ(items.result_bytes(), 2);
  const std::array<std::int64_t, 3> rows{2, -2, 0};
  std::array<std::uint8_t, 6> taken{};
  EXPECT_TRUE(quick_take(array, items, {rows.data(), 8, 3}, IndexMode::raise,
                         reinterpret_cast<std::byte*>(taken.data()), true));
  EXPECT_EQ(taken, (std::array<std::uint8_t, 6>{5, 0, 255, 4, 1, 0}));
  const std::array<std::int64_t, 2> beyond{0, 3};
  EXPECT_FALSE(quick_take(array, items, {beyond.data(), 8, 2}, IndexMode::raise,
                          reinterpret_cast<std::byte*>(taken.data()), true));

  items.conversion = conversion_of(Format("h", 2), Format("d", 8), Overflow::wrap);
  std::array<double, 6> copied{};
  quick_copy(array, items, reinterpret_cast<std::byte*>(copied.data()), true);
  EXPECT_EQ(copied, (std::array<double, 6>{1, -2, 300, 4, 5, -600}));
}

TEST(QuickTake, WritesOverNothingThatItReads) {
  std::array<std::int16_t, 6> numbers{1, 2, 3, 4, 5, 6};
  const std::array<std::int64_t, 3> shape{3, 2, 1};
  const DeviceArray array = upload(ArrayView::dense(numbers.data(), shape, Format("h", 2)),
                                   Device::host(), {.placement = PlacementKind::in_place});
  const std::optional<std::int64_t> bytes = quick_item_bytes(array);
  ASSERT_EQ(bytes, 4);
  const QuickItems items{*bytes, {}};
  auto* const within = reinterpret_cast<std::byte*>(&numbers[2]);
  const std::array<std::int64_t, 2> rows{2, 1};
  EXPECT_THROW(quick_take(array, items, {rows.data(), 8, 2}, IndexMode::raise, within, false),
               Error);
  EXPECT_THROW(quick_copy(array, items, within, false), Error);
  EXPECT_EQ(numbers, (std::array<std::int16_t, 6>{1, 2, 3, 4, 5, 6}));
}

}  // namespace
}  // namespace multibuffer
