#include <multibuffer/error.hpp>
#include <multibuffer/format.hpp>

#include "tests/testing/cases.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <complex>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace multibuffer {
namespace {

using namespace std::string_literals;

/// "a:0 b:4 8" for T{i:a:b:b:}: each field with its offset, unnamed ones by position, then the
/// size.
std::string layout_of(const Type& type) {
  std::string out;
  for (std::size_t i = 0; i < type.fields.size(); ++i) {
    const Field& field = type.fields[i];
    out += field.name.empty() ? std::to_string(i) : field.name;
    out += ":" + std::to_string(field.offset) + " ";
  }
  return out + std::to_string(type.size);
}

std::string complaint_about(std::string_view format) {
  try {
    parse_format(format);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Errc::invalid_format);
    return error.what();
  }
  return "no error";
}

template <class Value>
std::string bytes_of(const Value& value) {
  std::string bytes(sizeof value, '\0');
  std::memcpy(bytes.data(), &value, sizeof value);
  return bytes;
}

std::string reversed(std::string bytes) {
  std::ranges::reverse(bytes);
  return bytes;
}

/// Shows an element that is exactly these bytes, on the heap for the sanitizers' sake.
std::string show(std::string_view format, std::string_view element) {
  std::vector<std::byte> bytes(element.size());
  std::memcpy(bytes.data(), element.data(), element.size());
  return show_element(Format(format, static_cast<std::int64_t>(element.size())), bytes.data());
}

template <class Value>
std::string show_value(std::string_view format, const Value& value) {
  return show(format, bytes_of(value));
}

// The expected sizes and offsets are those of Python's struct.calcsize and of NumPy's dtypes on
// 64-bit Linux.

struct CodeCase {
  std::string code;
  ScalarKind kind;
  std::int64_t native;
  std::int64_t alignment;
  std::int64_t standard;  // 0: an error
};

const std::vector<CodeCase> all_codes = {
    {"x", ScalarKind::padding, 1, 1, 1},
    {"c", ScalarKind::character, 1, 1, 1},
    {"b", ScalarKind::signed_integer, 1, 1, 1},
    {"B", ScalarKind::unsigned_integer, 1, 1, 1},
    {"?", ScalarKind::boolean, 1, 1, 1},
    {"h", ScalarKind::signed_integer, 2, 2, 2},
    {"H", ScalarKind::unsigned_integer, 2, 2, 2},
    {"i", ScalarKind::signed_integer, 4, 4, 4},
    {"I", ScalarKind::unsigned_integer, 4, 4, 4},
    {"l", ScalarKind::signed_integer, 8, 8, 4},
    {"L", ScalarKind::unsigned_integer, 8, 8, 4},
    {"q", ScalarKind::signed_integer, 8, 8, 8},
    {"Q", ScalarKind::unsigned_integer, 8, 8, 8},
    {"n", ScalarKind::signed_integer, 8, 8, 0},
    {"N", ScalarKind::unsigned_integer, 8, 8, 0},
    {"e", ScalarKind::real, 2, 2, 2},
    {"f", ScalarKind::real, 4, 4, 4},
    {"d", ScalarKind::real, 8, 8, 8},
    {"g", ScalarKind::real, 16, 16, 16},
    {"bfloat16", ScalarKind::real, 2, 2, 2},
    {"float8_e4m3fn", ScalarKind::real, 1, 1, 1},
    {"Zf", ScalarKind::complex, 8, 4, 8},
    {"Zd", ScalarKind::complex, 16, 8, 16},
    {"Zg", ScalarKind::complex, 32, 16, 32},
    {"F", ScalarKind::complex, 8, 4, 8},
    {"D", ScalarKind::complex, 16, 8, 16},
    {"G", ScalarKind::complex, 32, 16, 32},
    {"s", ScalarKind::bytes, 1, 1, 1},
    {"p", ScalarKind::pascal, 1, 1, 1},
    {"u", ScalarKind::ucs2, 2, 2, 2},
    {"w", ScalarKind::ucs4, 4, 4, 4},
    {"P", ScalarKind::pointer, 8, 8, 8},
    {"O", ScalarKind::object, 8, 8, 8},
    {"datetime64[s]", ScalarKind::datetime, 8, 8, 8},
    {"timedelta64", ScalarKind::timedelta, 8, 8, 8},
    {"&i", ScalarKind::pointer, 8, 8, 8},
    {"&T{ib}", ScalarKind::pointer, 8, 8, 8},
    {"&&d", ScalarKind::pointer, 8, 8, 8},
    {"X{}", ScalarKind::pointer, 8, 8, 8},
    {"X{i{d}->T{f}}", ScalarKind::pointer, 8, 8, 8},
};

TEST(ParseFormat, EveryCodeIsAScalarOfItsSizeInEveryMode) {
  for (const auto& [code, kind, native, alignment, standard] : all_codes) {
    for (const std::string mode : {"", "@", "^", "=", "<", ">", "!"}) {
      SCOPED_TRACE(mode + code);
      const bool is_native = mode.empty() || mode == "@" || mode == "^";
      if (!is_native && standard == 0) {
        EXPECT_THROW(parse_format(mode + code), Error);
        continue;
      }
      const Type type = parse_format(mode + code);
      EXPECT_FALSE(type.is_struct);
      EXPECT_EQ(type.kind, kind);
      EXPECT_EQ(type.size, is_native ? native : standard);
      EXPECT_EQ(type.alignment, mode.empty() || mode == "@" ? alignment : 1);
      const bool is_big = mode == ">" || mode == "!";
      const bool is_native_order = mode != "<" && !is_big;
      const bool little = is_native_order ? std::endian::native == std::endian::little : !is_big;
      EXPECT_EQ(type.little_endian, type.size == 1 || little);
    }
  }
}

TEST(ParseFormat, OnlyTheAtModeAligns) {
  for (const auto& [code, kind, native, alignment, standard] : all_codes) {
    SCOPED_TRACE(code);
    EXPECT_EQ(parse_format("b" + code).size, alignment + native);
    EXPECT_EQ(parse_format("^b" + code).size, 1 + native);
    if (standard == 0) continue;
    EXPECT_EQ(parse_format("<b" + code).size, 1 + standard);
  }
}

