#include <multibuffer/dataset.hpp>
#include <multibuffer/error.hpp>

#include "host/files/stored_file.hpp"
#include "tests/testing/cases.hpp"
#include "tests/testing/random_array.hpp"
#include "tests/testing/scratch.hpp"
#include "tests/testing/throws.hpp"

#include <gtest/gtest.h>
#include <hdf5.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <numeric>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace multibuffer::files {
namespace {

using multibuffer::testing::cases;
using multibuffer::testing::expect_error;
using multibuffer::testing::Random;
using multibuffer::testing::read_file;
using multibuffer::testing::Scratch;
using multibuffer::testing::write_file;

using Extents = std::vector<hsize_t>;
using Numbers = std::vector<std::int64_t>;

/// What libhdf5 returns, unless it has failed. Identifiers are released when the file is closed.
template <class Result>
Result ok(Result result) {
  if (result < 0) throw std::runtime_error("libhdf5 has failed in a test");
  return result;
}

enum class Versions { earliest, latest };

/// A file that is written by libhdf5.
class Written {
 public:
  explicit Written(const std::string& path, Versions versions = Versions::earliest,
                   hsize_t user_block = 0) {
    const hid_t access = ok(H5Pcreate(H5P_FILE_ACCESS));
    ok(H5Pset_fclose_degree(access, H5F_CLOSE_STRONG));
    if (versions == Versions::latest)
      ok(H5Pset_libver_bounds(access, H5F_LIBVER_LATEST, H5F_LIBVER_LATEST));
    const hid_t creation = ok(H5Pcreate(H5P_FILE_CREATE));
    if (user_block > 0) ok(H5Pset_userblock(creation, user_block));
    id_ = ok(H5Fcreate(path.c_str(), H5F_ACC_TRUNC, creation, access));
  }
  ~Written() { close(); }
  Written(const Written&) = delete;
  Written& operator=(const Written&) = delete;

  operator hid_t() const { return id_; }
  void flush() { ok(H5Fflush(id_, H5F_SCOPE_GLOBAL)); }
  void close() {
    if (id_ >= 0) H5Fclose(std::exchange(id_, -1));
  }

 private:
  hid_t id_ = -1;
};

struct Storage {
  Extents chunk{};
  Extents most{};  ///< the largest shape, if it is another
  std::function<void(hid_t creation)> set{};
};

hid_t create(hid_t file, const std::string& name, hid_t type, const Extents& shape,
             const Storage& storage = {}) {
  const hid_t space = ok(H5Screate_simple(static_cast<int>(shape.size()), shape.data(),
                                          storage.most.empty() ? nullptr : storage.most.data()));
  const hid_t creation = ok(H5Pcreate(H5P_DATASET_CREATE));
  if (!storage.chunk.empty())
    ok(H5Pset_chunk(creation, static_cast<int>(storage.chunk.size()), storage.chunk.data()));
  if (storage.set) storage.set(creation);
  const hid_t links = ok(H5Pcreate(H5P_LINK_CREATE));
  ok(H5Pset_create_intermediate_group(links, 1));
  return ok(H5Dcreate2(file, name.c_str(), type, space, links, creation, H5P_DEFAULT));
}

/// Writes numbers that count up.
std::vector<std::int32_t> fill(hid_t dataset) {
  const hid_t space = ok(H5Dget_space(dataset));
  std::vector<std::int32_t> values(static_cast<std::size_t>(H5Sget_simple_extent_npoints(space)));
  std::iota(values.begin(), values.end(), 1);
  if (!values.empty())
    ok(H5Dwrite(dataset, H5T_NATIVE_INT32, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()));
  return values;
}

std::vector<std::int32_t> elements(const std::string& source, std::int64_t window = 0) {
  OpenOptions options;
  options.window = window;
  return copy(multibuffer::Dataset::open(source, options)).to_host<std::int32_t>();
}

class Hdf5Reader : public ::testing::Test {
 protected:
  StoredArray array(const std::string& name) const { return open_stored_file(path)->array(name); }
  std::string descr_of(hid_t type) const {
    {
      const Written file(path);
      create(file, "it", type, {0});
    }
    return array("it").descr;
  }
  void expect_refusal(const std::string& name, const std::string& why) const {
    expect_error(Errc::file_invalid, path + "::" + name, [&] { array(name); });
    expect_error(Errc::file_invalid, why, [&] { array(name); });
  }

