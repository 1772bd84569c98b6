#include "host/format/scalar_type.hpp"

#include <multibuffer/dlpack.hpp>
#include <multibuffer/format.hpp>
#include <multibuffer/multibuffer.hpp>

#include "host/backend/number.hpp"
#include "host/gather/conversion.hpp"
#include "host/interop/numpy_type.hpp"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <tuple>
#include <vector>

// Every row of the table of scalar types goes through every one of its columns, and comes back.

namespace multibuffer {
namespace {

constexpr bool is_long_double(const ScalarRow& row) { return row.dlpack_code < 0; }

class ScalarTable : public ::testing::TestWithParam<ScalarRow> {
 protected:
  const ScalarRow& row() const { return GetParam(); }
  Format format() const { return Format(row().format, row().size); }
  Format swapped() const { return Format(">" + std::string(row().format), row().size); }
};

TEST(ScalarTableTest, HasEveryScalarInOrderAndOnce) {
  std::set<std::string_view> names, formats;
  std::set<std::tuple<ScalarKind, int, RealEncoding>> meanings;
  std::set<RealEncoding> encodings;
  for (std::size_t i = 0; i < scalar_table.size(); ++i) {
    const ScalarRow& row = scalar_table[i];
    EXPECT_EQ(static_cast<std::size_t>(row.scalar), i) << row.name;
    EXPECT_TRUE(names.insert(row.name).second) << row.name;
    EXPECT_TRUE(formats.insert(row.format).second) << row.format;
    EXPECT_TRUE(meanings.insert({row.kind, row.size, row.encoding}).second) << row.name;
    encodings.insert(row.encoding);
  }
  EXPECT_EQ(scalar_table.size(), static_cast<std::size_t>(ScalarType::complex_long_double) + 1);
  EXPECT_EQ(encodings.size(), static_cast<std::size_t>(RealEncoding::float8_e8m0fnu) + 1);
}

TEST_P(ScalarTable, IsWhatItsFormatMeans) {
  ASSERT_FALSE(format().opaque()) << format().why_opaque();
  const Type type = format().type();
  EXPECT_EQ(type.kind, row().kind);
  EXPECT_EQ(type.encoding, row().encoding);
  EXPECT_EQ(type.size, row().size);
  EXPECT_EQ(find_scalar(type.kind, type.size, type.encoding)->scalar, row().scalar);
  EXPECT_EQ(format_of(type).text(), is_long_double(row()) ? format_of(type).text() : row().format);
  EXPECT_TRUE(same_meaning(format_of(type), format()));
  EXPECT_EQ(has_standard_codes(type), row().encoding == RealEncoding::ieee);
  // Inside of a struct, between others, with and without a name.
  const std::string text =
      "T{=b:a:" + std::string(row().format) + ":b:(2)" + std::string(row().format) + ":c:b:d:}";
  const Type record = parse_format(text);
  ASSERT_EQ(record.fields.size(), 4U);
  EXPECT_EQ(record.size, 2 + 3 * row().size);
  EXPECT_TRUE(same_meaning(record.fields[1].type, type));
  EXPECT_TRUE(same_meaning(parse_format(format_of(record).text()), record));
  Type nameless = record;
  for (Field& field : nameless.fields) field.name.clear();
  EXPECT_TRUE(same_meaning(parse_format(format_of(nameless).text()), nameless))
      << format_of(nameless).text();
}

TEST_P(ScalarTable, HasAByteOrder) {
  const Type type = swapped().type();
  EXPECT_EQ(is_native(type), row().size == 1);
  EXPECT_TRUE(same_meaning(native_type(type), format().type()));
  EXPECT_TRUE(same_meaning(format_of(type), swapped()));
  EXPECT_EQ(same_meaning(format(), swapped()), row().size == 1);
  EXPECT_EQ(swapped_bytes(type), row().kind == ScalarKind::complex ? row().size / 2 : row().size);
}

TEST_P(ScalarTable, HasANameAndATypeString) {
  const Type type = format().type();
  EXPECT_EQ(dtype_name(type), row().name);
  const std::string code = type_string(type);
  EXPECT_EQ(code[1], row().letter);
  EXPECT_EQ(code.substr(2), std::to_string(row().size));
  if (row().letter != 'V') {
    ASSERT_TRUE(format_of_dtype_name(code));
    EXPECT_TRUE(same_meaning(*format_of_dtype_name(code), format()));
    EXPECT_TRUE(same_meaning(*format_of_dtype_name(type_string(swapped().type())), swapped()));
  } else {
    EXPECT_FALSE(format_of_dtype_name(code)) << "raw bytes";
    EXPECT_EQ(dtype_name(swapped().type()), (row().size == 1 ? "" : ">") + std::string(row().name));
    EXPECT_TRUE(same_meaning(*format_of_dtype_name(">" + std::string(row().name)), swapped()));
  }
  if (is_long_double(row())) return;
  ASSERT_TRUE(format_of_dtype_name(row().name));
  EXPECT_EQ(*format_of_dtype_name(row().name), format());
}

TEST_P(ScalarTable, IsTheNumberThatIsConverted) {
  if (is_long_double(row())) return;
  const Format to = row().kind == ScalarKind::complex
                        ? Format(row().size == 8 ? "Zd" : "Zf", 24 - row().size)
                    : row().name == "float32" ? Format("d", 8)
                                              : Format("f", 4);
  const auto conversion = conversion_of(format(), to, Overflow::wrap);
  ASSERT_TRUE(conversion);
  const ScalarRow& from = row_of(conversion->from);
  const bool is_complex = row().kind == ScalarKind::complex;
  EXPECT_EQ(from.scalar,
            is_complex ? find_scalar(ScalarKind::real, row().size / 2)->scalar : row().scalar);
  EXPECT_EQ(bytes_of(conversion->from), is_complex ? row().size / 2 : row().size);
  EXPECT_FALSE(conversion_of(format(), format(), Overflow::wrap));
  const auto reordering = conversion_of(format(), swapped(), Overflow::wrap);
  EXPECT_EQ(reordering.has_value(), row().size > 1);
}

/// One, and the number after it: shown, gathered, swapped and compared as numbers.
TEST_P(ScalarTable, HoldsNumbersThatAreShownAndCompared) {
  if (is_long_double(row())) return;
  const std::int8_t ones[2]{1, 2};
  const std::vector<std::int64_t> shape{2};
  const DeviceArray array = upload(ArrayView::dense(ones, shape, Format("b", 1)), Device::host());
  const DeviceBuffer numbers = copy(array, {.format = format()});
  const std::vector<std::byte> bytes = numbers.to_host();
  const std::string one = row().kind == ScalarKind::boolean   ? "True"
                          : row().kind == ScalarKind::real    ? "1.0"
                          : row().kind == ScalarKind::complex ? "(1+0j)"
                                                              : "1";
  EXPECT_EQ(show_element(format(), bytes.data()), one);

  const DeviceBuffer reversed = copy(array, {.format = swapped()});
  EXPECT_EQ(show_element(swapped(), reversed.to_host().data()), one);
  UploadOptions options;
  options.placement = PlacementKind::in_place;
  const DeviceArray again = upload(reversed.view(), Device::host(), options);
  EXPECT_EQ(to_native(again).to_host(), bytes);

  if (row().kind == ScalarKind::boolean) return;
  const std::span<const std::byte> all(bytes);
  const std::vector<std::byte> zeros(bytes.size());
  const auto first = all.first(static_cast<std::size_t>(row().size));
  const auto second = all.last(static_cast<std::size_t>(row().size));
  const std::vector<std::int64_t> single{1};
  EXPECT_FALSE(verify(first, second, single, format()).equal());
  EXPECT_TRUE(verify(first, second, single, format(), {.tolerance = {.absolute = 1}}).equal());
  EXPECT_TRUE(verify(first, second, single, format(), {.tolerance = {.relative = 0.5}}).equal());
  EXPECT_FALSE(verify(first, second, single, format(), {.tolerance = {.absolute = 0.9}}).equal());
  std::vector<std::byte> next(first.begin(), first.end());
  constexpr bool is_little = std::endian::native == std::endian::little;
  std::byte& last_digits = next[is_little ? 0 : next.size() - 1];
  last_digits = static_cast<std::byte>(std::to_integer<int>(last_digits) + 1);
  EXPECT_TRUE(verify(next, first, single, format(), {.tolerance = {.ulp = 1}}).equal());
  EXPECT_FALSE(verify(next, first, single, format()).equal());
}

INSTANTIATE_TEST_SUITE_P(EveryRow, ScalarTable, ::testing::ValuesIn(scalar_table),
                         [](const auto& parameter) { return std::string(parameter.param.name); });

}  // namespace
}  // namespace multibuffer