struct LayoutCase {
  std::string_view format;
  std::string_view layout;
};

void expect_layouts(const std::vector<LayoutCase>& cases) {
  for (const auto& [format, layout] : cases)
    EXPECT_EQ(layout_of(parse_format(format)), layout) << format;
}

TEST(ParseFormat, ItemsWithoutAStructAreLaidOutAsInTheStructModule) {
  expect_layouts({{"", "0"},
                  {"ib", "0:0 1:4 5"},
                  {"bi", "0:0 1:4 8"},
                  {"bq", "0:0 1:8 16"},
                  {"b?q", "0:0 1:1 2:8 16"},
                  {"hhl", "0:0 1:2 2:8 16"},
                  {"b3si", "0:0 1:1 2:4 8"},
                  {"<bq", "0:0 1:1 9"},
                  {"=bq", "0:0 1:1 9"},
                  {"!bq", "0:0 1:1 9"},
                  {">lL", "0:0 1:4 8"},
                  {"i b", "0:0 1:4 5"},
                  {" \t<\n i\r\v\fb ", "0:0 1:4 5"},
                  {"ixi", "0:0 1:8 12"},
                  {"b5xi", "0:0 1:8 12"},
                  {"llh0l", "0:0 1:8 2:16 24"},
                  {"b0i", "0:0 4"},
                  {"bxh0q", "0:0 1:2 8"},
                  {"0i", "0"},
                  {"3x2x", "5"}});
}

TEST(ParseFormat, StructsAreLaidOutAsInNumPy) {
  expect_layouts({{"T{}", "0"},
                  {"T{ib}", "0:0 1:4 8"},
                  {"T{i:a:b:b:}", "a:0 b:4 8"},
                  {"<T{b:a:i:b:}", "a:0 b:1 5"},
                  {"T{^b:a:i:b:}", "a:0 b:1 5"},
                  {"T{b:a:T{b:x:i:y:}:s:b:t:}", "a:0 s:4 t:12 16"},
                  {"@T{d:a:b:b:}:s:b:t:", "s:0 t:16 17"},
                  {"T{i:a:b:b:}:c:", "c:0 8"},
                  {"T{b:a:(2)T{i:a:b:b:}:c:b:d:}", "a:0 c:4 d:20 24"},
                  {"T{b:a:0d:b:}", "a:0 b:8 8"},
                  {"b(0)i", "0:0 1:4 4"},
                  {"T{b:f0:xxxi:f1:}", "f0:0 f1:4 8"},
                  {"ix:pad:i", "0:0 pad:4 2:8 12"},
                  {"T{b:a:^g:g:}", "a:0 g:1 17"},
                  {"T{b:a:=Zd:t:q:l:}", "a:0 t:1 l:17 25"},
                  {"T{b:a:T{b:f0:xxx=i:f1:}:s:d:t:}", "a:0 s:1 t:9 17"},
                  {"T{(2)T{=i:f0:b:f1:}:s:b:t:}", "s:0 t:10 11"},
                  {"T{(2)3s:a:=2w:u:}", "a:0 u:6 14"},
                  {"T{f:f0:(2,3)=d:f1:}", "f0:0 f1:4 52"},
                  {"T{<b:a:<i:b:(3)<i:c:}", "a:0 b:1 c:5 17"},
                  {"T{<u:w:&<i:p:X{}:f:<P:v:<O:o:<q:l:<g:g:<?:b:}",
                   "w:0 p:2 f:10 v:18 o:26 l:34 g:42 b:58 59"}});
}

TEST(ParseFormat, ByteOrderLastsUntilTheNextOne) {
  const Type type = parse_format("T{>i:a:h:b:@i:c:h:d:!i:e:i:f:<i:g:}");
  const bool native = std::endian::native == std::endian::little;
  const std::array expected{false, false, native, native, false, false, true};
  ASSERT_EQ(type.fields.size(), expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i)
    EXPECT_EQ(type.fields[i].type.little_endian, expected[i]) << type.fields[i].name;
}

TEST(ParseFormat, ByteOrderLastsIntoStructsAndOutOfThem) {
  const Type type = parse_format("<T{i:a:>i:b:}i");
  EXPECT_TRUE(type.fields.at(0).type.fields.at(0).type.little_endian);
  EXPECT_FALSE(type.fields.at(0).type.fields.at(1).type.little_endian);
  EXPECT_FALSE(type.fields.at(1).type.little_endian);
  EXPECT_EQ(layout_of(parse_format("T{<i}bi")), "0:0 1:4 2:5 9");
  EXPECT_EQ(parse_format("T{<i}").alignment, 1);
  EXPECT_EQ(parse_format("T{i<b}").size, 5) << "not padded: '@' does not hold at its end";
}

TEST(ParseFormat, ByteOrderMayStandOnBothSidesOfAShape) {
  for (const char* const format : {"<(2)i", "(2)<i", ">(2)<i"})
    EXPECT_TRUE(parse_format(format).fields.at(0).type.little_endian) << format;
}

TEST(ParseFormat, CountsOfStringsAndPaddingAreLengths) {
  for (const auto& [format, size] : std::vector<std::pair<std::string, std::int64_t>>{{"3s", 3},
                                                                                      {"5p", 5},
                                                                                      {"2w", 8},
                                                                                      {"3u", 6},
                                                                                      {"5x", 5},
                                                                                      {"0s", 0},
                                                                                      {"0p", 0},
                                                                                      {"1s", 1}}) {
    const Type type = parse_format(format);
    EXPECT_FALSE(type.is_struct) << format;
    EXPECT_EQ(type.size, size) << format;
  }
}

