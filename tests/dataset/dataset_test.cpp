#include <multibuffer/dataset.hpp>
#include <multibuffer/error.hpp>
#include <multibuffer/reference.hpp>

#include "host/dataset/description.hpp"
#include "host/dataset/names.hpp"
#include "host/dataset/source.hpp"
#include "tests/testing/random_array.hpp"
#include "tests/testing/scratch.hpp"
#include "tests/testing/throws.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <filesystem>
#include <memory>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

namespace multibuffer {
namespace {

using testing::bytes_of;
using testing::expect_error;
using testing::npy_bytes_of;
using testing::Random;
using testing::RandomConversion;
using testing::RandomRequest;
using testing::read_file;
using testing::Scratch;
using testing::write_file;
using Numbers = std::vector<std::int64_t>;

std::vector<std::int32_t> counting(int count, int first = 0) {
  std::vector<std::int32_t> values(static_cast<std::size_t>(count));
  std::iota(values.begin(), values.end(), first);
  return values;
}

std::vector<std::int32_t> values_of(const DeviceBuffer& buffer) {
  return buffer.to_host<std::int32_t>();
}

/// Rows of three numbers, which count on from `first`.
void write_rows(const std::string& path, int rows, int first) {
  write_file(path, npy_bytes_of("'<i4'", text("(", rows, ", 3)"),
                                bytes_of(counting(3 * rows, 3 * first))));
}

/// Makes the time of a file's last change another one.
void touch(const std::string& path, int seconds) {
  std::filesystem::last_write_time(
      path, std::filesystem::last_write_time(path) + std::chrono::seconds(seconds));
}

// ---- Any grid of pieces, in any files, against the reference on the same array in memory
// ----------------------------------------------------------------------------------------

/// An array in memory, and the same in files whose pieces lie anywhere.
struct RandomDataset {
  RandomDataset(Random& random, const Scratch& scratch) {
    const int ndim = random.between(0, 4);
    std::int64_t size = 1;
    for (int i = 0; i < ndim; ++i) {
      const std::int64_t extent =
          random.chance(3) ? 0 : random.between(std::int64_t{1}, std::int64_t{9});
      grid.axes.push_back({.extent = extent});
      shape.push_back(extent);
      size *= extent;
    }
    const auto [name, itemsize] = random.pick<std::pair<const char*, std::int64_t>>(
        {{"<i", 4}, {"B", 1}, {"<d", 8}, {">h", 2}, {"<e", 2}, {"3s", 3}});
    format = name;
    grid.format = Format(format, itemsize);
    grid.descr = "'|V1'";
    bytes.resize(static_cast<std::size_t>(size * itemsize));
    random.fill(bytes);
    cut(random);
    if (size > 0) lay_out(random);
    for (std::size_t i = 0; i < contents.size(); ++i) {
      const std::string path = scratch / text("file", i);
      write_file(path, {reinterpret_cast<const char*>(contents[i].data()), contents[i].size()});
      struct stat status {};
      stat(path.c_str(), &status);
      files.push_back({path, files::FileStamp::of(status), 0});
    }
  }

  Dataset open(std::int64_t window = 0) const {
    return DatasetSource::view_of(std::make_shared<DatasetSource>(grid, files, window));
  }
  BufferExport source() const {
    static constexpr std::byte nothing{};
    return {.buf = bytes.empty() ? &nothing : bytes.data(),
            .len = {},
            .itemsize = grid.format.itemsize(),
            .ndim = static_cast<int>(shape.size()),
            .format = format.c_str(),
            .shape = shape.data()};
  }

  Numbers shape;
  std::string format;
  std::vector<std::byte> bytes;
  Grid grid;
  std::vector<std::vector<std::byte>> contents;
  std::vector<DatasetFile> files;

