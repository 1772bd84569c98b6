#include <multibuffer/dataset.hpp>
#include <multibuffer/error.hpp>

#include "host/files/stored_file.hpp"
#include "host/support/text.hpp"
#include "tests/testing/cases.hpp"
#include "tests/testing/scratch.hpp"
#include "tests/testing/throws.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <vector>

namespace multibuffer::files {
namespace {

using multibuffer::testing::bytes_of;
using multibuffer::testing::cases;
using multibuffer::testing::expect_error;
using multibuffer::testing::Scratch;
using multibuffer::testing::write_file;

using Shape = std::vector<std::int64_t>;

std::string file_bytes(const std::string& header, const std::string& data) {
  std::string bytes;
  for (int i = 0; i < 8; ++i) bytes += static_cast<char>(header.size() >> (8 * i) & 0xff);
  return bytes + header + data;
}

/// A file of one header, which is to be refused or read.
class Safetensors : public ::testing::Test {
 protected:
  std::unique_ptr<StoredFile> open(const std::string& bytes) {
    write_file(path_, bytes);
    return open_stored_file(path_);
  }
  void expect_refused(const std::string& header, const std::string& part,
                      const std::string& data = std::string(16, 'x')) {
    SCOPED_TRACE(header.substr(0, 200));
    expect_error(Errc::file_invalid, part, [&] { open(file_bytes(header, data)); });
  }
  template <class T>
  std::vector<T> elements(const std::string& name) {
    const std::vector<std::byte> bytes = Dataset::open(path_ + "::" + name).reference();
    std::vector<T> values(bytes.size() / sizeof(T));
    std::memcpy(values.data(), bytes.data(), bytes.size());
    return values;
  }

  Scratch scratch_;
  std::string path_ = scratch_ / "a.safetensors";
};

const std::string two_tensors =
    R"({"__metadata__":{"format":"pt"},"b.w":{"dtype":"F32","shape":[2,1],"data_offsets":[4,12]},)"
    R"("a":{"shape":[4],"data_offsets":[0,4],"dtype":"I8"}}   )";
const std::string two_data =
    bytes_of(std::vector<std::int8_t>{1, -2, 3, 4}) + bytes_of(std::vector<float>{0.5F, -8});

TEST_F(Safetensors, TensorsAreReadByName) {
  const auto file = open(file_bytes(two_tensors, two_data));
  EXPECT_EQ(file->names(), (std::vector<std::string>{"b.w", "a"}));
  const StoredArray array = file->array("b.w");
  EXPECT_EQ(array.descr, "'<f4'");
  EXPECT_EQ(array.shape, (Shape{2, 1}));
  EXPECT_EQ(elements<float>("b.w"), (std::vector<float>{0.5F, -8}));
  EXPECT_EQ(elements<std::int8_t>("a"), (std::vector<std::int8_t>{1, -2, 3, 4}));
  expect_error(Errc::file_invalid, "no tensor c; there are b.w, a", [&] { file->array("c"); });
}

TEST_F(Safetensors, AFileOfAnotherNameIsToldByItsFirstBytes) {
  const std::string path = scratch_ / "weights";
  write_file(path, file_bytes(two_tensors, two_data));
  EXPECT_EQ(open_stored_file(path)->names().size(), 2U);
}

TEST_F(Safetensors, EachTypeHasItsFormat) {
  struct Row {
    std::string dtype, descr, format;
    int size;
  };
  for (const Row& row : std::vector<Row>{
           {"BOOL", "'|b1'", "?", 1},
           {"U8", "'|u1'", "B", 1},
           {"I8", "'|i1'", "b", 1},
           {"F8_E5M2", "'|V1'", "float8_e5m2", 1},
           {"F8_E4M3", "'|V1'", "float8_e4m3fn", 1},
           {"F8_E5M2FNUZ", "'|V1'", "float8_e5m2fnuz", 1},
           {"F8_E4M3FNUZ", "'|V1'", "float8_e4m3fnuz", 1},
           {"F8_E8M0", "'|V1'", "float8_e8m0fnu", 1},
           {"U16", "'<u2'", "H", 2},
           {"I16", "'<i2'", "h", 2},
           {"F16", "'<f2'", "e", 2},
           {"BF16", "'|V2'", "bfloat16", 2},
           {"U32", "'<u4'", "I", 4},
           {"I32", "'<i4'", "i", 4},
           {"F32", "'<f4'", "f", 4},
           {"C64", "'<c8'", "Zf", 8},
           {"U64", "'<u8'", "Q", 8},
           {"I64", "'<i8'", "q", 8},
           {"F64", "'<f8'", "d", 8},
       }) {
    SCOPED_TRACE(row.dtype);
    const std::string header = text(R"({"x":{"dtype":")", row.dtype,
                                    R"(","shape":[2],"data_offsets":[0,)", 2 * row.size, "]}}");
    const auto file = open(file_bytes(header, std::string(16, 'x')));
    const StoredArray array = file->array("x");
    EXPECT_EQ(array.descr, row.descr);
    EXPECT_EQ(array.format, row.format);
    EXPECT_EQ(array.itemsize, row.size);
    EXPECT_FALSE(Dataset::open(path_ + "::x").format().opaque());
  }
}