// Found by fuzzing: text of no characters differed from itself by the order of its bytes.
TEST(ParseFormat, WhatHasNoBytesToSwapIsTheSameInEitherOrder) {
  for (const std::string code : {"0u", "0w", "0s", "5s", "B", "?", "3p"}) {
    EXPECT_TRUE(same_meaning(parse_format("<" + code), parse_format(">" + code))) << code;
    EXPECT_TRUE(is_native(parse_format(">" + code))) << code;
    const Type within = parse_format("T{>" + code + ">q}");
    EXPECT_TRUE(same_meaning(format_of(within).type(), within)) << code;
  }
  for (const std::string code : {"2u", "1w", "h", "Zf"})
    EXPECT_FALSE(same_meaning(parse_format("<" + code), parse_format(">" + code))) << code;
}

TEST(ParseFormat, OtherCountsAndShapesMakeSubArrays) {
  using Shape = std::vector<std::int64_t>;
  struct Case {
    std::string_view format;
    Shape shape;
    std::int64_t size;
  };
  for (const auto& [format, shape, size] : std::vector<Case>{{"3i", {3}, 12},
                                                             {"5c", {5}, 5},
                                                             {"(2,3)f", {2, 3}, 24},
                                                             {"( 2 , 3 )f", {2, 3}, 24},
                                                             {"(1)i", {1}, 4},
                                                             {"(2,3)4d", {2, 3, 4}, 192},
                                                             {"(2)3s", {2}, 6},
                                                             {"2Zd", {2}, 32},
                                                             {"2T{ib}", {2}, 16},
                                                             {"2&i", {2}, 16},
                                                             {"(0,5)i", {0, 5}, 0}}) {
    const Type type = parse_format(format);
    ASSERT_TRUE(type.is_struct) << format;
    ASSERT_EQ(type.fields.size(), 1u) << format;
    EXPECT_EQ(type.fields[0].shape, shape) << format;
    EXPECT_EQ(type.fields[0].name, "") << format;
    EXPECT_EQ(type.size, size) << format;
  }
}

TEST(ParseFormat, OneItemIsItselfUnlessItHasANameOrAShape) {
  EXPECT_FALSE(parse_format("i").is_struct);
  EXPECT_FALSE(parse_format("1i").is_struct);
  EXPECT_FALSE(parse_format(" i ").is_struct);
  EXPECT_TRUE(parse_format("i:a:").is_struct);
  EXPECT_EQ(layout_of(parse_format("i:a:")), "a:0 4");
  EXPECT_EQ(layout_of(parse_format("T{ib}")), "0:0 1:4 8") << "the struct, not a struct around it";
  EXPECT_EQ(layout_of(parse_format("T{T{ib}}")), "0:0 8");
  EXPECT_FALSE(parse_format("i::").is_struct) << "an empty name is none";
}

TEST(ParseFormat, NamesAreAnythingUpToTheColon) {
  const Type type = parse_format("T{i:a b:i: {é}<:}");
  EXPECT_EQ(type.fields.at(0).name, "a b");
  EXPECT_EQ(type.fields.at(1).name, " {é}<");
}

TEST(ParseFormat, NamesMayRepeatInDifferentStructs) {
  EXPECT_EQ(layout_of(parse_format("T{T{i:a:}:a:T{i:a:}:b:}")), "a:0 b:4 8");
}

std::string repeated(std::string_view part, int times) {
  std::string out;
  for (int i = 0; i < times; ++i) out += part;
  return out;
}

TEST(ParseFormat, NestingIsBounded) {
  EXPECT_EQ(parse_format(repeated("T{", 64) + "i" + repeated("}", 64)).size, 4);
  EXPECT_EQ(parse_format(repeated("&", 64) + "i").size, 8);
  EXPECT_THROW(parse_format(repeated("T{", 65) + "i" + repeated("}", 65)), Error);
  EXPECT_THROW(parse_format(repeated("T{", 1'000'000)), Error);
  EXPECT_THROW(parse_format(repeated("&", 1'000'000)), Error);
  EXPECT_EQ(parse_format("X{" + repeated("{", 100'000) + repeated("}", 100'000) + "}").size, 8);
}