 private:
  /// Chooses pieces, of one extent or of several.
  void cut(Random& random) {
    for (GridAxis& axis : grid.axes) {
      axis.piece = random.chance(40) ? std::max<std::int64_t>(axis.extent, 1)
                                     : random.between(std::int64_t{1}, std::int64_t{5});
      if (axis.extent < 2 || !random.chance(30)) continue;
      axis.starts = {0};
      for (std::int64_t i = 1; i < axis.extent; ++i)
        if (random.chance(40)) axis.starts.push_back(i);
      axis.starts.push_back(axis.extent);
    }
  }
  /// Chooses strides within pieces and places in files, and writes the elements there.
  void lay_out(Random& random) {
    contents.resize(static_cast<std::size_t>(random.between(1, 3)));
    std::vector<std::size_t> order(grid.axes.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    random.shuffle(order);
    std::int64_t stride = grid.format.itemsize() + random.between(0, 2);
    std::int64_t before = 0;  // what negative strides reach
    std::int64_t pieces = 1;
    for (const std::size_t i : order) {
      GridAxis& axis = grid.axes[i];
      std::int64_t longest = axis.piece;
      for (std::size_t k = 1; k < axis.starts.size(); ++k)
        longest = k == 1 ? axis.starts[k] : std::max(longest, axis.starts[k] - axis.starts[k - 1]);
      axis.stride = random.chance(20) ? -stride : stride;
      if (axis.stride < 0) before += (longest - 1) * stride;
      stride *= longest;
      pieces *= axis.pieces();
    }
    const std::int64_t piece_bytes = stride;
    std::vector<std::int64_t> places(static_cast<std::size_t>(pieces));
    std::iota(places.begin(), places.end(), std::int64_t{0});
    random.shuffle(places);
    for (const std::int64_t place : places) {
      grid.offsets.push_back(random.between(0, 7) + place * (piece_bytes + 7) + before);
      if (contents.size() > 1)
        grid.files.push_back(
            static_cast<std::uint32_t>(random.between(0, static_cast<int>(contents.size()) - 1)));
    }
    for (std::vector<std::byte>& file : contents) {
      file.resize(static_cast<std::size_t>(pieces * (piece_bytes + 7) + 16));
      random.fill(file);
    }
    Numbers index(shape.size(), 0);
    const auto itemsize = static_cast<std::size_t>(grid.format.itemsize());
    for (std::size_t at = 0; at < bytes.size(); at += itemsize) {
      std::int64_t piece = 0;
      std::int64_t offset = 0;
      for (std::size_t i = 0; i < index.size(); ++i) {
        const GridAxis::Place place = grid.axes[i].locate(index[i]);
        piece = piece * grid.axes[i].pieces() + place.piece;
        offset += place.within * grid.axes[i].stride;
      }
      offset += grid.offsets[static_cast<std::size_t>(piece)];
      std::memcpy(contents[grid.file_of(piece)].data() + offset, bytes.data() + at, itemsize);
      for (std::size_t i = index.size(); i-- > 0;) {
        if (++index[i] < shape[i]) break;
        index[i] = 0;
      }
    }
  }
};

/// Applies operations as long as the dataset has a view for them.
Dataset after(Dataset dataset, std::vector<ViewOperation>& operations) {
  for (std::size_t i = 0; i < operations.size(); ++i) {
    try {
      dataset = dataset.apply(operations[i]);
    } catch (const Failure&) {  // a reshape that would move data
      EXPECT_TRUE(std::holds_alternative<Reshape>(operations[i]));
      operations.resize(i);
    }
  }
  return dataset;
}

class RandomDatasets : public ::testing::TestWithParam<int> {};

TEST_P(RandomDatasets, EqualTheReference) {
  for (int i = 0; i < 60; ++i) {
    const int seed = GetParam() * 1000 + i;
    SCOPED_TRACE(seed);
    Random random(static_cast<std::uint64_t>(seed));
    const Scratch scratch;
    const RandomDataset array(random, scratch);
    const std::int64_t window = random.pick<std::int64_t>({0, 0, 1, 7, 64, 1000});
    Dataset dataset = array.open(window);
    if (random.chance(50)) dataset = Dataset::deserialize(dataset.serialize());
    for (int k = 0; k < 4; ++k) {
      auto operations = testing::random_operations(random, array.shape, random.between(0, 4));
      const Dataset view = after(dataset, operations);
      SCOPED_TRACE(testing::describe(operations));
      const reference::Result whole = reference::gather(array.source(), operations);
      ASSERT_EQ(view.shape(), whole.shape);
      EXPECT_EQ(view.reference(), whole.bytes);
      const RandomRequest request(random, view.shape());
      const testing::Request asked = request.request();
      SCOPED_TRACE(request.describe());
      reference::Result expected =
          reference::gather(array.source(), operations, request.groups(), {.mode = request.mode()});
      const RandomConversion conversion(random, view.format());
      ReadOptions options;
      options.order = random.pick({Order::C, Order::F});
      options.format = conversion.format;
      options.overflow = conversion.overflow;
      if (conversion.format)
        expected = reference::converted(expected, view.format(), *conversion.format,
                                        {.overflow = conversion.overflow});
      const DeviceBuffer result = gather(view, asked, options);
      EXPECT_EQ(result.shape(), expected.shape);
      EXPECT_EQ(result.to_host(), expected.bytes);
      EXPECT_EQ(multibuffer::copy(upload(view, Device::host())).to_host(), whole.bytes);
      const Dataset again = Dataset::deserialize(view.serialize());
      EXPECT_EQ(multibuffer::copy(again).to_host(), whole.bytes);
    }
  }
}
INSTANTIATE_TEST_SUITE_P(Seeds, RandomDatasets, ::testing::Range(0, 20));

// ---- Names
// ----------------------------------------------------------------------------------------

TEST(Names, AreInNaturalOrder) {
  std::vector<std::string> names{"s10", "s2", "a", "s1", "s02", "s", "t1.5", "t1.10"};
  std::ranges::sort(names, natural_less);
  EXPECT_EQ(names, (std::vector<std::string>{"a", "s", "s1", "s02", "s2", "s10", "t1.5", "t1.10"}));
  EXPECT_FALSE(natural_less("x7", "x7"));
}

TEST(Names, StarsStandForOneWordEach) {
  using Words = std::vector<std::string>;
  const auto match_array = [](std::string_view pattern, std::string_view name) {
    return ArrayPattern(pattern).match(name);
  };
  EXPECT_EQ(match_array("layers.*.w", "layers.10.w"), (Words{"10"}));
  EXPECT_EQ(match_array("layers.*.w", "layers.1.0.w"), std::nullopt);
  EXPECT_EQ(match_array("layers.*.w", "layers..w"), std::nullopt);
  EXPECT_EQ(match_array("a*/b*", "ax1/by"), (Words{"x1", "y"}));
  EXPECT_EQ(match_array("x", "x"), Words{});
  EXPECT_EQ(match_array("*a", "aa"), (Words{"a"}));
  EXPECT_EQ(match_array("*", ""), std::nullopt);
}

TEST(Names, EscapesAreTheCharactersThemselves) {
  using Words = std::vector<std::string>;
  const ArrayPattern name("a[*]b[?]c[[]d]");
  EXPECT_FALSE(name.has_stars());
  EXPECT_EQ(name.name(), "a*b?c[d]");
  EXPECT_EQ(name.match("a*b?c[d]"), Words{});
  EXPECT_EQ(name.match("axb?c[d]"), std::nullopt);
  const ArrayPattern pattern("*[*]*");
  EXPECT_TRUE(pattern.has_stars());
  EXPECT_EQ(pattern.match("a*b"), (Words{"a", "b"}));
  EXPECT_EQ(pattern.match("aab"), std::nullopt);
  EXPECT_EQ(pattern.spelled(Words{"x", "y"}), "x*y");
  for (const char* const itself : {"w[0]", "[", "a[*", "[]", "[*", "x?y", "[ab]", "[*?]*"})
    EXPECT_EQ(ArrayPattern(itself).has_stars(), std::string_view(itself).ends_with('*')) << itself;
  EXPECT_EQ(ArrayPattern("w[0][").name(), "w[0][");
}

TEST(Names, AnEscapedNameStandsForItself) {
  Random random(5);
  constexpr std::string_view letters = "*?[]a./!";
  const auto word = [&] {
    std::string name;
    for (int i = random.between(1, 8); i > 0; --i)
      name += letters[static_cast<std::size_t>(
          random.between(std::int64_t{0}, std::ssize(letters) - 1))];
    return name;
  };
  for (int i = 0; i < 10'000; ++i) {
    const std::string name = word();
    std::string escaped;  // as by Python's glob.escape()
    for (const char c : name)
      escaped += c == '*' || c == '?' || c == '[' ? text('[', c, ']') : std::string(1, c);
    const ArrayPattern pattern(escaped);
    ASSERT_FALSE(pattern.has_stars()) << escaped;
    ASSERT_EQ(pattern.name(), name);
    const std::string other = word();
    ASSERT_EQ(pattern.match(other).has_value(), other == name) << escaped << " " << other;
  }
}

TEST(Names, StarsSpanAGrid) {
  const auto grid_of = [](const std::vector<std::string>& names) {
    std::vector<std::vector<std::string>> captures;
    const ArrayPattern pattern("*.*");
    for (const std::string& name : names) captures.push_back(*pattern.match(name));
    return grid_of_stars(captures, names, pattern, "*.*");
  };
  const StarGrid grid = grid_of({"2.b", "10.a", "2.a", "10.b"});
  EXPECT_EQ(grid.extents, (Numbers{2, 2}));
  EXPECT_EQ(grid.order, (std::vector<std::size_t>{2, 0, 1, 3}));
  expect_error(Errc::invalid_argument, "there is no 2.b, of the 4 arrays that *.* stands for", [&] {
    grid_of({"2.a", "10.a", "10.b"});
  });
  expect_error(Errc::invalid_argument, "there is no 10.b", [&] {
    grid_of({"2.a", "10.a", "2.b"});
  });
  expect_error(Errc::invalid_argument, "2.a and 2.a are the same array", [&] {
    grid_of({"2.a", "3.a", "2.a"});
  });
}

// ---- Files
// ----------------------------------------------------------------------------------------

class Files : public ::testing::Test {
 protected:
  std::string path(std::string_view name) const { return scratch_ / name; }
  Scratch scratch_;
};

TEST_F(Files, OfAnyNameAreFound) {
  const auto expect_one = [&](const std::string& source, std::int64_t rows) {
    SCOPED_TRACE(source);
    EXPECT_EQ(Dataset::open(source).shape(), (Numbers{rows, 3}));
  };
  write_rows(path("a[1]*.npy"), 2, 0);
  write_rows(path("a1x.npy"), 3, 0);
  write_rows(path("a\\.npy"), 4, 0);
  write_rows(path("b::c.npy"), 5, 0);
  expect_one(path("a[1]*.npy"), 2);      // a file that is there is no pattern
  expect_one(path("a[[]1][*].npy"), 2);  // as glob.escape() writes it
  expect_one(path("a[1][x].npy"), 3);
  expect_one(path("a[[]*.npy"), 2);
  expect_one(path("a\\*"), 4);
  expect_one(path("b::c.npy"), 5);
  expect_one(path("?[:]:c.npy"), 5);
  expect_one(path("a*.npy"), 9);
  expect_error(Errc::file_unreadable, "no such files", [&] { Dataset::open(path("a[?].npy")); });
}

TEST_F(Files, ArePartsOfOneArrayInNaturalOrder) {
  write_rows(path("s10.npy"), 2, 3);
  write_rows(path("s2.npy"), 3, 0);
  const Dataset all = Dataset::open(path("s*.npy"));
  EXPECT_EQ(all.shape(), (Numbers{5, 3}));
  EXPECT_EQ(all.descr(), "'<i4'");
  EXPECT_EQ(values_of(copy(all)), counting(15));
  const std::vector<std::int64_t> rows{4, -5, 2};
  EXPECT_EQ(values_of(take(all, 0, Indices(rows))),
            (std::vector<std::int32_t>{12, 13, 14, 0, 1, 2, 6, 7, 8}));
  const std::vector<std::string> names{path("s2.npy"), path("s2.npy")};
  const Dataset stacked = Dataset::open(names, {.join = Join::stack});
  EXPECT_EQ(stacked.shape(), (Numbers{2, 3, 3}));
}

TEST_F(Files, ThatDoNotFitAreNamed) {
  write_rows(path("a.npy"), 2, 0);
  write_file(path("b.npy"), npy_bytes_of("'<i4'", "(2, 4)", bytes_of(counting(8))));
  write_file(path("c.npy"), npy_bytes_of("'<f4'", "(2, 3)", bytes_of(counting(6))));
  write_file(path("d.npy"), npy_bytes_of("'<i4'", "(2, 3)", bytes_of(counting(6)), true));
  write_file(path("e.npy"), npy_bytes_of("'<i4'", "()", bytes_of(counting(1))));
  write_rows(path("f.npy"), 3, 0);
  const auto refused = [&](std::vector<std::string> names, const std::string& part,
                           Join join = Join::concatenate) {
    for (std::string& name : names) name = path(name);
    expect_error(Errc::invalid_argument, part, [&] { Dataset::open(names, {.join = join}); });
  };
  refused({"a.npy", "b.npy"}, "b.npy cannot be joined to");
  refused({"a.npy", "b.npy"}, "its shape is (2, 4), not (2, 3)");
  refused({"a.npy", "c.npy"}, "its elements are '<f4', not '<i4'");
  refused({"a.npy", "d.npy"}, "its strides are (4, 8) bytes, not (12, 4)");
  refused({"e.npy", "e.npy"}, "no axis 0");
  refused({"a.npy", "f.npy"}, "can be concatenated", Join::stack);
  expect_error(Errc::file_unreadable, "no such files", [&] { Dataset::open(path("x*.npy")); });
  expect_error(Errc::file_unreadable, "none.npy", [&] { Dataset::open(path("none.npy")); });
  write_file(path("z"), "hello");
  expect_error(Errc::file_invalid, "of no format that can be read",
               [&] { Dataset::open(path("z")); });
}

TEST_F(Files, OfPlainNumbersHaveTheShapeTheyAreGiven) {
  write_file(path("raw"), "header__" + bytes_of(counting(12)));
  RawNumbers raw{.format = Format("<i", 4), .shape = Numbers{-1, 3}, .offset = 8};
  EXPECT_EQ(Dataset::open(path("raw"), {.raw = raw}).shape(), (Numbers{4, 3}));
  raw.shape = {};
  EXPECT_EQ(values_of(copy(Dataset::open(path("raw"), {.raw = raw}))), counting(12));
  raw.shape = Numbers{2, 2};
  raw.strides = {24, -4};
  raw.offset = 12;
  EXPECT_EQ(values_of(copy(Dataset::open(path("raw"), {.raw = raw}))),
            (std::vector<std::int32_t>{1, 0, 7, 6}));
  const RawNumbers one{.format = Format("<i", 4), .shape = Numbers{}, .offset = 16};
  const Dataset single = Dataset::open(path("raw"), {.raw = one});
  EXPECT_EQ(single.shape(), Numbers{});
  EXPECT_EQ(values_of(copy(single)), (std::vector<std::int32_t>{2}));
  expect_error(Errc::invalid_argument, "by name",
               [&] { Dataset::open(path("raw") + "::x", {.raw = raw}); });
  const auto refused = [&](const RawNumbers& numbers, const std::string& part) {
    expect_error(Errc::file_invalid, part, [&] { Dataset::open(path("raw"), {.raw = numbers}); });
  };
  refused({.format = Format("<i", 4), .shape = Numbers{-1, 5}, .offset = 8},
          "no whole number of 20 bytes");
  refused({.format = Format("<i", 4), .shape = Numbers{13}, .offset = 8}, "of a file of 56");
  refused({.format = Format("<i", 4), .shape = {}, .offset = 57}, "there is no byte 57");
  refused({.format = Format("<i", 4), .shape = {}, .offset = -1}, "there is no byte -1");
  refused({.format = Format("<i", 4), .shape = Numbers{2}, .offset = 52, .strides = {-60}},
          "takes bytes -8 to");
}

// Found by fuzzing: the step, which leads to no other row, overflowed as a number of bytes.
TEST_F(Files, AreSlicedByAnyStep) {
  write_rows(path("rows.npy"), 4, 0);
  for (const std::int64_t window : {0, 16}) {
    const Dataset rows = Dataset::open(path("rows.npy"), {.window = window});
    for (const std::int64_t step : {INT64_MAX, -INT64_MAX, INT64_MAX / 12 + 1}) {
      const Dataset one = rows.slice(0, {{}, {}, step});
      const int row = step > 0 ? 0 : 3;
      EXPECT_EQ(values_of(copy(one)), counting(3, 3 * row));
      EXPECT_EQ(values_of(copy(Dataset::deserialize(one.serialize()))), counting(3, 3 * row));
    }
  }
}

TEST_F(Files, WithoutRowsAreDescribed) {
  write_file(path("none.npy"), npy_bytes_of("'<i4'", "(0, 3)", ""));
  const std::vector<std::string> names{path("none.npy"), path("none.npy")};
  const Dataset none = Dataset::open(names);
  EXPECT_EQ(Dataset::deserialize(none.serialize()).shape(), (Numbers{0, 3}));
}

TEST_F(Files, MayHaveColonsInTheirNames) {
  write_rows(path("a::b.npy"), 2, 0);
  EXPECT_EQ(values_of(copy(Dataset::open(path("a::b.npy")))), counting(6));
}

// Rows that lie near each other are read at once, by way of 1 MiB; rows of 12 bytes in 3 MB take
// several of these, and more than a page apart, reads of their own.
TEST_F(Files, AreReadInWindowsWithTheirGaps) {
  constexpr int rows = 250'000;
  write_rows(path("a.npy"), rows, 0);
  write_rows(path("b.npy"), rows, rows);
  const std::vector<std::string> names{path("a.npy"), path("b.npy")};
  const Dataset mapped = Dataset::open(names);
  for (const std::int64_t step : {1, 2, 40, 341, 342, 5000}) {
    std::vector<std::int64_t> indices;
    for (std::int64_t row = 0; row < 2 * rows; row += step) indices.push_back(row);
    indices.insert(indices.end(), {7, 8, 7, 2 * rows - 1, 0});
    std::ranges::reverse(indices);
    for (const std::int64_t window : {std::int64_t{1} << 16, std::int64_t{1} << 24}) {
      SCOPED_TRACE(text(step, " ", window));
      EXPECT_EQ(values_of(take(mapped.with_window(window), 0, Indices(indices))),
                values_of(take(mapped, 0, Indices(indices))));
    }
  }
}

TEST_F(Files, ThatChangeAreNoticedAndNamed) {
  const auto change = [&](const auto& how, const std::string& part) {
    for (const std::int64_t window : {0, 64}) {
      for (const int rows : {20, 20'000}) {  // a small file is read, a large one mapped
        SCOPED_TRACE(text(part, " ", window, " ", rows));
        std::filesystem::remove_all(path("b.npy"));
        write_rows(path("a.npy"), 5, 0);
        write_rows(path("b.npy"), rows, 5);
        const std::vector<std::string> names{path("a.npy"), path("b.npy")};
        const Dataset used = Dataset::open(names, {.window = window});
        const Dataset unused = Dataset::deserialize(used.serialize());
        const std::vector<std::int64_t> both{2, 7};
        EXPECT_EQ(values_of(take(used, 0, Indices(both))),
                  (std::vector<std::int32_t>{6, 7, 8, 21, 22, 23}));
        how(path("b.npy"));
        for (const Dataset& dataset : {used, unused}) {
          expect_error(Errc::file_changed, path("b.npy"), [&] { take(dataset, 0, Indices(both)); });
          expect_error(Errc::file_changed, part, [&] { copy(dataset); });
          // What does not need it can be had.
          EXPECT_EQ(values_of(copy(dataset.slice(0, {0, 5}))), counting(15));
        }
      }
    }
  };
  change([](const std::string& file) { std::filesystem::resize_file(file, 200); },
         "it has 200 bytes");
  change([](const std::string& file) { write_file(file, read_file(file) + "x"); }, "and had");
  change([](const std::string& file) { touch(file, 5); }, "it was written to");
  change([](const std::string& file) { std::filesystem::remove(file); }, "No such file");
  change(
      [](const std::string& file) {
        std::filesystem::remove(file);
        std::filesystem::create_directory(file);
        touch(file, 5);
      },
      "b.npy");
}

TEST_F(Files, AreDescribedBriefly) {
  std::vector<std::string> names;
  for (int i = 0; i < 500; ++i) {
    names.push_back(path(text("shard-", i, ".npy")));
    write_rows(names.back(), 2, 2 * i);
  }
  const Dataset dataset = Dataset::open(names);
  const std::string description = dataset.serialize();
  EXPECT_LT(description.size(), 500 * 64U);
  EXPECT_EQ(values_of(copy(Dataset::deserialize(description))), counting(3000));
}

TEST_F(Files, DescriptionsThatAreDamagedDescribeNothingOutside) {
  write_rows(path("a.npy"), 5, 0);
  write_rows(path("b.npy"), 4, 5);
  const std::vector<std::string> names{path("a.npy"), path("b.npy")};
  const std::string whole = Dataset::open(names).slice(0, {{}, {}, 2}).serialize();
  for (std::size_t length = 0; length < whole.size(); ++length)
    expect_error(Errc::invalid_argument, "",
                 [&] { Dataset::deserialize(whole.substr(0, length)); });
  Random random(7);
  int described = 0;
  for (int i = 0; i < 20'000; ++i) {
    std::string damaged = whole;
    for (int k = random.between(1, 3); k > 0; --k)
      damaged[static_cast<std::size_t>(random.between(0, static_cast<int>(damaged.size()) - 1))] =
          static_cast<char>(random.between(0, 255));
    try {
      const Dataset dataset = Dataset::deserialize(damaged);
      ++described;
      if (dataset.nbytes() < 1'000'000) copy(dataset);  // the sanitizers see what lies outside
    } catch (const Error&) {
    }
  }
  EXPECT_GT(described, 0);
}

TEST_F(Files, WhatADescriptionSaysOfThemIsLookedAtBeforeMemoryIsAskedFor) {
  const std::string file = path("numbers");
  std::ofstream(file) << std::string(4099, 'x');
  RawNumbers raw{Format("B", 1)};
  raw.shape = {2};
  raw.strides = {4098};
  std::string description =
      Dataset::open(file, {.window = std::int64_t{1} << 50, .raw = raw}).serialize();
  const auto replace = [&](std::int64_t number, std::int64_t by) {
    const auto bytes_of = [](std::int64_t value) {
      return std::string(reinterpret_cast<const char*>(&value), sizeof value);
    };
    for (std::size_t at = 0; (at = description.find(bytes_of(number))) != std::string::npos;)
      description.replace(at, sizeof number, bytes_of(by));
  };
  const std::int64_t far = std::int64_t{1} << 46;  // more than any machine has
  replace(4099, far + 1);
  replace(4098, far);
  const Dataset dataset = Dataset::deserialize(description);
  expect_error(Errc::file_changed, file, [&] { copy(dataset); });
}

TEST_F(Files, OfPicturesAreDecodedOnce) {
  const Dataset picture = Dataset::open(MULTIBUFFER_TEST_DATA "/astronaut.png");
  EXPECT_EQ(picture.shape(), (Numbers{256, 256, 3}));
  expect_error(Errc::invalid_argument, "cannot be read in windows",
               [&] { picture.with_window(1000); });
  EXPECT_EQ(copy(picture.slice(0, {{}, {}, 100})).to_host(),
            picture.slice(0, {{}, {}, 100}).reference());
  const Dataset again = Dataset::deserialize(picture.serialize());
  EXPECT_EQ(copy(again).to_host(), copy(picture).to_host());
}

TEST(Memory, PartsAreOneArray) {
  const std::vector<std::int32_t> a = counting(6), b = counting(9, 6);
  const auto view = [](const std::vector<std::int32_t>& values) {
    return ArrayView::dense(values.data(), Numbers{std::ssize(values) / 3, 3}, Format("i", 4));
  };
  const std::vector<ArrayView> parts{view(a), view(b)};
  const Dataset dataset = Dataset::of_memory(parts, std::make_shared<int>(0));
  EXPECT_EQ(values_of(copy(dataset)), counting(15));
  EXPECT_TRUE(dataset.in_memory());
  expect_error(Errc::invalid_argument, "in memory", [&] { dataset.serialize(); });
  expect_error(Errc::invalid_argument, "not read in windows", [&] { dataset.with_window(10); });
}

TEST(Memory, AnOutputThatIsReadIsRefused) {
  std::vector<std::int32_t> values = counting(12);
  const std::vector<ArrayView> parts{
      ArrayView::dense(values.data(), Numbers{4, 3}, Format("i", 4))};
  const Dataset dataset = Dataset::of_memory(parts, std::make_shared<int>(0));
  ReadOptions options;
  options.out = Output{values.data() + 3, 36, MemorySpace::host, {}};
  const std::vector<std::int64_t> rows{2, 1, 0};
  expect_error(Errc::invalid_argument, "overlaps",
               [&] { take(dataset, 0, Indices(rows), options); });
  EXPECT_EQ(values, counting(12));
}

TEST(Reading, IndicesThatAreOutOfRangeReadNothing) {
  const std::vector<std::int32_t> values = counting(12);
  const std::vector<ArrayView> parts{
      ArrayView::dense(values.data(), Numbers{4, 3}, Format("i", 4))};
  const Dataset dataset = Dataset::of_memory(parts, std::make_shared<int>(0));
  std::vector<std::int32_t> out(6, -1);
  ReadOptions options;
  options.out = Output{out.data(), 24, MemorySpace::host, {}};
  const std::vector<std::int64_t> bad{1, 4};
  expect_error(Errc::index_out_of_range, "4", [&] { take(dataset, 0, Indices(bad), options); });
  EXPECT_EQ(out, std::vector<std::int32_t>(6, -1));
  std::stop_source stop;
  stop.request_stop();
  options.watch.stop = stop.get_token();
  const std::vector<std::int64_t> good{1, 2};
  expect_error(Errc::cancelled, "", [&] { take(dataset, 0, Indices(good), options); });
}

}  // namespace
}  // namespace multibuffer