  Scratch scratch;
  std::string path = scratch / "it.h5";
};

// ---- Element types

TEST_F(Hdf5Reader, NumbersKeepTheirByteOrder) {
  EXPECT_EQ(descr_of(H5T_STD_I8LE), "'|i1'");
  EXPECT_EQ(descr_of(H5T_STD_U8BE), "'|u1'");
  EXPECT_EQ(descr_of(H5T_STD_I16BE), "'>i2'");
  EXPECT_EQ(descr_of(H5T_STD_U32LE), "'<u4'");
  EXPECT_EQ(descr_of(H5T_STD_I64BE), "'>i8'");
  EXPECT_EQ(descr_of(H5T_STD_B16LE), "'<u2'");
  EXPECT_EQ(descr_of(H5T_IEEE_F32LE), "'<f4'");
  EXPECT_EQ(descr_of(H5T_IEEE_F32BE), "'>f4'");
  EXPECT_EQ(descr_of(H5T_IEEE_F64BE), "'>f8'");
  const hid_t half = ok(H5Tcopy(H5T_IEEE_F32BE));
  ok(H5Tset_fields(half, 15, 10, 5, 0, 10));
  ok(H5Tset_size(half, 2));
  ok(H5Tset_ebias(half, 15));
  EXPECT_EQ(descr_of(half), "'>f2'");
}

TEST_F(Hdf5Reader, EnumsAreTheirIntegersAndH5pysBool) {
  const auto enumeration = [](hid_t base, const char* no, const char* yes) {
    const hid_t type = ok(H5Tenum_create(base));
    std::array<std::int64_t, 2> values{0, 1};
    ok(H5Tenum_insert(type, no, &values[0]));
    ok(H5Tenum_insert(type, yes, &values[1]));
    return type;
  };
  EXPECT_EQ(descr_of(enumeration(H5T_NATIVE_INT8, "FALSE", "TRUE")), "'|b1'");
  EXPECT_EQ(descr_of(enumeration(H5T_NATIVE_INT8, "OFF", "ON")), "'|i1'");
  EXPECT_EQ(descr_of(enumeration(H5T_STD_U16LE, "FALSE", "TRUE")), "'<u2'");
}

TEST_F(Hdf5Reader, CompoundsAreComplexNumbersOrStructs) {
  const auto pair = [](const char* first, const char* second, hid_t type, std::size_t size) {
    const hid_t compound = ok(H5Tcreate(H5T_COMPOUND, size));
    ok(H5Tinsert(compound, first, 0, type));
    ok(H5Tinsert(compound, second, size - H5Tget_size(type), type));
    return compound;
  };
  EXPECT_EQ(descr_of(pair("r", "i", H5T_IEEE_F32LE, 8)), "'<c8'");
  EXPECT_EQ(descr_of(pair("r", "i", H5T_IEEE_F64BE, 16)), "'>c16'");
  EXPECT_EQ(descr_of(pair("r", "i", H5T_STD_I32LE, 8)), "[('r', '<i4'), ('i', '<i4')]");
  EXPECT_EQ(descr_of(pair("a", "b", H5T_STD_I16BE, 8)),
            "[('a', '>i2'), ('', '|V4'), ('b', '>i2')]");
  const std::array<hsize_t, 2> extents{2, 3};
  const hid_t rows = ok(H5Tarray_create2(H5T_IEEE_F32LE, 2, extents.data()));
  EXPECT_EQ(descr_of(pair("a", "b", rows, 48)), "[('a', '<f4', (2, 3)), ('b', '<f4', (2, 3))]");
  const hid_t inner = pair("x", "y", H5T_STD_U8LE, 2);
  EXPECT_EQ(descr_of(pair("a", "b", inner, 4)),
            "[('a', [('x', '|u1'), ('y', '|u1')]), ('b', [('x', '|u1'), ('y', '|u1')])]");
}

TEST_F(Hdf5Reader, StringsOfALengthAndOpaqueBytes) {
  const hid_t string = ok(H5Tcopy(H5T_C_S1));
  ok(H5Tset_size(string, 10));
  EXPECT_EQ(descr_of(string), "'|S10'");
  const auto opaque = [](const char* tag) {
    const hid_t type = ok(H5Tcreate(H5T_OPAQUE, 8));
    ok(H5Tset_tag(type, tag));
    return type;
  };
  EXPECT_EQ(descr_of(opaque("anything")), "'|V8'");
  EXPECT_EQ(descr_of(opaque("NUMPY:<M8[ns]")), "'<M8[ns]'");
  EXPECT_EQ(descr_of(opaque("NUMPY:<M8[nonsense]")), "'|V8'");
  EXPECT_EQ(descr_of(opaque("NUMPY:<i4")), "'|V8'");
}

TEST_F(Hdf5Reader, AnElementThatIsAnArrayHasAxes) {
  std::vector<std::int32_t> values(5 * 2 * 3);
  std::iota(values.begin(), values.end(), 0);
  {
    const Written file(path);
    const std::array<hsize_t, 2> extents{2, 3};
    const hid_t type = ok(H5Tarray_create2(H5T_NATIVE_INT32, 2, extents.data()));
    for (const hsize_t chunk : {hsize_t{0}, hsize_t{2}}) {
      const hid_t dataset = create(file, chunk ? "chunks" : "whole", type, {5},
                                   {.chunk = chunk ? Extents{chunk} : Extents{}});
      ok(H5Dwrite(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()));
    }
  }
  for (const char* name : {"whole", "chunks"}) {
    EXPECT_EQ(array(name).shape, (Numbers{5, 2, 3}));
    EXPECT_EQ(elements(path + "::" + name), values);
  }
}

TEST_F(Hdf5Reader, OtherElementTypesAreRefusedByName) {
  const auto refuse = [&](hid_t type, const char* why) {
    {
      const Written file(path);
      create(file, "group/it", type, {3});
    }
    expect_refusal("group/it", why);
  };
  const hid_t string = ok(H5Tcopy(H5T_C_S1));
  ok(H5Tset_size(string, H5T_VARIABLE));
  refuse(string, "strings of variable length");
  refuse(ok(H5Tvlen_create(H5T_NATIVE_INT)), "sequences of variable length");
  refuse(H5T_STD_REF_OBJ, "references");
  const hid_t bits = ok(H5Tcopy(H5T_STD_I16LE));
  ok(H5Tset_precision(bits, 12));
  refuse(bits, "integers of 12 bits in 2 bytes");
  const hid_t brain = ok(H5Tcopy(H5T_IEEE_F32LE));
  ok(H5Tset_fields(brain, 15, 7, 8, 0, 7));
  ok(H5Tset_size(brain, 2));
  refuse(brain, "none of IEEE's");
  const hid_t compound = ok(H5Tcreate(H5T_COMPOUND, 16));
  ok(H5Tinsert(compound, "words", 0, string));
  refuse(compound, "(in the member 'words')");
}

// ---- Where elements lie

TEST_F(Hdf5Reader, ContiguousAndChunkedElementsAreThoseWritten) {
  Random random(1);
  int chunked = 0;
  for (int round = 0; round < 150; ++round) {
    const auto any = [&](int from, int to) {
      return static_cast<hsize_t>(random.between(from, to));
    };
    Storage storage;
    Extents shape;
    const bool in_chunks = random.between(0, 3) > 0;
    // Which of the five kinds of index there are for chunks depends on how many axes can grow.
    const int growing = random.between(0, 2);
    for (int i = random.between(in_chunks ? 1 : 0, 4); i-- > 0;) {
      shape.push_back(any(1, 7));
      if (!in_chunks) continue;
      const bool grows = static_cast<int>(storage.most.size()) < growing;
      storage.most.push_back(grows ? H5S_UNLIMITED : shape.back());
      storage.chunk.push_back(any(1, grows ? 9 : static_cast<int>(shape.back())));
    }
    if (random.between(0, 2) == 0)
      storage.set = [](hid_t creation) { ok(H5Pset_alloc_time(creation, H5D_ALLOC_TIME_EARLY)); };
    std::vector<std::int32_t> values;
    {
      const Written file(path, random.between(0, 1) ? Versions::latest : Versions::earliest);
      values = fill(create(file, "a/b", H5T_STD_I32LE, shape, storage));
    }
    chunked += in_chunks;
    SCOPED_TRACE(round);
    const StoredArray stored = array("a/b");
    EXPECT_EQ(stored.shape, Numbers(shape.begin(), shape.end()));
    EXPECT_EQ(elements(path), values);
    EXPECT_EQ(elements(path + "::/a/b", 64), values);
  }
  EXPECT_GT(chunked, 50);
}

TEST_F(Hdf5Reader, EmptyArraysAndScalars) {
  {
    const Written file(path);
    create(file, "none", H5T_NATIVE_INT32, {0, 3});
    create(file, "none in chunks", H5T_NATIVE_INT32, {4, 0},
           {.chunk = {2, 2}, .most = {H5S_UNLIMITED, H5S_UNLIMITED}});
    const hid_t scalar = ok(H5Screate(H5S_SCALAR));
    fill(ok(H5Dcreate2(file, "scalar", H5T_NATIVE_INT32, scalar, H5P_DEFAULT, H5P_DEFAULT,
                       H5P_DEFAULT)));
    const hid_t null = ok(H5Screate(H5S_NULL));
    ok(H5Dcreate2(file, "null", H5T_NATIVE_INT32, null, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
  }
  EXPECT_EQ(array("none").shape, (Numbers{0, 3}));
  EXPECT_EQ(array("none in chunks").shape, (Numbers{4, 0}));
  EXPECT_TRUE(elements(path + "::none in chunks").empty());
  EXPECT_EQ(elements(path + "::scalar"), std::vector<std::int32_t>{1});
  expect_refusal("null", "no elements, and no shape");
}

TEST_F(Hdf5Reader, AMillionChunks) {
  {
    const Written file(path, Versions::latest);
    create(file, "it", H5T_NATIVE_INT32, {1'000'000},
           {.chunk = {1}, .set = [](hid_t creation) {
              ok(H5Pset_alloc_time(creation, H5D_ALLOC_TIME_EARLY));
              ok(H5Pset_fill_time(creation, H5D_FILL_TIME_NEVER));
            }});
  }
  const StoredArray stored = array("it");
  ASSERT_EQ(stored.offsets.size(), 1'000'000U);
  EXPECT_EQ(stored.offsets[999'999] - stored.offsets[0], 4 * 999'999);
}

TEST_F(Hdf5Reader, ChunksOutsideOfAShrunkShapeAreNone) {
  {
    const Written file(path);
    const hid_t dataset =
        create(file, "it", H5T_NATIVE_INT32, {20}, {.chunk = {4}, .most = {H5S_UNLIMITED}});
    fill(dataset);
    const hsize_t less = 10;
    ok(H5Dset_extent(dataset, &less));
  }
  EXPECT_EQ(elements(path), (std::vector<std::int32_t>{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}));
}

TEST_F(Hdf5Reader, FiltersAreRefusedByName) {
  {
    const Written file(path);
    fill(create(file, "a", H5T_NATIVE_INT32, {20}, {.chunk = {4}, .set = [](hid_t creation) {
                                                      ok(H5Pset_shuffle(creation));
                                                      ok(H5Pset_deflate(creation, 4));
                                                    }}));
    fill(create(file, "b", H5T_NATIVE_INT32, {20},
                {.chunk = {4}, .set = [](hid_t creation) { ok(H5Pset_fletcher32(creation)); }}));
  }
  expect_refusal("a",
                 "filters: shuffle, gzip. This makes a file that can be read: h5repack -f "
                 "NONE -l CONTI '" +
                     path + "' NEW.h5");
  expect_refusal("b", "filters: fletcher32");
}

TEST_F(Hdf5Reader, WhatDoesNotLieInTheFileIsRefusedByName) {
  {
    const Written file(path);
    create(file, "contiguous", H5T_NATIVE_INT32, {20});
    const hid_t some = create(file, "some", H5T_NATIVE_INT32, {20}, {.chunk = {4}});
    const hsize_t at = 9;
    const hsize_t count = 5;
    const hid_t selected = ok(H5Dget_space(some));
    ok(H5Sselect_hyperslab(selected, H5S_SELECT_SET, &at, nullptr, &count, nullptr));
    const std::array<std::int32_t, 5> values{};
    const hid_t memory = ok(H5Screate_simple(1, &count, nullptr));
    ok(H5Dwrite(some, H5T_NATIVE_INT32, memory, selected, H5P_DEFAULT, values.data()));
    create(file, "no chunk", H5T_NATIVE_INT32, {20}, {.chunk = {4}});
    create(file, "many", H5T_NATIVE_INT32, {hsize_t{1} << 40}, {.chunk = {4}});
    create(file, "huge", H5T_NATIVE_INT32, {hsize_t{1} << 31, hsize_t{1} << 30}, {.chunk = {1, 1}});
    fill(create(file, "compact", H5T_NATIVE_INT32, {20},
                {.set = [](hid_t creation) { ok(H5Pset_layout(creation, H5D_COMPACT)); }}));
    create(file, "external", H5T_NATIVE_INT32, {20},
           {.set = [](hid_t creation) { ok(H5Pset_external(creation, "other.bin", 0, 80)); }});
    create(file, "virtual", H5T_NATIVE_INT32, {20}, {.set = [](hid_t creation) {
             const hsize_t extent = 20;
             const hid_t space = ok(H5Screate_simple(1, &extent, nullptr));
             ok(H5Pset_virtual(creation, space, ".", "contiguous", space));
           }});
    ok(H5Lcreate_external("other.h5", "/it", file, "link", H5P_DEFAULT, H5P_DEFAULT));
    ok(H5Gcreate2(file, "group", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
  }
  expect_refusal("contiguous", "none of its elements was ever written");
  expect_refusal("some", "3 of its 5 chunks were never written");
  expect_refusal("no chunk", "none of its elements was ever written");
  expect_refusal("many", "of its 274877906944 chunks were never written");
  expect_refusal("huge", "of its 2305843009213693952 chunks were never written");
  expect_refusal("compact", "(compact)");
  expect_refusal("external", "in other files");
  expect_refusal("virtual", "it is virtual");
  expect_refusal("link", "a link into another file");
  expect_refusal("group", "it is no dataset");
  expect_refusal("nothing", "there is no such dataset");
  expect_refusal("group/nothing", "there is no such dataset");
}

TEST_F(Hdf5Reader, AUserBlockIsRefused) {
  {
    const Written file(path, Versions::earliest, 512);
    fill(create(file, "it", H5T_NATIVE_INT32, {20}));
  }
  expect_error(Errc::file_invalid, "a user block of 512 bytes", [&] { open_stored_file(path); });
  expect_error(Errc::file_invalid, "h5unjam --delete", [&] { open_stored_file(path); });
}

// ---- Names

TEST_F(Hdf5Reader, NamesAreOfAllDatasetsOnce) {
  {
    const Written file(path);
    for (const char* name : {"b/two", "a", "b/one/deep", "c"})
      fill(create(file, name, H5T_NATIVE_INT32, {2}));
    ok(H5Lcreate_hard(file, "a", file, "b/again", H5P_DEFAULT, H5P_DEFAULT));
    ok(H5Lcreate_hard(file, "b", file, "b/one/circle", H5P_DEFAULT, H5P_DEFAULT));
    ok(H5Lcreate_soft("/b/two", file, "soft", H5P_DEFAULT, H5P_DEFAULT));
    ok(H5Lcreate_external("other.h5", "/it", file, "outside", H5P_DEFAULT, H5P_DEFAULT));
    ok(H5Tcommit2(file, "type", ok(H5Tcopy(H5T_STD_I32LE)), H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
  }
  const auto file = open_stored_file(path);
  EXPECT_EQ(file->names(), (std::vector<std::string>{"a", "b/one/deep", "b/two", "c"}));
  EXPECT_EQ(file->array("soft").offsets, file->array("b/two").offsets);
  EXPECT_EQ(file->array("b/one/circle/two").offsets, file->array("b/two").offsets);
  EXPECT_EQ(file->array("/b/again").offsets, file->array("a").offsets);
}

TEST_F(Hdf5Reader, AFileIsKnownByItsFirstBytes) {
  path = scratch / "without an ending";
  {
    const Written file(path);
    fill(create(file, "it", H5T_NATIVE_INT32, {3}));
  }
  EXPECT_EQ(elements(path), (std::vector<std::int32_t>{1, 2, 3}));
}

// ---- Beside others

TEST_F(Hdf5Reader, AFileIsReadWhileItIsOpenElsewhere) {
  Written file(path);
  const std::vector<std::int32_t> values =
      fill(create(file, "it", H5T_NATIVE_INT32, {20}, {.chunk = {4}}));
  file.flush();
  EXPECT_EQ(elements(path), values);
  const hid_t again = ok(H5Dopen2(file, "it", H5P_DEFAULT));  // and stays open there
  EXPECT_EQ(fill(again), values);
}

TEST_F(Hdf5Reader, ErrorsOfLibhdf5AreNotPrintedAndItsPrinterStays) {
  { const Written file(path); }
  H5E_auto2_t before = nullptr;
  void* data = nullptr;
  ok(H5Eget_auto2(H5E_DEFAULT, &before, &data));
  ASSERT_NE(before, nullptr);
  ::testing::internal::CaptureStderr();
  expect_refusal("nothing", "there is no such dataset");
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
  H5E_auto2_t after = nullptr;
  ok(H5Eget_auto2(H5E_DEFAULT, &after, &data));
  EXPECT_EQ(before, after);
}

TEST_F(Hdf5Reader, SeveralThreadsOpenFiles) {
  {
    const Written file(path);
    fill(create(file, "it", H5T_NATIVE_INT32, {100}, {.chunk = {3}}));
  }
  const StoredArray expected = array("it");
  std::array<int, 4> right{};
  {
    std::vector<std::jthread> threads;
    for (int& count : right)
      threads.emplace_back([&] {
        for (int i = 0; i < 50; ++i) {
          const auto file = open_stored_file(path);
          count += file->names().size() == 1 && file->array("it").offsets == expected.offsets;
        }
      });
  }
  EXPECT_EQ(right, (std::array{50, 50, 50, 50}));
}

// ---- Damaged files

/// Opens what is there, and reads all that can be read. Throws nothing but this library's errors.
void read_all(const std::string& path) {
  try {
    const auto file = open_stored_file(path);
    for (const std::string& name : file->names()) {
      try {
        const multibuffer::Dataset dataset = multibuffer::Dataset::open(path + "::" + name);
        double size = 1;
        for (const std::int64_t extent : dataset.shape()) size *= static_cast<double>(extent);
        if (size < 1e6) copy(dataset);
      } catch (const Error&) {
      }
    }
  } catch (const Error&) {
  }
}

/// Datasets of each kind that can be read.
std::string good_file(const std::string& path, Versions versions) {
  {
    const Written file(path, versions);
    fill(create(file, "a/contiguous", H5T_NATIVE_INT32, {5, 4}));
    fill(create(file, "a/chunked", H5T_NATIVE_INT32, {9, 5}, {.chunk = {2, 3}}));
    fill(create(file, "b/growing", H5T_NATIVE_INT32, {9, 5},
                {.chunk = {2, 3}, .most = {H5S_UNLIMITED, 5}}));
    fill(create(file, "b/growing twice", H5T_NATIVE_INT32, {9, 5},
                {.chunk = {2, 3}, .most = {H5S_UNLIMITED, H5S_UNLIMITED}}));
    fill(create(file, "c/early", H5T_NATIVE_INT32, {30}, {.chunk = {4}, .set = [](hid_t creation) {
                                                            ok(H5Pset_alloc_time(
                                                                creation, H5D_ALLOC_TIME_EARLY));
                                                          }}));
    const hid_t compound = ok(H5Tcreate(H5T_COMPOUND, 16));
    ok(H5Tinsert(compound, "one", 0, H5T_STD_I32BE));
    ok(H5Tinsert(compound, "two", 8, H5T_IEEE_F64LE));
    const hid_t records = create(file, "c/records", compound, {6});
    const std::vector<std::byte> zeros(6 * 16);
    ok(H5Dwrite(records, compound, H5S_ALL, H5S_ALL, H5P_DEFAULT, zeros.data()));
  }
  return read_file(path);
}

/// Runs in a process of its own, since libhdf5 itself may fail on what is damaged. Returns how that
/// ended: the exit status, or a signal's number below 0.
int in_child(const std::function<void()>& body) {
  const pid_t child = fork();
  if (child == 0) {
    body();
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

class DamagedHdf5 : public ::testing::TestWithParam<Versions> {};
INSTANTIATE_TEST_SUITE_P(Versions, DamagedHdf5,
                         ::testing::Values(Versions::earliest, Versions::latest));

TEST_P(DamagedHdf5, CutAtEvery64thByte) {
  const Scratch scratch;
  const std::string whole = good_file(scratch / "whole.h5", GetParam());
  const std::string path = scratch / "cut.h5";
  for (std::size_t size = 0; size < whole.size(); size += 64) {
    write_file(path, whole.substr(0, size));
    SCOPED_TRACE(size);
    EXPECT_THROW(open_stored_file(path), Failure);
  }
}

TEST_P(DamagedHdf5, ChangedBytes) {
  const Scratch scratch;
  const std::string whole = good_file(scratch / "whole.h5", GetParam());
  const std::string path = scratch / "changed.h5";
  int crashes = 0;
  const int rounds = cases(1500);
  for (int first = 0; first < rounds;) {
    // A child goes on until something ends it, and says how far it came.
    int progress[2];
    ASSERT_EQ(pipe(progress), 0);
    const int status = in_child([&] {
      for (int round = first; round < rounds; ++round) {
        Random random(static_cast<std::uint32_t>(round));
        std::string bytes = whole;
        for (int i = random.between(1, 4); i-- > 0;)
          bytes[static_cast<std::size_t>(random.between(0, static_cast<int>(bytes.size()) - 1))] =
              static_cast<char>(random.between(0, 255));
        write_file(path, bytes);
        if (write(progress[1], &round, sizeof(round)) < 0) _exit(2);
        alarm(20);
        read_all(path);
      }
    });
    close(progress[1]);
    int round = first;
    int reached = first;
    while (read(progress[0], &round, sizeof(round)) > 0) reached = round;
    close(progress[0]);
    if (status == 0) break;
    ++crashes;
    std::printf("round %d ended with %d\n", reached, status);
    first = reached + 1;
  }
  EXPECT_EQ(crashes, 0);
}

}  // namespace
}  // namespace multibuffer::files