TEST_F(Safetensors, UnknownTypesAreRefusedWhenTheyAreAskedFor) {
  const auto file = open(file_bytes(
      R"({"x":{"dtype":"F4","shape":[2],"data_offsets":[0,1]},"y":{"dtype":"Q","shape":[],)"
      R"("data_offsets":[0,1]},"z":{"dtype":"U8","shape":[],"data_offsets":[1,2]}})",
      "ab"));
  EXPECT_EQ(file->names().size(), 3U);
  expect_error(Errc::file_invalid, "::x: elements of the type F4, which are smaller than a byte",
               [&] { file->array("x"); });
  expect_error(Errc::file_invalid, "::y: elements of the type Q, which is not known",
               [&] { file->array("y"); });
  EXPECT_EQ(file->array("z").shape, Shape{});
}

TEST_F(Safetensors, WhatIsNotAskedForIsSkipped) {
  std::string deep(100'000, '[');
  deep += std::string(100'000, ']');
  open(file_bytes(R"({"__metadata__":null,"a":{"dtype":"U8","more":{"x":[1,-2,3.5e99,{}]},)"
                  R"("shape":[2],"data_offsets":[0,2],"deep":)" +
                      deep + "}}",
                  "xy"));
  EXPECT_EQ(elements<char>("a"), (std::vector<char>{'x', 'y'}));
  EXPECT_TRUE(open(file_bytes("{}", ""))->names().empty());
  EXPECT_TRUE(open(file_bytes(R"({"__metadata__":{"a":"b"}})", ""))->names().empty());
  open(file_bytes(R"({"e":{"dtype":"F32","shape":[0,9000,9000],"data_offsets":[2,2]}})", "xy"));
  EXPECT_EQ(Dataset::open(path_ + "::e").layout().axes().size(), 3U);
}

TEST_F(Safetensors, HeadersThatLieAreRefused) {
  const auto tensor = [](const std::string& dtype, const std::string& shape,
                         const std::string& offsets) {
    return text(R"({"x":{"dtype":)", dtype, R"(,"shape":)", shape, R"(,"data_offsets":)", offsets,
                "}}");
  };
  expect_refused(tensor("\"U8\"", "[17]", "[0,17]"), "ends at byte 17 behind the header");
  expect_refused(tensor("\"U8\"", "[2]", "[3,1]"), "before its first");
  expect_refused(tensor("\"U8\"", "[3]", "[0,2]"), "has 2 bytes");
  expect_refused(tensor("\"F32\"", "[4611686018427387904,4]", "[0,0]"), "has 0 bytes");
  expect_refused(tensor("\"U8\"", "[-1]", "[0,2]"), "a negative number in its shape");
  expect_refused(tensor("\"U8\"", "[1.0]", "[0,1]"), "no integer of 64 bits in its shape");
  expect_refused(tensor("\"U8\"", "[99999999999999999999999]", "[0,1]"), "no integer of 64 bits");
  expect_refused(tensor("\"U8\"", "[9223372036854775808]", "[0,1]"), "beyond 63 bits");
  expect_refused(tensor("\"U8\"", "[1]", "[0,1,2]"), "more than two data_offsets");
  expect_refused(tensor("\"U8\"", "[1]", "[0]"), "lacks");
  expect_refused(tensor("\"U8\"", "[[1]]", "[0,1]"), "a list in its shape");
  expect_refused(tensor("\"U8\"", "1", "[0,1]"), "a number in its shape");
  expect_refused(tensor("3", "[1]", "[0,1]"), "a number in its dtype");
  expect_refused(tensor("null", "[1]", "[0,1]"), "null in its dtype");
  expect_refused(tensor("\"U8\"", "{}", "[0,1]"), "an object in its shape");
  expect_refused(tensor("\"U8\"", std::string(100'000, '['), "[0,1]"), "a list in its shape");
  std::string axes = "[1";
  for (int i = 0; i < 60; ++i) axes += ",1";
  expect_refused(tensor("\"U8\"", axes + "]", "[0,1]"), "more than 60 axes");
  expect_refused(R"({"x":3})", "the tensor x is a number");
  expect_refused(R"({"x":[]})", "the tensor x is a list");
  expect_refused(R"({"x":{"dtype":"U8","shape":[1]}})", "lacks");
  const std::string one = R"("x":{"dtype":"U8","shape":[1],"data_offsets":[0,1]})";
  expect_refused("{" + one + "," + one + "}", "the tensor x twice");
  expect_refused(R"({"x":{"dtype":"U8","dtype":"U8","shape":[1],"data_offsets":[0,1]}})",
                 "its dtype twice");
  expect_refused(R"({"__metadata__":{},"__metadata__":{}})", "__metadata__ twice");
  expect_refused("{" + one + "}{}", "no JSON in UTF-8");
  expect_refused("{" + one + "} x", "no JSON in UTF-8");
  expect_refused("{" + one + "}" + std::string(3, '\0'), "null character");
  expect_refused(" {}", "no JSON object");
  expect_refused("{\"\xff\":{}}", "no JSON in UTF-8");
  expect_refused("{\"\xc0\xaf\":{}}", "no JSON in UTF-8");
  expect_refused("{/**/}", "no JSON in UTF-8");
  expect_error(Errc::file_invalid, "are the most",
               [&] { open(std::string("\xff\xff\xff\xff\xff\xff\xff\x7f", 8) + "{}"); });
  expect_error(Errc::file_invalid, "cut in its header",
               [&] { open(std::string("\x03\0\0\0\0\0\0\0", 8) + "{}"); });
  expect_error(Errc::file_invalid, "it has 0 bytes", [&] { open(""); });
}

/// Opens all that a file says it has; each tensor lies in the file, or is refused.
void read_all(const std::string& path, std::int64_t bytes) {
  try {
    const auto file = open_stored_file(path);
    for (const std::string& name : file->names()) {
      try {
        check_inside(file->array(name), bytes, name);
        const Dataset dataset = Dataset::open(path + "::" + name);
        if (dataset.nbytes() <= 4096) dataset.reference();
      } catch (const Error& error) {
        EXPECT_TRUE(error.code() == Errc::file_invalid || error.code() == Errc::size_overflow ||
                    error.code() == Errc::invalid_argument || error.code() == Errc::file_unreadable)
            << error.what();
      }
    }
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Errc::file_invalid) << error.what();
  }
}

TEST_F(Safetensors, EveryTruncationIsRefused) {
  const std::string whole = file_bytes(two_tensors, two_data);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    SCOPED_TRACE(size);
    expect_error(Errc::file_invalid, path_, [&] { open(whole.substr(0, size)); });
  }
}

TEST_F(Safetensors, WhateverBytesChangeNothingOutsideOfTheFileIsRead) {
  const std::string whole = file_bytes(two_tensors, two_data);
  std::mt19937 random(1);
  for (int round = 0; round < cases(3'000); ++round) {
    std::string bytes = whole;
    const auto changes = 1 + random() % 3;
    for (std::uint32_t i = 0; i < changes; ++i) {
      char& byte = bytes[random() % bytes.size()];
      // Mostly characters that JSON is made of.
      const std::string_view marks = "{}[],:\"0129-e.\\u ";
      byte = random() % 2 ? marks[random() % marks.size()] : static_cast<char>(random());
    }
    write_file(path_, bytes);
    read_all(path_, static_cast<std::int64_t>(bytes.size()));
    if (HasFailure()) FAIL() << "in round " << round;
  }
}

// ---- Patterns: tensors of a model, over its files

std::string shard(const std::vector<std::pair<std::string, std::int32_t>>& tensors) {
  std::string header = "{";
  std::vector<std::int32_t> data;
  for (const auto& [name, value] : tensors) {
    header += text(header.size() > 1 ? "," : "", '"', name,
                   R"(":{"dtype":"I32","shape":[1,2],"data_offsets":[)", 4 * data.size(), ",",
                   4 * data.size() + 8, "]}");
    data.insert(data.end(), {value, -value});
  }
  return file_bytes(header + "}", bytes_of(data));
}

TEST(SafetensorsPatterns, ExpertsAreStackedWhicheverFileTheyLieIn) {
  const Scratch scratch;
  std::vector<std::vector<std::pair<std::string, std::int32_t>>> shards(3);
  std::mt19937 random(2);
  std::vector<std::int32_t> expected;
  for (std::int32_t layer = 0; layer < 4; ++layer)
    for (std::int32_t expert = 0; expert < 12; ++expert) {
      const std::int32_t value = layer * 100 + expert + 1;
      expected.insert(expected.end(), {value, -value});
      const std::string name = text("layers.", layer, ".experts.", expert);
      shards[random() % 3].emplace_back(name + ".w1", value);
      shards[random() % 3].emplace_back(name + ".w2", 0);
      shards[random() % 3].emplace_back(name + ".norm.w1", 0);
    }
  for (auto& tensors : shards) std::ranges::shuffle(tensors, random);
  const auto write = [&] {
    for (std::size_t i = 0; i < shards.size(); ++i)
      write_file(scratch / text("model-0000", i + 1, "-of-00003.safetensors"), shard(shards[i]));
  };
  write();
  const std::string pattern = scratch / "model-*.safetensors::layers.*.experts.*.w1";
  const Dataset dataset = Dataset::open(pattern);
  EXPECT_EQ(dataset.shape(), (Shape{4, 12, 1, 2}));
  std::vector<std::int32_t> found(expected.size());
  const std::vector<std::byte> bytes = dataset.reference();
  ASSERT_EQ(bytes.size(), found.size() * sizeof(std::int32_t));
  std::memcpy(found.data(), bytes.data(), bytes.size());
  EXPECT_EQ(found, expected);

  for (auto& tensors : shards)
    std::erase_if(tensors, [](const auto& one) { return one.first == "layers.2.experts.7.w1"; });
  write();
  expect_error(Errc::invalid_argument, "there is no layers.2.experts.7.w1, of the 48",
               [&] { Dataset::open(pattern); });
  shards[2].emplace_back("layers.2.experts.7.w1", 0);
  shards[0].emplace_back("layers.2.experts.7.w1", 0);
  write();
  expect_error(Errc::invalid_argument, "are the same array", [&] { Dataset::open(pattern); });
  expect_error(Errc::invalid_argument, "no array of such a name",
               [&] { Dataset::open(scratch / "model-*.safetensors::layers.*.w9"); });
}

}  // namespace
}  // namespace multibuffer::files
