#include "host/support/text.hpp"

#include <multibuffer/multibuffer.hpp>

#include "host/interop/numpy_type.hpp"
#include "tests/testing/foreign_locale.hpp"
#include "tests/testing/throws.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace multibuffer {
namespace {

using testing::expect_error;
using testing::ForeignLocale;

TEST(Text, HasStringsCharactersNumbersAndAddresses) {
  EXPECT_EQ(text(), "");
  EXPECT_EQ(text("axis ", 3, ':', std::string(" a"), std::string_view("b")), "axis 3: ab");
  EXPECT_EQ(text(std::numeric_limits<std::int64_t>::min()), "-9223372036854775808");
  EXPECT_EQ(text(std::numeric_limits<std::uint64_t>::max()), "18446744073709551615");
  EXPECT_EQ(text(std::uint8_t{65}, ' ', std::int8_t{-1}), "65 -1") << "numbers, not characters";
  EXPECT_EQ(text(0.5, ' ', 2.0F, ' ', 1.0 / 3, ' ', 1e20, ' ', 1234567.0),
            "0.5 2 0.333333 1e+20 1.23457e+06");
  EXPECT_EQ(text(std::numeric_limits<double>::lowest(), ' ',
                 std::numeric_limits<long double>::denorm_min()),
            "-1.79769e+308 3.6452e-4951");
  EXPECT_EQ(text(reinterpret_cast<const void*>(std::uintptr_t{0x7f00abcd})), "0x7f00abcd");
}

TEST(Text, ShapesAreNumPysTuples) {
  EXPECT_EQ(tuple_text(std::vector<std::int64_t>{}), "()");
  EXPECT_EQ(tuple_text(std::vector<std::int64_t>{3}), "(3,)");
  EXPECT_EQ(tuple_text(std::vector<int>{3, -4}), "(3, -4)");
}

// ---- A program may set the global locale; nothing here follows it

TEST(ForeignLocale, IsWhatStreamsFollow) {
  const ForeignLocale foreign;
  std::ostringstream out;
  out << 1234567 << ' ' << 0.5;
  EXPECT_EQ(out.str(), "1.234.567 0,5") << "the tests below would prove nothing";
}

TEST(ForeignLocale, TextsAreTheSame) {
  const ForeignLocale foreign;
  EXPECT_EQ(text(1234567, ' ', 0.5), "1234567 0.5");
  EXPECT_EQ(tuple_text(std::vector<std::int64_t>{1024, 2048}), "(1024, 2048)");
}

TEST(ForeignLocale, FormatsAreTheSame) {
  const ForeignLocale foreign;
  const std::vector<std::int64_t> shape{2};
  const std::vector<std::byte> memory(4096);
  // An export without a format is one of bytes, which is spelled for it.
  const ArrayView view = ArrayView::from_export(
      {.buf = memory.data(), .len = 4096, .itemsize = 2048, .ndim = 1, .shape = shape.data()});
  EXPECT_EQ(view.format().text(), "2048s");
  EXPECT_EQ(view.format().why_opaque(), "");

  const Format structs("T{1024s:a:(1000,2)i:b:}", 9024);
  EXPECT_EQ(format_of(structs.type()).text(), "=T{1024s:a:(1000,2)i:b:}");
  EXPECT_EQ(type_string(structs.type()), "|V9024");
  EXPECT_EQ(type_string(view.format().type()), "|S2048");
}

TEST(ForeignLocale, ElementsAreShownTheSame) {
  const ForeignLocale foreign;
  const auto show = [](const char* format, const auto& value) {
    return show_element(Format(format, sizeof value), reinterpret_cast<const std::byte*>(&value));
  };
  EXPECT_EQ(show("i", 1234567), "1234567");
  EXPECT_EQ(show("Q", std::uint64_t{18446744073709551615U}), "18446744073709551615");
  EXPECT_EQ(show("d", 1234567.5), "1234567.5");
  EXPECT_EQ(show("d", 1e-5), "1e-05");
  EXPECT_EQ(show("d", 1e20), "1e+20");
}

TEST(ForeignLocale, MessagesAreTheSame) {
  const ForeignLocale foreign;
  const std::vector<std::byte> memory(2000);
  const ArrayView view = ArrayView::dense(memory.data(), std::vector<std::int64_t>{2000}, Format());
  expect_error(Errc::index_out_of_range, "1234567", [&] { view.index(0, 1234567); });
  expect_error(Errc::index_out_of_range, "2000", [&] { view.index(0, 1234567); });
  const std::vector<std::int64_t> indices{-98765};
  expect_error(Errc::index_out_of_range,
               "index -98765 at position (0,) on axis 0, whose extent is 2000",
               [&] { take(upload(view, Device::host()), 0, Indices(indices)); });
}

}  // namespace
}  // namespace multibuffer
