#include <multibuffer/byte_order.hpp>

#include "tests/testing/throws.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace multibuffer {
namespace {

using Bytes = std::vector<std::byte>;
using Numbers = std::vector<std::int64_t>;

Bytes counted(std::int64_t count) {
  Bytes bytes;
  for (std::int64_t i = 0; i < count; ++i) bytes.push_back(static_cast<std::byte>(i));
  return bytes;
}

/// The bytes 0, 1, ... of two elements after `to_native`, as text.
std::string swapped(const std::string& format, std::int64_t itemsize) {
  const Bytes memory = counted(2 * itemsize);
  const ArrayView view = ArrayView::dense(memory.data(), Numbers{2}, Format(format, itemsize));
  const DeviceBuffer result = to_native(upload(view, Device::host()));
  EXPECT_EQ(result.shape(), Numbers{2});
  EXPECT_TRUE(is_native(result.format().type()));
  std::string text;
  for (const std::byte byte : result.to_host())
    text += (text.empty() ? "" : " ") + std::to_string(std::to_integer<int>(byte));
  return text;
}

TEST(ByteOrder, NumbersAreTurnedRound) {
  EXPECT_EQ(swapped("<i", 4), "0 1 2 3 4 5 6 7");
  EXPECT_EQ(swapped(">i", 4), "3 2 1 0 7 6 5 4");
  EXPECT_EQ(swapped(">h", 2), "1 0 3 2");
  EXPECT_EQ(swapped(">d", 8), "7 6 5 4 3 2 1 0 15 14 13 12 11 10 9 8");
  EXPECT_EQ(swapped(">g", 16),
            "15 14 13 12 11 10 9 8 7 6 5 4 3 2 1 0 31 30 29 28 27 26 25 24 23 "
            "22 21 20 19 18 17 16");
  EXPECT_EQ(swapped(">3s", 3), "0 1 2 3 4 5");
}

TEST(ByteOrder, PartsOfANumberAreTurnedOneByOne) {
  EXPECT_EQ(swapped(">Zf", 8), "3 2 1 0 7 6 5 4 11 10 9 8 15 14 13 12");
  EXPECT_EQ(swapped(">2w", 8), "3 2 1 0 7 6 5 4 11 10 9 8 15 14 13 12");
}

TEST(ByteOrder, ArraysOfAsManyAxesAsThereCanBe) {
  // Long doubles are turned byte by byte, along one more axis.
  for (const std::int64_t itemsize : {4, 16})
    for (const std::size_t ndim : {61U, 62U, 63U, 64U}) {
      const Bytes memory = counted(2 * itemsize);
      Numbers shape(ndim, 1);
      shape[ndim / 2] = 2;
      const Format format(itemsize == 4 ? ">i" : ">g", itemsize);
      const ArrayView view =
          ArrayView::dense(memory.data(), shape, format).reverse(static_cast<int>(ndim / 2));
      const DeviceBuffer result = to_native(upload(view, Device::host()));
      EXPECT_EQ(result.shape(), shape);
      EXPECT_EQ(result.format().text(), itemsize == 4 ? "i" : "g");
      Bytes expected = memory;
      std::ranges::reverse(expected);
      EXPECT_EQ(result.to_host(), expected) << itemsize << " bytes, " << ndim << " axes";
    }
}

TEST(ByteOrder, StructsKeepTheirPaddingAndWhatIsNativeAlready) {
  EXPECT_EQ(swapped("T{>H:a:2x<H:b:}", 6), "1 0 2 3 4 5 7 6 8 9 10 11");
  EXPECT_EQ(swapped("T{=B:a:(2)>H:b:}", 5), "0 2 1 4 3 5 7 6 9 8");
  EXPECT_EQ(swapped(">T{H:a:T{H:b:B:c:}:d:}", 5), "1 0 3 2 4 6 5 8 7 9");
}

TEST(ByteOrder, AnyViewOfAnArray) {
  const Bytes memory = counted(12);
  const ArrayView view = ArrayView::dense(memory.data(), Numbers{2, 3}, Format(">H", 2));
  const DeviceArray array = upload(view, Device::host());
  const Bytes bytes = to_native(array.transpose().reverse(1)).to_host();
  EXPECT_EQ(bytes[0], std::byte{7});
  EXPECT_EQ(bytes[1], std::byte{6});
  EXPECT_EQ(to_native(array.slice(0, {0, 0, 1})).shape(), (Numbers{0, 3}));
}

TEST(ByteOrder, OpaqueElementsHaveNone) {
  const Bytes memory = counted(3);
  const ArrayView view = ArrayView::dense(memory.data(), Numbers{1}, Format(">i", 3));
  const DeviceArray array = upload(view, Device::host());
  testing::expect_error(Errc::format_unsupported, "itemsize is 3", [&] { to_native(array); });
}

}  // namespace
}  // namespace multibuffer