TEST(ParseFormat, LongFormatsTakeLinearTime) {
  std::string format;
  for (int i = 0; i < 20'000; ++i) format += "i:" + std::to_string(i) + ":";
  EXPECT_EQ(parse_format(format).fields.size(), 20'000u);
}

TEST(ParseFormat, ErrorsSayWhatIsWrongAndWhere) {
  struct Case {
    std::string format;
    std::string complaint;
  };
  const std::string axes = "(" + repeated("1,", 64) + "1)i";
  const std::vector<Case> cases = {
      {"ibk", R"(expected a type code, found 'k' at position 2 of "ibk")"},
      {"i;", R"(expected a type code, found ';' at position 1 of "i;")"},
      {"z", R"(expected a type code, found 'z' at position 0 of "z")"},
      {"i\x01", R"(expected a type code, found '\x01' at position 1 of "i\x01")"},
      {"\xc3\xa9", R"(expected a type code, found '\xc3' at position 0 of "\xc3\xa9")"},
      {"i\0b"s, R"(NUL character at position 1 of "i\x00b")"},
      {"T{i:a\0:}"s, R"(NUL character at position 5 of "T{i:a\x00:}")"},
      {"<", R"(expected a type code, found the end at position 1 of "<")"},
      {"i<", R"(expected a type code, found the end at position 2 of "i<")"},
      {"3", R"(expected a type code, found the end at position 1 of "3")"},
      {"3 i", R"(expected a type code, found ' ' at position 1 of "3 i")"},
      {"T{i<}", R"(expected a type code, found '}' at position 4 of "T{i<}")"},
      {"2&", R"(expected a type code, found the end at position 2 of "2&")"},
      {"3t", R"(bit fields ('t') are not supported at position 1 of "3t")"},
      {"=n", R"('n' has no standard size, only '@' and '^' give it one at position 1 of "=n")"},
      {"i<N", R"('N' has no standard size, only '@' and '^' give it one at position 2 of "i<N")"},
      {"Zi", R"(expected 'f', 'd' or 'g' after 'Z', found 'i' at position 1 of "Zi")"},
      {"<Z", R"(expected 'f', 'd' or 'g' after 'Z', found the end at position 2 of "<Z")"},
      {"Ti", R"(expected '{', found 'i' at position 1 of "Ti")"},
      {"X", R"(expected '{', found the end at position 1 of "X")"},
      {"iX{{}", R"(expected '}', found the end at position 5 of "iX{{}")"},
      {"T{i", R"(expected '}', found the end at position 3 of "T{i")"},
      {"i}", R"('}' without 'T{' at position 1 of "i}")"},
      {"()i", R"(expected a number, found ')' at position 1 of "()i")"},
      {"(2,)i", R"(expected a number, found ')' at position 3 of "(2,)i")"},
      {"(-1)i", R"(expected a number, found '-' at position 1 of "(-1)i")"},
      {"(2", R"(expected ')', found the end at position 2 of "(2")"},
      {"(2;3)i", R"(expected ')', found ';' at position 2 of "(2;3)i")"},
      {"i:ab", R"(field name without a ':' after it at position 2 of "i:ab")"},
      {"i:a:i:a:", R"(duplicate field name 'a' at position 6 of "i:a:i:a:")"},
      {"T{i:a:x:a:}", R"(duplicate field name 'a' at position 8 of "T{i:a:x:a:}")"},
      {"b9223372036854775808x",
       R"(number does not fit in 64 bits at position 1 of "b9223372036854775808x")"},
      {"9223372036854775807w",
       R"(size does not fit in 64 bits at position 0 of "9223372036854775807w")"},
      {"9223372036854775807q",
       R"(size does not fit in 64 bits at position 19 of "9223372036854775807q")"},
      {"9223372036854775807sb",
       R"(size does not fit in 64 bits at position 20 of "9223372036854775807sb")"},
      {"9223372036854775807si",
       R"(size does not fit in 64 bits at position 20 of "9223372036854775807si")"},
      {"T{h9223372036854775805s}",
       R"(size does not fit in 64 bits at position 23 of "T{h9223372036854775805s}")"},
      {"T{T{ib}:s:3xb:t:}",
       "ambiguous: 'x' after a struct that '@' has padded already at position 11 of "
       R"("T{T{ib}:s:3xb:t:}")"},
      {axes, "more than 64 axes at position 131 of \"" + axes.substr(0, 100) + "\"..."},
      {repeated("T{", 65),
       "nested deeper than 64 at position 128 of \"" + repeated("T{", 50) + "\"..."},
      {repeated("&", 65), "nested deeper than 64 at position 64 of \"" + repeated("&", 65) + "\""},
  };
  for (const auto& [format, complaint] : cases)
    EXPECT_EQ(complaint_about(format), "invalid element format: " + complaint);
}

TEST(ParseFormat, PaddingAfterAStructIsOnlyAmbiguousWhereTheStructIsPaddedToo) {
  EXPECT_EQ(layout_of(parse_format("T{T{=i:a:b:b:}:s:3xb:t:}")), "s:0 t:8 9");
  EXPECT_EQ(layout_of(parse_format("T{T{i:a:}:s:3xb:t:}")), "s:0 t:7 8");
  EXPECT_EQ(layout_of(parse_format("T{T{ib}:s:b:t:xxx}")), "s:0 t:8 12");
  EXPECT_NE(complaint_about("T{T{bT{ib}}:s:x}"), "no error");
  EXPECT_NE(complaint_about("T{T{ib}:s:x:pad:}"), "no error");
}

TEST(Format, IsUnsignedBytesByDefault) {
  const Format format;
  EXPECT_EQ(format.text(), "B");
  EXPECT_EQ(format.itemsize(), 1);
  EXPECT_FALSE(format.opaque());
  EXPECT_EQ(format.type().kind, ScalarKind::unsigned_integer);
  EXPECT_EQ(format, Format("B", 1));
  EXPECT_NE(format, Format("b", 1));
  EXPECT_NE(Format("ib", 5), Format("ib", 8));
}

TEST(Format, ItemsizeMustBePositive) {
  for (const std::int64_t itemsize : {0, -1}) {
    try {
      Format("", itemsize);
      FAIL();
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Errc::invalid_view);
      EXPECT_EQ(error.what(),
                "invalid array: itemsize " + std::to_string(itemsize) + " is less than 1");
    }
  }
}

TEST(Format, IsOpaqueWhereSizeAndItemsizeDiffer) {
  const Format format("T{<b:a:<i:b:}", 8);  // ctypes before Python 3.12
  EXPECT_TRUE(format.opaque());
  EXPECT_EQ(format.why_opaque(),
            R"(the format "T{<b:a:<i:b:}" takes 5 bytes, but the itemsize is 8)");
  try {
    format.type();
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Errc::format_unsupported);
    EXPECT_NE(std::string(error.what()).find(format.why_opaque()), std::string::npos);
  }
}

TEST(Format, IsOpaqueWhereBothReadingsFit) {
  // NumPy's aligned struct with a packed one inside, and PEP 3118's with padding.
  const Format format("T{i:a:T{e:x:B:y:}:b:B:c:B:d:}", 12);
  EXPECT_EQ(
      format.why_opaque(),
      R"(the format "T{i:a:T{e:x:B:y:}:b:B:c:B:d:}" is ambiguous: NumPy leaves out the padding )"
      "at the end of a struct in it, PEP 3118 does not, and the itemsize 12 has room for both");
  EXPECT_TRUE(Format("T{(2)T{i:a:b:b:}:n:}", 16).opaque()) << "the second is at 8 or at 5";
  EXPECT_TRUE(Format("T{T{T{h:a:b:b:}:n:b:k:}:m:}", 6).opaque());
  EXPECT_TRUE(Format("T{(3)T{=d:x:i:y:}:n:xxxxxxxxxxxxf:z:}", 76).opaque())
      << "4 of the 12 x may be between the structs";
  EXPECT_TRUE(Format("T{T{(2)T{=i:a:}:n:}:m:xxi:z:}", 14).opaque());
}

TEST(Format, HasOneReadingWhereTheOtherIsNone) {
  EXPECT_EQ(layout_of(Format("T{T{i:a:b:b:}:n:i:k:}", 12).type()), "n:0 k:8 12")
      << "for NumPy it would be at 5, where '@' has no int";
  EXPECT_EQ(layout_of(Format("T{T{i:a:b:b:}:n:}", 8).type()), "n:0 8");
  EXPECT_EQ(layout_of(Format("T{(1)T{i:a:b:b:}:n:}", 8).type()), "n:0 8");
  EXPECT_EQ(layout_of(Format("T{T{ib}:n:b:k:}", 12).type()), "n:0 k:8 12") << "NumPy names fields";
  EXPECT_EQ(layout_of(Format("T{(2)T{=i:a:b:b:3x}:n:6xh:k:}", 24).type()), "n:0 k:22 24")
      << "NumPy has no 3x, nor an x at the end";
  EXPECT_EQ(layout_of(Format("T{(3)T{=i:a:}:n:xxi:z:}", 18).type()), "n:0 z:14 18")
      << "too few for all of them";
  EXPECT_EQ(layout_of(Format("T{(2)T{=i:a:}:n:i:k:xxi:z:}", 18).type()), "n:0 k:8 z:14 18")
      << "behind something else";
  EXPECT_FALSE(Format("T{&T{T{i:a:b:b:}:n:b:k:}:p:i:j:}", 16).opaque())
      << "what a pointer leads to is not in the element";
}

TEST(Format, OfBytesIsOpaqueForAReason) {
  const Format bytes = Format::bytes(12, "nobody knows");
  EXPECT_EQ(bytes.text(), "12s");
  EXPECT_EQ(bytes.itemsize(), 12);
  EXPECT_TRUE(bytes.opaque());
  EXPECT_EQ(bytes.why_opaque(), "nobody knows");
  EXPECT_FALSE(bytes.has_objects());
  EXPECT_TRUE(Format::bytes(12, "nobody knows", true).has_objects());
  EXPECT_NE(bytes, Format("12s", 12)) << "one has a meaning";
}

TEST(Format, IsOpaqueWhereNoTextSaysTheType) {
  Type type = parse_format("T{i:a:i:b:}");
  type.fields[1].offset = 2;
  EXPECT_EQ(
      format_of(type).why_opaque(),
      "no format has fields that overlap, or are in another order than in memory, as 'b' at 2");
  std::swap(type.fields[0], type.fields[1]);
  type.fields[0].offset = 4;
  EXPECT_TRUE(format_of(type).opaque());
  type = parse_format("T{i:a:O:b:}");
  type.fields[0].name = "a:i";
  EXPECT_EQ(format_of(type).why_opaque(), "no format has a field name with a ':' in it, as 'a:i'");
  EXPECT_TRUE(format_of(type).has_objects());
  type = parse_format("T{i:a:i:b:}");
  type.size = 6;
  EXPECT_TRUE(format_of(type).opaque()) << "a field reaches out of the element";
}

TEST(Format, IsOpaqueWhereTheTextIsNotUnderstood) {
  const Format format("<Z", 8);
  EXPECT_TRUE(format.opaque());
  EXPECT_EQ(format.text(), "<Z");
  EXPECT_EQ(format.why_opaque(), complaint_about("<Z"));
}

TEST(Format, ItemsizeDecidesWhetherAStructWithoutBracesIsPaddedAtItsEnd) {
  EXPECT_EQ(layout_of(Format("ib", 5).type()), "0:0 1:4 5");
  EXPECT_EQ(layout_of(Format("ib", 8).type()), "0:0 1:4 8");
  for (const std::int64_t itemsize : {4, 6, 7, 9, 12}) EXPECT_TRUE(Format("ib", itemsize).opaque());
  EXPECT_TRUE(Format("<ib", 8).opaque()) << "only '@' pads";
  EXPECT_TRUE(Format("T{ib}", 5).opaque()) << "T{} is always padded";
}

TEST(Format, ItemsizeDecidesTheWidthOfU) {
  EXPECT_EQ(Format("u", 2).type().kind, ScalarKind::ucs2);
  EXPECT_EQ(Format("<u", 4).type().kind, ScalarKind::ucs4);
  EXPECT_EQ(Format("<3u", 12).type().kind, ScalarKind::ucs4);
  EXPECT_EQ(Format("2u", 4).type().kind, ScalarKind::ucs2) << "what the format says comes first";
  EXPECT_EQ(layout_of(Format("T{<u:w:<i:i:}", 8).type()), "w:0 i:4 8");
  EXPECT_EQ(Format("<u", 3).why_opaque(),
            R"(the format "<u" takes 2 bytes, but the itemsize is 3)");
}

TEST(Format, KnowsWhetherElementsHoldObjects) {
  EXPECT_TRUE(Format("O", 8).has_objects());
  EXPECT_TRUE(Format("T{i:a:T{<O:o:}:b:}", 12).has_objects());
  EXPECT_TRUE(Format("T{i:a:O:b:}", 12).has_objects()) << "opaque by its size";
  EXPECT_TRUE(Format("Ok", 12).has_objects()) << "opaque by an unknown code";
  EXPECT_FALSE(Format("i:O:", 4).has_objects());
  EXPECT_FALSE(Format("&O", 8).has_objects()) << "a pointer to an object pointer";
  EXPECT_TRUE(Format("O&i", 16).has_objects());
  EXPECT_FALSE(Format("X{O}", 8).has_objects());
}

TEST(ShowElement, IntegersOfEveryWidthAndOrder) {
  EXPECT_EQ(show("b", "\xfe"), "-2");
  EXPECT_EQ(show("B", "\xfe"), "254");
  EXPECT_EQ(show("<h", "\xfe\xff"), "-2");
  EXPECT_EQ(show(">h", "\xff\xfe"), "-2");
  EXPECT_EQ(show(">H", "\x01\x02"), "258");
  EXPECT_EQ(show("<i", "\x00\x00\x00\x80"s), "-2147483648");
  EXPECT_EQ(show(">I", "\x80\x00\x00\x00"s), "2147483648");
  EXPECT_EQ(show("<q", "\x00\x00\x00\x00\x00\x00\x00\x80"s), "-9223372036854775808");
  EXPECT_EQ(show(">Q", repeated("\xff", 8)), "18446744073709551615");
  EXPECT_EQ(show_value("n", std::ptrdiff_t{-5}), "-5");
}

TEST(ShowElement, RealNumbersAsPythonWritesThem) {
  struct Case {
    double value;
    std::string text;
  };
  for (const auto& [value, text] : std::vector<Case>{{1, "1.0"},
                                                     {-0.0, "-0.0"},
                                                     {-0.5, "-0.5"},
                                                     {0.1, "0.1"},
                                                     {1e15, "1000000000000000.0"},
                                                     {9007199254740992.0, "9007199254740992.0"},
                                                     {1e16, "1e+16"},
                                                     {1.5e300, "1.5e+300"},
                                                     {0.0001, "0.0001"},
                                                     {0.00001, "1e-05"},
                                                     {5e-324, "5e-324"}}) {
    EXPECT_EQ(show_value("=d", value), text);
    EXPECT_EQ(
        show(std::endian::native == std::endian::little ? ">d" : "<d", reversed(bytes_of(value))),
        text);
  }
  const double infinity = std::numeric_limits<double>::infinity();
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(show_value("d", infinity), "inf");
  EXPECT_EQ(show_value("d", -infinity), "-inf");
  EXPECT_EQ(show_value("d", nan), "nan");
  EXPECT_EQ(show_value("d", -nan), "nan");
  EXPECT_EQ(show_value("f", 0.1f), "0.1");
  EXPECT_EQ(show_value("f", 16777216.0f), "16777216.0");
  EXPECT_EQ(show_value("g", 0.1L), "0.1");
  EXPECT_EQ(show_value("g", 1e400L), "1e+400");
}

TEST(ShowElement, HalfPrecisionExactly) {
  struct Case {
    std::uint16_t bits;
    std::string text;
  };
  for (const auto& [bits, text] : std::vector<Case>{{0x0000, "0.0"},
                                                    {0x8000, "-0.0"},
                                                    {0x3c00, "1.0"},
                                                    {0xc000, "-2.0"},
                                                    {0x3555, "0.33325195"},
                                                    {0x7bff, "65504.0"},
                                                    {0x0400, "6.1035156e-05"},
                                                    {0x0001, "5.9604645e-08"},
                                                    {0x7c00, "inf"},
                                                    {0xfc00, "-inf"},
                                                    {0x7e00, "nan"}})
    EXPECT_EQ(show_value("=e", bits), text);
}

TEST(ShowElement, RealsThatHaveANameAsTheNumbersThatTheyAre) {
  EXPECT_EQ(show("<bfloat16", "\xcd\x3d"), "0.100097656");
  EXPECT_EQ(show(">bfloat16", "\xc0\x20"), "-2.5");
  EXPECT_EQ(show("bfloat16", "\xff\xff"), "nan");
  EXPECT_EQ(show("float8_e4m3fn", "\x7e"), "448.0");
  EXPECT_EQ(show("float8_e4m3fn", "\xff"), "nan");
  EXPECT_EQ(show("float8_e5m2", "\xfc"), "-inf");
  EXPECT_EQ(show("float8_e8m0fnu", "\x81"), "4.0");
  EXPECT_EQ(show("T{<bfloat16:x:(2)float8_e4m3fnuz:y:}", "\x80\x3f\x40\xc0"),
            "{x: 1.0, y: [1.0, -1.0]}");
}

TEST(ShowElement, ComplexNumbersAsPythonWritesThem) {
  using Complex = std::complex<double>;
  EXPECT_EQ(show_value("Zd", Complex(1, 2)), "(1+2j)");
  EXPECT_EQ(show_value("Zd", Complex(1.5, -2)), "(1.5-2j)");
  EXPECT_EQ(show_value("Zd", Complex(0, 2)), "2j");
  EXPECT_EQ(show_value("Zd", Complex(0, -0.0)), "-0j");
  EXPECT_EQ(show_value("Zd", Complex(-0.0, 2)), "(-0+2j)");
  EXPECT_EQ(show_value("Zd", Complex(std::numeric_limits<double>::quiet_NaN(),
                                     -std::numeric_limits<double>::infinity())),
            "(nan-infj)");
  EXPECT_EQ(show_value("F", std::complex<float>(0.1f, 1e20f)), "(0.1+1e+20j)");
  EXPECT_EQ(show_value("Zg", std::complex<long double>(3, 4)), "(3+4j)");
  EXPECT_EQ(show(">Zf", "\x3f\x80\x00\x00\x40\x00\x00\x00"s), "(1+2j)");
}

TEST(ShowElement, Booleans) {
  EXPECT_EQ(show("?", "\0"s), "False");
  EXPECT_EQ(show("?", "\1"), "True");
  EXPECT_EQ(show("?", "\x80"), "True");
}

TEST(ShowElement, BytesAsPythonWritesThem) {
  EXPECT_EQ(show("c", "a"), "b'a'");
  EXPECT_EQ(show("3s", "ab\0"s), R"(b'ab\x00')");
  EXPECT_EQ(show("7s", "\t\n\r\\\x1f\x7f\xff"), R"(b'\t\n\r\\\x1f\x7f\xff')");
  EXPECT_EQ(show("2s", "a'"), R"(b"a'")");
  EXPECT_EQ(show("3s", "'a\""), R"(b'\'a"')");
  EXPECT_EQ(show("65s", std::string(65, 'a')), "b'" + std::string(64, 'a') + "'...");
  EXPECT_EQ(show("5p", "\2abcd"), "b'ab'");
  EXPECT_EQ(show("3p",
                 "\xff"
                 "ab"),
            "b'ab'")
      << "a length beyond the element is cut, as in Python";
  EXPECT_EQ(show("p", "\5"), "b''");
}

TEST(ShowElement, UnicodeAsUtf8) {
  EXPECT_EQ(show("<4w", "a\0\0\0\xe9\0\0\0\xac\x20\0\0\x00\xf6\x01\0"s), "'aé€😀'");
  EXPECT_EQ(show(">3w", "\0\0\0a\0\0\0b\0\0\0\0"s), "'ab'") << "NUL at the end only fills up";
  EXPECT_EQ(show("<3w", "\0\0\0\0a\0\0\0\0\0\0\0"s), R"('\x00a')");
  EXPECT_EQ(show("<w", "\n\0\0\0"s), R"('\n')");
  EXPECT_EQ(show("<w", "\x85\0\0\0"s), R"('\x85')");
  EXPECT_EQ(show("<w", "\x00\xd8\0\0"s), R"('\ud800')");
  EXPECT_EQ(show("<w", "\0\0\x11\0"s), R"('\U00110000')");
  EXPECT_EQ(show("<w", "\xff\xff\xff\xff"), R"('\Uffffffff')");
  EXPECT_EQ(show("<u", "a\0\0\0"s), "'a'") << "four bytes, as ctypes writes wchar_t";
  EXPECT_EQ(show("<3u", "a\0\x3d\xd8\0\xde"s), "'a😀'") << "a surrogate pair";
  EXPECT_EQ(show("<2u", "\0\xde\x3d\xd8"s), R"('\ude00\ud83d')") << "no pair";
}

TEST(ShowElement, PointersAsAddresses) {
  EXPECT_EQ(show_value("P", std::uint64_t{0x7f00dead}), "0x7f00dead");
  EXPECT_EQ(show_value("&<i", std::uint64_t{0}), "0x0");
  EXPECT_EQ(show_value("O", std::uint64_t{0xff}), "0xff");
  EXPECT_EQ(show(">P", "\0\0\0\0\0\0\x01\x02"s), "0x102");
}

TEST(ShowElement, StructsWithTheirFieldsByNameOrPosition) {
  EXPECT_EQ(show("T{b:x:b:y:}", "\1\2"), "{x: 1, y: 2}");
  EXPECT_EQ(show("bxb", "\1\2\3"), "{0: 1, 1: 3}");
  EXPECT_EQ(show("T{b:a:T{b:b:2s:c:}:s:}", "\1\2yz"), "{a: 1, s: {b: 2, c: b'yz'}}");
  EXPECT_EQ(show("T{b}", "\1"), "{0: 1}");
  EXPECT_EQ(show("b:a:2x:pad:", "\1\2\3"), "{a: 1, pad: 0x0203}");
  EXPECT_EQ(show("T{xx}", "\1\2"), "{}");
}

TEST(ShowElement, SubArraysAsNestedLists) {
  EXPECT_EQ(show("(2,2)b", "\1\2\3\4"), "[[1, 2], [3, 4]]");
  EXPECT_EQ(show("3b", "\1\2\3"), "[1, 2, 3]");
  EXPECT_EQ(show("T{b:a:(2)<h:m:}", "\1\2\0\3\0"s), "{a: 1, m: [2, 3]}");
  EXPECT_EQ(show("2T{b:x:}", "\1\2"), "[{x: 1}, {x: 2}]");
  EXPECT_EQ(show("b:a:(0)i:e:(2,0)i:f:", "\1\0\0\0"s), "{a: 1, e: [], f: [[], []]}");
}

TEST(ShowElement, LongSubArraysAreCut) {
  EXPECT_EQ(show("17B", std::string(17, '\7')), "[" + repeated("7, ", 16) + "...]");
  EXPECT_EQ(show("(3,3,3)B", std::string(27, '\7')),
            "[[[7, 7, 7], [7, 7, 7], [7, 7, 7]], [[7, 7, 7], [7, 7, 7], [7, ...]], ...]");
  const std::string nothing = show("b1000000000000T{}:n:(1000000000,1000000000)0s:m:", "\1");
  EXPECT_LT(nothing.size(), 10'000u);
}

TEST(ShowElement, PaddingAndOpaqueElementsAsHexadecimalBytes) {
  EXPECT_EQ(show("3x", "\x0a\x0b\xff"), "0x0a0bff");
  EXPECT_EQ(show("what?", "\x0a\x0b\x0c"), "0x0a0b0c");
  EXPECT_EQ(show("what?", std::string(32, '\1')), "0x" + repeated("01", 32));
  EXPECT_EQ(show("what?", std::string(33, '\1')), "0x" + repeated("01", 32) + "...");
}

/// Every field lies within its struct, and its own fields within it.
void expect_within(const Type& type) {
  std::int64_t end = 0;
  for (const Field& field : type.fields) {
    std::int64_t size = field.type.size;
    for (const std::int64_t extent : field.shape) size *= extent;
    EXPECT_GE(field.offset, end);
    EXPECT_EQ(field.offset % field.type.alignment, 0);
    end = field.offset + size;
    EXPECT_LE(end, type.size);
    expect_within(field.type);
  }
}

/// Random texts of pieces and of single characters: they parse or throw, and what parses can be
/// shown from exactly its bytes.
TEST(FormatProperty, AnyTextParsesOrThrowsAndWhatParsesCanBeShown) {
  constexpr std::string_view alphabet =
      "@=<>!^ \tTXZO&xcbB?hHiIlLqQnNefdgspPFDGuwtk{}():,0123456789a";
  const std::vector<std::string> pieces = {"T{", "}",   ":a:", ":b:", "(2)", "(2,3)", "2",  "Zd",
                                           "X{", "X{}", "&",   "<",   ">",   "@",     "3x", "i",
                                           "b",  "d",   "e",   "g",   "Zg",  "2w",    "3u", "4p"};
  std::mt19937_64 random(20240607);
  const auto below = [&](std::size_t bound) { return static_cast<std::size_t>(random() % bound); };
  int parsed = 0;
  for (int iteration = 0; iteration < testing::cases(200'000); ++iteration) {
    std::string format;
    const std::size_t likely = below(8);
    for (std::size_t left = below(16); left > 0; --left)
      format += below(8) < likely ? pieces[below(pieces.size())]
                                  : std::string(1, alphabet[below(alphabet.size())]);
    SCOPED_TRACE(format);
    Type type;
    try {
      type = parse_format(format);
    } catch (const Error& error) {
      ASSERT_EQ(error.code(), Errc::invalid_format);
      ASSERT_EQ(Format(format, 4).why_opaque(), error.what());
      continue;
    }
    ++parsed;
    expect_within(type);
    if (type.size < 1 || type.size > 4096) continue;
    const Format whole(format, type.size);
    ASSERT_FALSE(whole.opaque());
    std::vector<std::byte> element(static_cast<std::size_t>(type.size));
    for (std::byte& byte : element) byte = static_cast<std::byte>(random());
    const std::string shown = show_element(whole, element.data());
    ASSERT_FALSE(shown.empty());
    ASSERT_EQ(show_element(format_of(type), element.data()), shown) << format;
  }
  EXPECT_GT(parsed, testing::cases(20'000)) << "too few texts that mean something";
}

TEST(Format, IsWrittenSoThatNothingIsLeftToAlignment) {
  const auto written = [](const char* format) { return format_of(parse_format(format)).text(); };
  EXPECT_EQ(written("l"), "q");
  EXPECT_EQ(written("<i"), "i");
  EXPECT_EQ(written(">i"), ">i");
  EXPECT_EQ(written("Zd"), "Zd");
  EXPECT_EQ(written("3s"), "3s");
  EXPECT_EQ(written("T{b:a:i:b:}"), "=T{b:a:3xi:b:}");
  EXPECT_EQ(written("T{i:a:b:b:}"), "=T{i:a:b:b:3x}");
  EXPECT_EQ(written("T{>h:a:(2,3)h:b:<T{d:d:}:c:}"), "=T{>h:a:(2,3)h:b:T{=d:d:}:c:}");
  // NumPy knows these by their native sizes alone.
  EXPECT_EQ(written("T{g:a:h:b:Zg:c:}"), "=T{^g:a:=h:b:14x^Zg:c:}");
  EXPECT_EQ(written("T{P:a:i:b:}"), "=T{^P:a:=i:b:4x}");
}

TEST(NamesOfReals, EndWhereTheirLettersEnd) {
  EXPECT_EQ(parse_format("float8_e4m3 float8_e4m3fn").fields.size(), 2U);
  EXPECT_EQ(parse_format("2bfloat16").fields[0].shape, (std::vector<std::int64_t>{2}));
  EXPECT_EQ(parse_format("T{float8_e5m2:x:f:y:}").fields[1].offset, 4);
  EXPECT_EQ(parse_format("bf").fields.size(), 2U) << "an int8 and a float";
  for (const char* const wrong : {"bfloat", "bfloat162", "float8_e4m3f", "float8", "Float8_e5m2"})
    EXPECT_THROW(parse_format(wrong), Error) << wrong;
  EXPECT_TRUE(Format("bfloat16", 4).opaque());
}

TEST(Dates, HaveTheirUnits) {
  for (const auto& [text, unit] : std::vector<std::pair<std::string, std::string>>{
           {"datetime64[s]", "s"},
           {"datetime64[1D]", "D"},
           {"timedelta64[25us]", "25us"},
           {"timedelta64[2147483647as]", "2147483647as"},
           {"datetime64", ""}}) {
    const Type type = parse_format(text);
    EXPECT_EQ(type.unit, unit);
    EXPECT_TRUE(is_date(type));
    EXPECT_FALSE(has_standard_codes(type));
    EXPECT_EQ(parse_format(format_of(type).text()).unit, unit);
  }
  for (const char* const wrong : {"datetime64[]", "datetime64[xx]", "datetime64[s",
                                  "datetime64[0s]x", "datetime64[-1s]", "timedelta64[2147483648s]",
                                  "datetime64s", "datetime", "timedelta64[s]x:", "datetime64 [s]"})
    EXPECT_TRUE(Format(wrong, 8).opaque()) << wrong;
  EXPECT_FALSE(is_date(parse_format("q")));
  EXPECT_FALSE(is_date(parse_format("T{datetime64[s]:t:}")));
}

TEST(Dates, StandInStructs) {
  const Type type = parse_format("T{b:a:datetime64[ns]:t:(2)>timedelta64[s]:d:=datetime64 h}");
  ASSERT_EQ(type.fields.size(), 5U);
  EXPECT_EQ(type.fields[1].offset, 8) << "aligned";
  EXPECT_EQ(type.fields[2].offset, 16);
  EXPECT_EQ(type.fields[2].shape, (std::vector<std::int64_t>{2}));
  EXPECT_FALSE(type.fields[2].type.little_endian);
  EXPECT_EQ(type.fields[4].offset, 40);
  const Format written = format_of(type);
  EXPECT_EQ(written.text(), "=T{b:a:7xdatetime64[ns]:t:(2)>timedelta64[s]:d:=datetime64 h}");
  EXPECT_TRUE(same_meaning(written.type(), type));
  EXPECT_FALSE(is_native(type));
  EXPECT_TRUE(is_native(native_type(type)));
}

TEST(Dates, DifferByTheirUnits) {
  const Format seconds("datetime64[s]", 8);
  EXPECT_TRUE(same_meaning(seconds, Format("<datetime64[1s]", 8)));
  for (const char* const other :
       {"datetime64[ms]", "datetime64", "timedelta64[s]", ">datetime64[s]", "q"})
    EXPECT_FALSE(same_meaning(seconds, Format(other, 8))) << other;
}

TEST(Dates, AreShownAsNumPysCalls) {
  EXPECT_EQ(show_value("datetime64[s]", std::int64_t{-3}), "datetime64(-3, 's')");
  EXPECT_EQ(show_value("timedelta64[25us]", std::int64_t{7}), "timedelta64(7, '25us')");
  EXPECT_EQ(show_value("timedelta64", std::int64_t{7}), "timedelta64(7)");
  EXPECT_EQ(show_value("datetime64[D]", std::numeric_limits<std::int64_t>::min()),
            "datetime64('NaT')");
}

TEST(FormatOf, ANumberThatIsNotThereHasNone) {
  Type type;
  type.kind = ScalarKind::real;
  type.size = 3;
  EXPECT_EQ(format_of(type).why_opaque(), "no format has a number of this kind of 3 bytes");
}

}  // namespace
}  // namespace multibuffer
